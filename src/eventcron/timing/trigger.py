"""When a schedule fires: a pure function from a window to the occurrences in it.

``parse`` makes a ``Trigger`` from what a schedule says; ``walk`` and ``occurrences`` answer for any window without
memory, so that splitting a window changes nothing; ``canonical`` is the trigger as text. Every search is bounded by
the years 1970-2199.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from functools import cached_property, lru_cache
from heapq import merge
from itertools import groupby
from typing import Literal

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode, SkipReason
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Instant, Key, Occurrence, Window
from eventcron.timing import canonical as text_form
from eventcron.timing.cron import DAY_S, EVERY_SECOND, Cron, DayTest
from eventcron.timing.daylight import EARLIEST, LATEST, end_of_gap, to_instants, walk_cron
from eventcron.timing.exclusions import DateSpan, Excluder, Exclusion, excluder, read_exclusions, spent_days
from eventcron.timing.expression import At, Item, Rate, read_expression
from eventcron.timing.instant import rfc3339, to_datetime
from eventcron.timing.zones import Zone, load_zone

#: The named profile: EventBridge Scheduler skips what the clocks skip, and does not repeat what they repeat.
EVENTBRIDGE_POLICY = DaylightSaving(gap="skip", overlap="once")

#: Excluded instants of ``rate()`` in a row, on days that are not wholly excluded, after which the search gives up:
#: more than two days of seconds.
MAX_EXCLUDED_STEPS = 200_000

#: Decoded canonical triggers kept: "a million schedules share a few thousand".
_CACHED_TRIGGERS = 8_192


@dataclass(frozen=True)
class Trigger:
    """What says when. Two triggers with the same canonical text have the same occurrences, and are equal."""

    canonical: str
    items: tuple[Item, ...] = field(compare=False)
    timezone: str = field(compare=False)
    policy: DaylightSaving = field(compare=False)
    exclusions: tuple[Exclusion, ...] = field(compare=False, default=())

    def __str__(self) -> str:
        return self.canonical

    @cached_property
    def zone(self) -> Zone:
        return load_zone(self.timezone)

    @cached_property
    def excluded(self) -> Excluder | None:
        return excluder(self.exclusions)


def parse(
    expression: str | Sequence[str],
    *,
    timezone: str = "UTC",
    daylight_saving: DaylightSaving | Literal["eventbridge"] = DaylightSaving(),  # noqa: B008  it is immutable
    exclude: Sequence[str] = (),
    anchor: Instant,
    key: Key | None = None,
    calendars: Mapping[str, Sequence[DateSpan]] | None = None,
) -> Trigger:
    """The trigger of a schedule: the union of its expressions, less what it excludes.

    *anchor* is where ``rate()`` counts from; the occurrences before it are there as well, the caller bounds the
    first. *key* decides ``H``. *calendars* holds what ``calendar:NAME`` in *exclude* may name.

    Raises:
        InvalidExpression: an expression does not parse or can never match.
        InvalidSchedule: the zone is unknown, or an entry of *exclude* does not parse.
    """
    load_zone(timezone)
    expressions = [expression] if isinstance(expression, str) else expression
    if not expressions:
        raise InvalidSchedule(
            RejectionCode.WRONG_LENGTH, field="expression", given="an empty list", allowed="1 to 16 expressions"
        )
    policy = EVENTBRIDGE_POLICY if daylight_saving == "eventbridge" else daylight_saving
    items = tuple(read_expression(text, anchor=anchor, key=key) for text in expressions)
    return from_canonical(
        text_form.encode(text_form.Parts(timezone, policy, items, read_exclusions(exclude, calendars)))
    )


@lru_cache(maxsize=_CACHED_TRIGGERS)
def from_canonical(text: str) -> Trigger:
    """The trigger whose ``canonical`` is *text*.

    Raises:
        InvalidSchedule: it is not such a text, one of another version of the format, or of a zone that is gone.
    """
    zone, policy, items, exclusions = text_form.decode(text)
    load_zone(zone)
    return Trigger(text, items, zone, policy, exclusions)


def walk(trigger: Trigger, window: Window) -> Iterator[Occurrence]:
    """Every occurrence due in *window*, in order, strictly increasing; the skipped ones say why."""
    return _walk(trigger, window, fires_only=False)


def occurrences(trigger: Trigger, window: Window) -> Iterator[Instant]:
    """The instants in *window* at which the trigger fires, in order, strictly increasing.

    Passes over excluded days without counting what they exclude, so it finds the end of a long exclusion quickly.
    """
    return (found.due for found in _walk(trigger, window, fires_only=True) if found.skipped is None)


def next_occurrence(trigger: Trigger, at_or_after: Instant, *, before: Instant | None = None) -> Instant | None:
    """The first instant at which the trigger fires, from *at_or_after* on; None: never again (or not *before* then)."""
    end = LATEST * 1000 if before is None else before
    return next(occurrences(trigger, Window(at_or_after, end)), None)


class Memo:
    """The occurrences of each distinct trigger in one window, worked out once."""

    def __init__(self) -> None:
        self._window: Window | None = None
        self._known: dict[str, tuple[Occurrence, ...]] = {}

    def occurrences_of(self, canonical: str, window: Window) -> tuple[Occurrence, ...]:
        """``walk`` of that trigger over *window*. Another window than the last forgets the last."""
        if window is not self._window and window != self._window:
            self._window, self._known = window, {}
        known = self._known.get(canonical)
        if known is None:
            known = self._known[canonical] = tuple(walk(from_canonical(canonical), window))
        return known


def local_time(instant: Instant, zone: str, *, millis: bool = True) -> str:
    """*instant* on the wall clock of *zone*, RFC 3339 with its offset; ``millis`` as in ``rfc3339``.

    >>> local_time(1764550800000, "Europe/Oslo")
    '2025-12-01T02:00:00.000+01:00'

    Raises:
        InvalidSchedule: there is no such zone.
    """
    offset = load_zone(zone).offset(instant // 1000)
    local = to_datetime(instant).astimezone(timezone(timedelta(seconds=offset)))
    return local.isoformat(timespec="milliseconds" if millis or instant % 1000 else "seconds")


def _walk(trigger: Trigger, window: Window, *, fires_only: bool) -> Iterator[Occurrence]:
    if len(trigger.items) == 1:
        return _walk_item(trigger.items[0], trigger, window, fires_only=fires_only)
    return _union([_walk_item(item, trigger, window, fires_only=fires_only) for item in trigger.items])


def _walk_item(item: Item, trigger: Trigger, window: Window, *, fires_only: bool) -> Iterator[Occurrence]:
    if isinstance(item, Cron):
        skip = spent_days(item, trigger.exclusions) if fires_only else None
        return walk_cron(item, trigger.zone, trigger.policy, window, excluded=trigger.excluded, skip=skip)
    if isinstance(item, Rate):
        skip = spent_days(EVERY_SECOND, trigger.exclusions) if fires_only else None
        return _walk_rate(item, trigger, window, skip)
    return _walk_at(item, trigger, window)


def _walk_rate(rate: Rate, trigger: Trigger, window: Window, skip: DayTest | None) -> Iterator[Occurrence]:
    excluded, steps = trigger.excluded, 0
    due, end = _first_due(rate, max(window.start, EARLIEST * 1000)), min(window.end, LATEST * 1000)
    while due < end and steps < MAX_EXCLUDED_STEPS:
        by = None
        if excluded is not None:
            local = due // 1000 + trigger.zone.span(due // 1000).offset
            by = excluded(local)
            steps = 0 if by is None else steps + 1
            if by is not None and skip is not None and skip(local // DAY_S):
                due = _first_due(rate, max(due + 1, _end_of_run(skip, local // DAY_S) * 1000))
                continue
        yield Occurrence(due) if by is None else Occurrence(due, SkipReason.EXCLUDED, by)
        due += rate.period


def _first_due(rate: Rate, at_or_after: Instant) -> Instant:
    return at_or_after + (rate.phase - at_or_after) % rate.period


def _end_of_run(skip: DayTest, day: int) -> int:
    """A second not later than the end of the days from *day* on that *skip* is true of, in any zone."""
    while skip(day) and day < LATEST // DAY_S:
        day += 1
    return (day - 1) * DAY_S


def _walk_at(at: At, trigger: Trigger, window: Window) -> Iterator[Occurrence]:
    """Once: in an overlap the first time, in a gap at its end or not at all."""
    instants = to_instants(at.local, trigger.zone)
    due = instants[0] if instants else end_of_gap(at.local, trigger.zone)
    if not window.start <= due < window.end:
        return
    by = None if trigger.excluded is None else trigger.excluded(at.local // 1000)
    if by is not None:
        yield Occurrence(due, SkipReason.EXCLUDED, by)
    elif instants or trigger.policy.gap == "shift":
        yield Occurrence(due)
    else:
        yield Occurrence(due, SkipReason.DAYLIGHT_SAVING_GAP)


def _union(streams: Sequence[Iterator[Occurrence]]) -> Iterator[Occurrence]:
    """One occurrence an instant: it fires if any of the expressions makes it fire."""
    for _, same in groupby(
        merge(*streams, key=lambda occurrence: occurrence.due), key=lambda occurrence: occurrence.due
    ):
        yield min(same, key=_precedence)


def _precedence(occurrence: Occurrence) -> int:
    return (None, SkipReason.DAYLIGHT_SAVING_GAP, SkipReason.EXCLUDED).index(occurrence.skipped)


__all__ = [
    "EVENTBRIDGE_POLICY",
    "Memo",
    "Trigger",
    "from_canonical",
    "local_time",
    "next_occurrence",
    "occurrences",
    "parse",
    "rfc3339",
    "walk",
]
