"""Makes real schedules fire within the demo's minute: what they do in an hour, they do in a minute.

Most of the real schedules fire once or twice a day, so hardly one of them would fire while the demo runs.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import date

from msgspec.structs import replace

from eventcron.model.commands import Schedule
from eventcron.model.names import Instant
from eventcron.oracle.cron import read_cron
from eventcron.timing.instant import to_datetime

#: The day that cron expressions play: the first working day after the real schedules were read.
DAY = date(2026, 8, 24)
#: The hour of that day at which most of them fire.
HOUR = 19
#: Milliseconds from the first put until the demo's minute is nearly over. That hour is played then, the one before it
#: in the minute before.
PLAYED_AFTER_MS = 70_000
#: Seconds that a unit of ``rate(…)`` becomes.
_SECONDS = {"minute": 1, "hour": 60, "day": 24 * 60}
_MINUTE_MS, _MINUTES_AN_HOUR = 60_000, 60
_FIELDS = 5


def compress(schedules: Iterable[Schedule], now: Instant) -> list[Schedule]:
    """*schedules*, sixty times as fast from *now* on.

    ``rate(12 hours)`` becomes ``rate(720 seconds)``. Its first fire comes within its first period, at a moment that
    depends on its name, because real periods do not begin together either.

    ``30 19 * * *`` becomes the second 30 of the minute that plays 19:00 of ``DAY``. A cron expression without a fire on
    that day stays as it is, and so does any other expression.
    """
    minute = (now + PLAYED_AFTER_MS) // _MINUTE_MS % _MINUTES_AN_HOUR
    return [_compressed(schedule, now, minute) for schedule in schedules]


def _compressed(schedule: Schedule, now: Instant, played_at: int) -> Schedule:
    if not isinstance(schedule.expression, str):
        return schedule
    if schedule.expression.startswith("rate(") and "second" not in schedule.expression:
        return _faster_rate(schedule, schedule.expression, now)
    if len(schedule.expression.split()) == _FIELDS:
        return replace(schedule, expression=_faster_cron(schedule.expression, played_at))
    return schedule


def _faster_rate(schedule: Schedule, expression: str, now: Instant) -> Schedule:
    count, unit = expression[len("rate(") : -1].split()
    seconds = int(count) * _SECONDS[unit.removesuffix("s")]
    first = now + zlib.crc32(str(schedule.key).encode()) % (seconds * 1000)
    rate = f"rate({seconds} {'second' if seconds == 1 else 'seconds'})"
    return replace(schedule, expression=rate, start=to_datetime(first))


def _faster_cron(expression: str, played_at: int) -> str:
    """*expression* with its minutes as seconds, and with its hours as minutes of which *played_at* plays ``HOUR``."""
    cron = read_cron(expression)
    if not cron.on(DAY):
        return expression
    minutes = sorted((played_at + hour - HOUR) % _MINUTES_AN_HOUR for hour in cron.hours)
    return f"{expression.split(maxsplit=1)[0]} {','.join(map(str, minutes))} * * * *"
