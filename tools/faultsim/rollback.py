"""After a rollback: the release before does not know the text of some stored triggers and time zones.

The store keeps every record as the newer release wrote it. While the older one runs, the store shows it other text in
their place, and takes that text back when it writes.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from eventcron.model.records import Backfill, Era, IndexEntry, Record

#: Begins a trigger or a zone that no release reads.
NEWER = "newer!"

T = TypeVar("T", IndexEntry, Backfill)


def shown(record: Record) -> Record:
    """*record* as the older release reads it."""
    eras = tuple(replace(era, trigger=NEWER + era.trigger) if era.trigger else era for era in record.eras)
    schedule = record.schedule
    return replace(record, eras=eras, schedule=schedule and replace(schedule, timezone=NEWER + schedule.timezone))


def shown_trigger(item: T) -> T:
    """An index entry or a backfill as the older release reads it."""
    return replace(item, trigger=NEWER + item.trigger)


def taken_back_trigger(backfill: Backfill) -> Backfill:
    """What is stored where the older release writes *backfill*."""
    return replace(backfill, trigger=backfill.trigger.removeprefix(NEWER))


def taken_back(record: Record) -> Record:
    """What is stored where the older release writes *record*: text that it did not know is as it was."""
    eras = tuple(_era(era) for era in record.eras)
    schedule = record.schedule
    if schedule is not None and schedule.timezone.startswith(NEWER):
        schedule = replace(schedule, timezone=schedule.timezone.removeprefix(NEWER))
    return (
        record if eras == record.eras and schedule is record.schedule else replace(record, eras=eras, schedule=schedule)
    )


def _era(era: Era) -> Era:
    return replace(era, trigger=era.trigger.removeprefix(NEWER)) if era.trigger.startswith(NEWER) else era
