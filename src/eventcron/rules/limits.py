"""What a tenant may store, and how often a schedule may fire, as the deployment's parameters say. Pure.

A limit concerns what a put changes. A schedule that was stored under a higher limit fires on, and can be put again with
what it has, paused, resumed and deleted.

The store counts a tenant's schedules: it raises the count before it stores a new one, and lowers it after one is gone.
So whoever dies in between leaves the count too high, never too low, and a tenant never has more than its limit.
"""

from __future__ import annotations

from msgspec import Raw
from msgspec.structs import replace

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import Schedule
from eventcron.model.names import Key
from eventcron.model.records import Record
from eventcron.rules.inputs import has_input
from eventcron.timing.gaps import shortest_gap
from eventcron.timing.trigger import from_canonical
from eventcron.wire.strict_json import short, unescaped

#: Milliseconds for which nothing may have changed a tenant's count before the count is made anew. Whoever has raised it
#: has stored its schedule by then, or is dead: a registrar has 30 s, and a REST function less.
QUIET_MS = 900_000
#: Seconds: no bound. No expression but ``at()`` tells instants within a second apart.
ANY_PERIOD = 1


def fitted(schedule: Schedule, *, max_bytes: int) -> Schedule:
    """*schedule* with its input as characters instead of escapes, if it is longer than *max_bytes* otherwise.

    So an input counts alike whether or not a client or a bus escapes what is not ASCII.
    """
    given = bytes(schedule.input)
    return schedule if len(given) <= max_bytes else replace(schedule, input=Raw(unescaped(given)))


def check_input(schedule: Schedule, stored: Record | None, *, max_bytes: int) -> None:
    """Check the size of the input that a put of *schedule* stores.

    Raises:
        InvalidSchedule: it is longer than *max_bytes*, and not the input that is *stored*.
    """
    size = len(bytes(schedule.input))
    if size <= max_bytes or (stored is not None and has_input(stored, schedule.input)):
        return
    raise InvalidSchedule(
        RejectionCode.INPUT_TOO_LARGE,
        field="input",
        given=f"{size:,} bytes of JSON",
        allowed=f"at most {max_bytes:,} bytes of JSON; store what is longer elsewhere, and put a reference to it",
    )


def check_period(schedule: Schedule, stored: Record | None, after: Record, *, seconds: int) -> None:
    """Check how often *schedule* fires; *after* is the record that a put of it would make.

    Raises:
        InvalidSchedule: two of its fires are less than *seconds* apart, and it fires at other times than the *stored*
            one. ``shortest_gap`` says which fires are looked at.
    """
    if seconds <= ANY_PERIOD or (stored is not None and _same_times(stored.schedule, schedule)):
        return
    gap = shortest_gap(from_canonical(after.era.trigger), after.era.start)
    if gap is None or gap >= seconds * 1000:
        return
    raise InvalidSchedule(
        RejectionCode.TOO_OFTEN,
        field="expression",
        given=f"{short(schedule.expression)}, with fires {gap / 1000:g} s apart",
        allowed=f"at least {seconds} s between two fires",
    )


def occupies(record: Record | None) -> bool:
    """Whether *record* counts as one of its tenant's schedules.

    A schedule counts until it is deleted, or completed and to be deleted then. From then on TTL may remove its record,
    which nobody notices, so exactly the records without ``expires`` count.
    """
    return record is not None and record.expires is None


def added(stored: Record | None, after: Record) -> int:
    """By how much the count of a tenant's schedules rises when *after* replaces *stored*: 1, 0 or -1."""
    return int(occupies(after)) - int(occupies(stored))


def too_many(key: Key, limit: int) -> InvalidSchedule:
    """The rejection of a new schedule *key* of a tenant that has *limit* schedules already."""
    return InvalidSchedule(
        RejectionCode.TOO_MANY_SCHEDULES,
        field="name",
        given=f"a new schedule {str(key)!r}",
        allowed=f"at most {limit:,} schedules of a tenant; delete one first",
    )


def _same_times(before: Schedule | None, schedule: Schedule) -> bool:
    return before is not None and (before.expressions, before.timezone, before.daylight_saving) == (
        schedule.expressions,
        schedule.timezone,
        schedule.daylight_saving,
    )
