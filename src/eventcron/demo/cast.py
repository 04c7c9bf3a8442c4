"""Who plays: 30 quick schedules beside the real ones, three of which are changed while they fire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from eventcron.demo.orders import DELETE, PAUSE, Order, put, switch, unreadable
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key
from eventcron.oracle.occurrences import can_match
from eventcron.timing.instant import rfc3339, to_datetime

#: One tenant for each kind of target: see ``shares``.
ACME, GLOBEX, INITECH = "acme", "globex", "initech"
#: The code with which ``0 0 30 2 *`` is refused: no February has a 30th.
NEVER_MATCHES = "never_matches"


class Change(NamedTuple):
    """An order that comes when *part* of the time of firing is over."""

    part: float
    order: Order


def real(schedules: Iterable[Schedule]) -> list[Order]:
    """A put for each of *schedules*. Two of the 1,307 that ship were switched off by naming a day that never comes."""
    return [put(schedule, refused=None if can_match(schedule) else NEVER_MATCHES) for schedule in schedules]


def quick(now: Instant) -> list[Order]:
    """Puts of 27 schedules that fire every few seconds or once within the minute after *now*, and of 3 bad ones."""
    return [*(put(_schedule(detail)) for detail in _good(now)), *_bad()]


def changes() -> list[Change]:
    """What happens to the schedules named ``paused``, ``deleted`` and ``updated``, in order."""
    updated = _schedule({"tenant": GLOBEX, "name": "updated", "expression": "3/5 * * * * *"})
    return [
        Change(1 / 3, switch(PAUSE, Key(INITECH, "paused"))),
        Change(1 / 2, switch(DELETE, Key(ACME, "deleted"))),
        Change(1 / 2, put(updated)),
    ]


def _good(now: Instant) -> list[dict[str, Any]]:
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


def _bad() -> list[Order]:
    every_second = {"expression": "* * * * * *"}
    return [
        unreadable({"tenant": ACME, "name": "second-61", "expression": "61 * * * * *"}, refused="invalid_expression"),
        unreadable(
            {"tenant": GLOBEX, "name": "zone-misspelt", **every_second, "timezone": "Europe/Olso"},
            refused="unknown_timezone",
        ),
        unreadable(
            {"tenant": INITECH, "name": "field-unknown", **every_second, "colour": "red"}, refused="unknown_field"
        ),
    ]


def _of(tenant: str, *details: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"tenant": tenant, **detail} for detail in details]


def _schedule(detail: dict[str, Any]) -> Schedule:
    return msgspec.json.decode(msgspec.json.encode(detail), type=Schedule)


def _at(instant: Instant, zone: str = "UTC") -> str:
    """Once, at *instant*, as a clock of *zone* shows it."""
    local = to_datetime(instant).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return f"at({local.isoformat(timespec='milliseconds')})"
