"""Stored records for tests that do not care how a record came about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventcron.model.commands import Misfire, Schedule
from eventcron.model.names import Instant
from eventcron.model.records import Era, Record, State
from eventcron.rules.handover import Handover, handover


def handed_over(record: Record, *, now: Instant) -> Handover:
    """What the registrar delivers after the change that *record* is the result of: all parts in one."""
    parts = list(handover(record, now=now))
    fires = [fire for part in parts for fire in part.fires]
    return Handover(fires, [notice for part in parts for notice in part.skips], parts[-1].is_over)


def record_of(
    schedule: Schedule | None,
    *,
    trigger: str = "",
    start: Instant = 0,
    end: Instant | None = None,
    earlier: Sequence[Era] = (),
    **fields: Any,
) -> Record:
    """A record with one era in force, *trigger* in ``[start, end)``, after those *earlier*."""
    fields = {"tenant": "acme", "name": "nightly", "revision": 1, "state": State.ENABLED, "created": 0, **fields}
    if schedule is not None:
        fields |= {"tenant": schedule.tenant, "name": schedule.name}
    era = Era(
        fields["revision"],
        trigger,
        start,
        end,
        paused=fields["state"] is State.PAUSED,
        misfire=Misfire() if schedule is None else schedule.misfire,
        flexible_window_seconds=0 if schedule is None else schedule.flexible_window_seconds,
    )
    return Record(schedule=schedule, eras=(*earlier, era), **fields)
