"""The commands that the demo sends: the schedules that ship with eventcron, 30 frequent ones, and three changes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from eventcron.app.retry import Retry
from eventcron.errors import Unavailable
from eventcron.local.errors import LocalError
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import TENANT_SOURCE_PREFIX, Schedule
from eventcron.model.events import Event
from eventcron.model.names import Instant, Key
from eventcron.oracle.occurrences import can_match, zone_info
from eventcron.ports import Clock, EventBus
from eventcron.timing.instant import rfc3339, to_datetime

PUT, DELETE, PAUSE = "Put Schedule", "Delete Schedule", "Pause Schedule"
#: One tenant for each kind of target: see ``subscriptions``.
ACME, GLOBEX, INITECH = "acme", "globex", "initech"

_PACKAGE = Path(__file__).parents[1]
_NAME = "prow-periodics.jsonl"
#: In an installed wheel, then in a clone.
PLACES = (_PACKAGE / "_examples" / _NAME, _PACKAGE.parents[1] / "examples" / _NAME)


class Sample(Struct, frozen=True, kw_only=True):
    """One command and its expected outcome."""

    command: str
    key: Key
    #: JSON.
    detail: bytes
    #: What a good ``Put Schedule`` puts, otherwise None.
    schedule: Schedule | None = None
    #: The code that eventcron must reject it with. None = eventcron must accept it.
    rejected: str | None = None
    #: The schedule is one of the files, none that the demo made up.
    from_files: bool = False


class Change(NamedTuple):
    """A sample that is sent after *part* of the firing time."""

    part: float
    sample: Sample


class Sent(NamedTuple):
    """A sample that was sent. *at* is just before, so no effect of the sample is earlier."""

    sample: Sample
    at: Instant

    @property
    def event_time(self) -> Instant:
        """The time of its event, which EventBridge cuts to whole seconds. A schedule fires after it."""
        return self.at // 1000 * 1000


def find_examples() -> Path:
    """The file of the 1,307 real schedules.

    Raises:
        LocalError: it is missing.
    """
    for place in PLACES:
        if place.is_file():
            return place
    raise LocalError(f"the example schedules are missing; looked for {' and '.join(map(str, PLACES))}")


def put(schedule: Schedule, *, rejected: str | None = None, from_files: bool = False) -> Sample:
    """The ``Put Schedule`` of *schedule*."""
    return Sample(
        command=PUT,
        key=schedule.key,
        detail=msgspec.json.encode(schedule),
        schedule=schedule,
        rejected=rejected,
        from_files=from_files,
    )


def put_invalid(detail: dict[str, Any], *, rejected: str) -> Sample:
    """A ``Put Schedule`` whose *detail* is no valid schedule; eventcron must reject it with that code."""
    key = Key(detail["tenant"], detail["name"])
    return Sample(command=PUT, key=key, detail=msgspec.json.encode(detail), rejected=rejected)


def change(command: str, key: Key) -> Sample:
    """``Pause Schedule`` or ``Delete Schedule``."""
    return Sample(command=command, key=key, detail=msgspec.json.encode(key._asdict()))


async def send(samples: Sequence[Sample], bus: EventBus, clock: Clock) -> list[Sent]:
    """Put *samples* on *bus*, each in the name of its tenant.

    Raises:
        Unavailable: the bus refused a sample several times.
    """
    now = clock.now()
    events = [
        Event(
            source=TENANT_SOURCE_PREFIX + sample.key.tenant, detail_type=sample.command, detail=sample.detail, time=now
        )
        for sample in samples
    ]
    refusals = await Retry(clock=clock, jitter=random.random).deliver(events, bus.publish)
    if refusals:
        raise Unavailable("events", refusals[0].code, refusals[0].message)
    return [Sent(sample, now) for sample in samples]


def real(schedules: Iterable[Schedule]) -> list[Sample]:
    """A put of each of *schedules*. Two of those that ship name a day that never comes, so eventcron rejects them."""
    return [
        put(schedule, rejected=None if can_match(schedule) else RejectionCode.NEVER_MATCHES, from_files=True)
        for schedule in schedules
    ]


def frequent(now: Instant) -> list[Sample]:
    """Puts of 27 schedules that fire every few seconds or once within the minute after *now*, and of 3 invalid ones."""
    return [*(put(_schedule(detail)) for detail in _valid(now)), *_invalid()]


def changes() -> list[Change]:
    """The changes of the schedules ``paused``, ``deleted`` and ``updated``, in order."""
    updated = _schedule({"tenant": GLOBEX, "name": "updated", "expression": "3/5 * * * * *"})
    return [
        Change(1 / 3, change(PAUSE, Key(INITECH, "paused"))),
        Change(1 / 2, change(DELETE, Key(ACME, "deleted"))),
        Change(1 / 2, put(updated)),
    ]


def _valid(now: Instant) -> list[dict[str, Any]]:
    return [
        *_of(
            ACME,
            {"name": "every-second", "expression": "* * * * * *"},
            {"name": "every-second-in-oslo", "expression": "* * * * * *", "timezone": "Europe/Oslo"},
            {"name": "every-2-seconds", "expression": "*/2 * * * * *"},
            {"name": "every-5-seconds", "expression": "rate(5 seconds)"},
            {"name": "every-10-seconds", "expression": "*/10 * * * * *", "timezone": "Australia/Lord_Howe"},
            {"name": "ten-times", "expression": "rate(2 seconds)", "max_fires": 10},
            {"name": "once-soon", "expression": _at(now + 4_321)},
            {"name": "once-later", "expression": _at(now + 20_007)},
            {"name": "deleted", "expression": "rate(1 second)"},
        ),
        *_of(
            GLOBEX,
            {"name": "every-second", "expression": "rate(1 second)"},
            {"name": "every-second-in-kathmandu", "expression": "0-59 * * * * *", "timezone": "Asia/Kathmandu"},
            {"name": "every-2-seconds", "expression": "1/2 * * * * *"},
            {"name": "every-5-seconds", "expression": "*/5 * * * * *"},
            {"name": "every-10-seconds", "expression": "rate(10 seconds)"},
            {"name": "until", "expression": "2/5 * * * * *", "end": rfc3339(now + 25_000)},
            {"name": "once-soon", "expression": _at(now + 5_999)},
            {"name": "once-later", "expression": _at(now + 30_500, "Asia/Kolkata"), "timezone": "Asia/Kolkata"},
            {"name": "updated", "expression": "*/2 * * * * *"},
        ),
        *_of(
            INITECH,
            {"name": "every-second", "expression": "* * * ? * SUN-SAT"},
            {"name": "every-second-this-century", "expression": "0/1 * * * * * 2001-2100"},
            {"name": "every-2-seconds", "expression": "rate(2 seconds)"},
            {"name": "every-5-seconds", "expression": "4,9/5 * * * * *"},
            {"name": "every-10-seconds", "expression": "7/10 * * * * *"},
            {"name": "from-then-on", "expression": "rate(5 seconds)", "start": rfc3339(now + 15_250)},
            {"name": "once-soon", "expression": _at(now + 7_500)},
            {"name": "once-later", "expression": _at(now + 41_123)},
            {"name": "paused", "expression": "* * * * * *"},
        ),
    ]


def _invalid() -> list[Sample]:
    details = {
        RejectionCode.INVALID_EXPRESSION: {"tenant": ACME, "name": "second-61", "expression": "61 * * * * *"},
        RejectionCode.UNKNOWN_TIMEZONE: {"tenant": GLOBEX, "name": "zone-misspelt", "timezone": "Europe/Olso"},
        RejectionCode.UNKNOWN_FIELD: {"tenant": INITECH, "name": "field-unknown", "colour": "red"},
    }
    return [put_invalid({"expression": "* * * * * *"} | detail, rejected=code) for code, detail in details.items()]


def _of(tenant: str, *details: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"tenant": tenant, **detail} for detail in details]


def _schedule(detail: dict[str, Any]) -> Schedule:
    return msgspec.json.decode(msgspec.json.encode(detail), type=Schedule)


def _at(instant: Instant, zone: str = "UTC") -> str:
    """The expression that fires once, at *instant*, in local time of *zone*."""
    local = to_datetime(instant).astimezone(zone_info(zone)).replace(tzinfo=None)
    return f"at({local.isoformat(timespec='milliseconds')})"
