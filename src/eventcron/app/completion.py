"""Completes schedules that have no occurrence left."""

from __future__ import annotations

from eventcron.app.delivery import Publisher, expires_at
from eventcron.model.records import FireRecord, State
from eventcron.ports import Clock, ScheduleStore
from eventcron.settings import Settings
from eventcron.wire.encode import completed


class Completion:
    """Reports that a schedule has no occurrence left, and stores it. Repeating that is harmless.

    A schedule that is to be deleted then stays for ``tombstone_days``, as a tombstone does: a late replay of its put
    finds it, and earlier fires of it may still be on their way.
    """

    def __init__(self, *, clock: Clock, store: ScheduleStore, publisher: Publisher, settings: Settings) -> None:
        self._clock = clock
        self._store = store
        self._publisher = publisher
        self._remember_days = settings.tombstone_days

    async def complete(self, record: FireRecord) -> bool:
        """Complete the schedule of *record*. False if the record was changed meanwhile; the change stands.

        Raises:
            Unavailable: a service refused. The call may be repeated.
        """
        now = self._clock.now()
        deletes = record.schedule is not None and record.schedule.after_completion == "DELETE"
        # The event first: a crash in between repeats it; in the other order the event would never be published.
        await self._publisher.publish([completed(record, now=now)])
        expires = expires_at(now, self._remember_days) if deletes else None
        return await self._store.complete(record.key, revision=record.revision, expires=expires)

    async def complete_revision(self, record: FireRecord | None, revision: int) -> None:
        """Complete the schedule of *record* if it is enabled and of *revision* still: else a command has changed it.

        Raises:
            Unavailable: as ``complete``.
        """
        if record is not None and record.revision == revision and record.state is State.ENABLED:
            await self.complete(record)
