"""Stored records for tests that do not care how a record came about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventcron.model.commands import Misfire, Schedule
from eventcron.model.names import Instant
from eventcron.model.records import Era, Record, State


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
