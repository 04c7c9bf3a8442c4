"""Turns what readers found into schedules that a registrar accepts. What it would reject is listed as unsaid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from eventcron.errors import InvalidSchedule
from eventcron.migrate.model import Found, Imported, Subscription, Timing, Unsaid
from eventcron.migrate.names import names_of
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key
from eventcron.rules.definition import canonical_of
from eventcron.timing.expression import MANUAL, Manual
from eventcron.timing.hints import BY_HAND
from eventcron.timing.instant import from_datetime
from eventcron.timing.rewrite import Rewritten, rewrite, written
from eventcron.timing.trigger import from_canonical, next_occurrence
from eventcron.timing.zones import load_zone
from eventcron.wire.decode import decode_schedule

#: Characters: the bounds of ``display_name``, of a label and of ``description`` in Put Schedule.
_DISPLAY_CHARS, _LABEL_CHARS, _DESCRIPTION_CHARS = 256, 256, 512
#: The most expressions of a schedule.
_MAX_EXPRESSIONS = 16
#: Whether an expression needs an exclusion does not depend on what H is hashed from.
_ANY = Key("any", "any")
#: The label that says where a schedule came from.
ORIGIN_LABEL = "imported-from"


class Written(NamedTuple):
    """A schedule to write: the detail of ``Put Schedule``, where it came from, and what its source says."""

    detail: dict[str, Any]
    origin: str
    text: str
    subscriptions: tuple[Subscription, ...]

    @property
    def key(self) -> Key:
        return Key(self.detail["tenant"], self.detail["name"])


class Listed(NamedTuple):
    """Something unsaid, and where in which file it stands."""

    origin: str
    unsaid: Unsaid


class Import(NamedTuple):
    """What an import comes to."""

    schedules: list[Written]
    unsaid: list[Listed]


class Defaults(NamedTuple):
    """What the source does not say: the tenant, the host's zone, and the present time."""

    tenant: str
    timezone: str
    now: Instant


def check_defaults(defaults: Defaults) -> None:
    """Raise what would otherwise be wrong with every schedule.

    Raises:
        InvalidSchedule: the tenant or the zone is invalid.
    """
    load_zone(defaults.timezone)
    try:
        decode_schedule(msgspec.json.encode({"tenant": defaults.tenant, "name": "any", "expression": MANUAL}))
    except InvalidSchedule as error:
        raise InvalidSchedule(error.code, field="--tenant", given=error.given, allowed=error.allowed) from None


def _ignore(_done: int) -> None:
    """Discard the progress: the default for ``on_progress``."""


def assemble(
    files: Iterable[tuple[str, Found]], defaults: Defaults, *, on_progress: Callable[[int], None] = _ignore
) -> Import:
    """Name the schedules found in *files*, write their expressions, and check each as a registrar would.

    *on_progress* is called with the number of schedules that are done.
    """
    found = [(file, part) for file, everything in files for one in everything for part in _parts(one, defaults.now)]
    names = iter(names_of([one for _, one in found if isinstance(one, Imported)]))
    schedules: list[Written] = []
    unsaid: list[Listed] = []
    imported = set[tuple[str, str]]()
    for file, one in found:
        origin = file if one.line is None else f"{file}:{one.line}"
        if isinstance(one, Unsaid):
            unsaid.append(Listed(origin, one))
            continue
        name = next(names)
        try:
            schedules.append(_write(one, name, origin, defaults))
        except InvalidSchedule as error:
            unsaid.append(Listed(origin, _refused(one, error)))
        else:
            imported.add((file, one.name))
            unsaid += [Listed(origin, cut) for cut in _cut(one)]
        on_progress(len(schedules))
    of_none = {(file, one.name) for file, one in found if isinstance(one, Imported)} - imported
    return Import(schedules, [_of_its_schedule(listed, of_none) for listed in unsaid])


def _of_its_schedule(listed: Listed, of_none: set[tuple[str, str]]) -> Listed:
    """Return *listed* as whole if the schedule that it is a part of was not written: *of_none* has these."""
    file = listed.origin if listed.unsaid.line is None else listed.origin.rsplit(":", 1)[0]
    if (file, listed.unsaid.name) not in of_none:
        return listed
    return listed._replace(unsaid=listed.unsaid._replace(whole=True))


def _cut(one: Imported) -> list[Unsaid]:
    """What of a schedule is longer than eventcron takes. A name counts too, unless the input has all of it."""
    texts = {"description": (str(one.fields.get("description") or ""), _DESCRIPTION_CHARS)}
    if one.name not in str(one.fields.get("input")):
        texts["display_name"] = (one.name, _DISPLAY_CHARS)
    cut: list[Unsaid] = []
    for field, (text, most) in texts.items():
        if len(text) > most:
            reason, nearest = f"{field} has at most {most} characters", f"the first {most}, which are written"
            cut.append(Unsaid(one.name, f"{field}: {text}", reason, nearest, one.line, whole=False))
    return cut


def _write(one: Imported, name: str, origin: str, defaults: Defaults) -> Written:
    key = Key(defaults.tenant, name)
    rewritten = [_expression(timing, key, defaults.now) for timing in one.timings]
    detail: dict[str, Any] = {"tenant": key.tenant, "name": key.name}
    if name != one.name:
        detail["display_name"] = one.name[:_DISPLAY_CHARS]
    detail |= _timed(rewritten)
    zone = one.timezone or defaults.timezone
    if zone != "UTC":
        detail["timezone"] = zone
    detail |= _fitting(one.fields)
    if zone == "UTC":  # its clocks never change
        detail.pop("daylight_saving", None)
    detail["labels"] = {ORIGIN_LABEL: origin[-_LABEL_CHARS:], **detail.get("labels", {})}
    if not _fires(detail, defaults.now):
        detail["expression"] = MANUAL
        detail.pop("exclude", None)
    return Written(detail, origin, one.text, one.subscriptions)


def _expression(timing: Timing, key: Key, now: Instant) -> Rewritten:
    if isinstance(timing.item, Manual):
        return Rewritten(MANUAL)
    try:
        if timing.item is not None:
            return written(timing.item, timing.text, key=key, checked_from=now)
        return rewrite(timing.text, timing.notation, key=key, checked_from=now)
    except InvalidSchedule as error:
        # Others write a date that never comes for a job that is only run by hand.
        if error.code == RejectionCode.NEVER_MATCHES:
            return Rewritten(MANUAL)
        raise


def _parts(one: Imported | Unsaid, now: Instant) -> Found:
    """Return *one*, or several schedules where one of eventcron's cannot have all its expressions.

    All expressions of a schedule share its exclusions, and there are 16 of them at most.
    """
    if isinstance(one, Unsaid) or len(one.timings) == 1:
        return [one]
    by_exclusion: dict[str | None, list[Timing]] = {}
    for timing in one.timings:
        try:
            exclude = _expression(timing, _ANY, now).exclude
        except InvalidSchedule:  # it is listed when the schedule is written
            exclude = None
        by_exclusion.setdefault(exclude, []).append(timing)
    alike = by_exclusion.values()
    pieces = [
        each[first : first + _MAX_EXPRESSIONS] for each in alike for first in range(0, len(each), _MAX_EXPRESSIONS)
    ]
    return [one._replace(timings=tuple(piece)) for piece in pieces]


def _timed(rewritten: Sequence[Rewritten]) -> dict[str, Any]:
    texts = [one.expression for one in rewritten]
    timed: dict[str, Any] = {"expression": texts[0] if len(texts) == 1 else texts}
    return timed if rewritten[0].exclude is None else {**timed, "exclude": [rewritten[0].exclude]}


def _fitting(fields: Mapping[str, Any]) -> dict[str, Any]:
    fitting = {name: value for name, value in fields.items() if value is not None}
    if "description" in fitting:
        fitting["description"] = str(fitting["description"])[:_DESCRIPTION_CHARS]
    return fitting


def _fires(detail: dict[str, Any], now: Instant) -> bool:
    """Whether the schedule fires by itself, put *now*. Raise as a registrar would for what it rejects.

    A cron expression of past years only, such as Quartz' ``0 0 0 1 1 ? 1970``, is how others write a schedule that is
    only run by hand.

    Raises:
        InvalidSchedule: a field or the trigger is invalid, or what has an end is over.
    """
    schedule = decode_schedule(msgspec.json.encode(detail))
    trigger = from_canonical(canonical_of(schedule, now, {}))
    if all(isinstance(item, Manual) for item in trigger.items):
        return True
    end = None if schedule.end is None else from_datetime(schedule.end)
    start = now if schedule.start is None else max(now, from_datetime(schedule.start))
    if (end is None or start < end) and next_occurrence(trigger, start, before=end) is not None:
        return True
    if end is None and trigger.is_cron:
        return False
    raise InvalidSchedule(
        RejectionCode.NEVER_FIRES, field="expression", given=_when(schedule), allowed=f"a time to come, {BY_HAND}"
    )


def _when(schedule: Schedule) -> str:
    until = "" if schedule.end is None else f" until {schedule.end.isoformat()}"
    return f"{', '.join(schedule.expressions)}{until}, which is over"


def _refused(one: Imported, error: InvalidSchedule) -> Unsaid:
    given = one.text or ", ".join(timing.text for timing in one.timings)
    return Unsaid(one.name, given, f"{error.field}: got {error.given}", error.allowed, one.line)
