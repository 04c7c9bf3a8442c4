"""The rejections that several commands share."""

from __future__ import annotations

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.names import BackfillKey, CalendarKey, Key
from eventcron.model.records import Record

_NOT_THERE = {
    Key: ("name", "a schedule that exists"),
    CalendarKey: ("name", "a calendar that exists"),
    BackfillKey: ("backfill_id", "a backfill that exists"),
}


def not_found(key: Key | CalendarKey | BackfillKey) -> InvalidSchedule:
    """Nothing is stored under *key*."""
    field, allowed = _NOT_THERE[type(key)]
    return InvalidSchedule(RejectionCode.NOT_FOUND, field=field, given=repr(str(key)), allowed=allowed)


def stale(revision: int, *, applied: int) -> InvalidSchedule:
    """A command of *revision* comes after one of the revision *applied*."""
    allowed = f"more than {applied}, the revision already applied"
    return InvalidSchedule(RejectionCode.STALE_REVISION, field="revision", given=str(revision), allowed=allowed)


def to_fire(record: Record | None, key: Key) -> Record:
    """*record*, whose schedule is to fire outside its time.

    Raises:
        InvalidSchedule: there is no schedule, or it fires nothing.
    """
    if record is None or record.schedule is None:
        raise not_found(key)
    if record.schedule.expect is not None:
        raise InvalidSchedule(
            RejectionCode.OUT_OF_RANGE,
            field="name",
            given=repr(str(key)),
            allowed="a schedule without 'expect'; one with it fires nothing",
        )
    return record
