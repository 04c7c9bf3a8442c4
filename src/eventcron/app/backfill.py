"""Backfills: a command starts one, and every tick continues it slice by slice until it completes or is cancelled.

For each slice, the planner leases it, computes its fires, sends them, and records the progress. It records progress
only after the queue took every pack. After a crash, the next planner sends the same slice again, with the same ids.
Every write is conditional on the version that the writer read. So a slower planner, or one that a cancellation
overtook, cannot write.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from eventcron.app.completion import Completion
from eventcron.app.concurrency import all_of
from eventcron.app.contention import MAX_TRIES, contended
from eventcron.app.delivery import NAMED_SKIPS, PackSender, Publisher, expires_at
from eventcron.app.reading import read_readable
from eventcron.errors import InvalidSchedule, Unavailable, Undecodable
from eventcron.model.codes import CancelReason, RejectionCode, SkipReason
from eventcron.model.commands import BackfillSchedule, CancelBackfill
from eventcron.model.events import Event, SkipNotice
from eventcron.model.names import BackfillKey, Instant, Key
from eventcron.model.records import Backfill, BackfillState, Record
from eventcron.ports import Backfills, Clock, DeadLetters, EventBus, FireQueue, ScheduleStore
from eventcron.rules import backfill, catch_up
from eventcron.rules.leases import is_held
from eventcron.rules.packing import pack_fires
from eventcron.rules.rejections import not_found, to_fire
from eventcron.settings import Settings
from eventcron.wire.encode import backfilled, skipped

#: Backfills that may run at once. One DynamoDB item lists them: with the longest names 258 KB, of 400 KB allowed.
MAX_OPEN = 1_000
#: Catch-ups of resumes that may run at once: in the same item, with the longest names another 108 KB.
MAX_OPEN_CATCH_UPS = 500
#: Backfills that one tenant may run at once, so that it leaves room for others. EventBridge allows ten replays.
MAX_OPEN_OF_TENANT = 10
#: Milliseconds. Closer than this to its deadline, a planner starts no slice. A slice takes well under a second.
STOP_BEFORE_MS = 2_000


class Ending:
    """Reports a backfill that has ended, and ends what ends with it. Repeating that is harmless."""

    def __init__(self, *, clock: Clock, store: ScheduleStore, publisher: Publisher, settings: Settings) -> None:
        self._clock = clock
        self._store = store
        self._publisher = publisher
        self._completion = Completion(clock=clock, store=store, publisher=publisher, settings=settings)

    async def report(self, ended: Backfill, *, event_id: str = "") -> None:
        """Publish how far *ended* came, and which ordinary fires it leaves out; complete its schedule if it is due.

        *event_id* is that of the command which this answers, if it answers one.
        """
        now = self._clock.now()
        left: list[SkipNotice] = []
        if ended.state is BackfillState.CANCELLED:
            was_deleted = ended.reason is CancelReason.DELETED
            left = catch_up.unsent(ended, SkipReason.DELETED if was_deleted else SkipReason.CANCELLED)
        report = backfilled(ended, now=now, event_id=event_id)
        await self._publisher.publish([report, *(skipped(notice, now=now) for notice in left)])
        if ended.completes:
            await self._complete_schedule(ended)

    async def _complete_schedule(self, remainder: Backfill) -> None:
        """Complete the schedule whose last occurrences *remainder* had, unless a later command changed the schedule."""
        key = Key(remainder.tenant, remainder.name)
        record = (await self._store.get([key])).get(key)
        await self._completion.complete_revision(record, remainder.revision)


class BackfillCommands:
    """Starts and cancels backfills, for the registrar."""

    def __init__(
        self, *, clock: Clock, store: ScheduleStore, backfills: Backfills, publisher: Publisher, settings: Settings
    ) -> None:
        self._clock = clock
        self._store = store
        self._backfills = backfills
        self._publisher = publisher
        self._ending = Ending(clock=clock, store=store, publisher=publisher, settings=settings)
        self._remember_days = settings.tombstone_days

    async def start(self, command: BackfillSchedule, *, event_id: str) -> tuple[Backfill, bool]:
        """Start the backfill that *command* requests. Return the stored backfill, and whether it is new.

        Idempotent: the same command changes nothing the second time, even in another event.

        Raises:
            InvalidSchedule: the schedule does not exist, nothing is due in the span, the id is already used for
                another span or rate, or too many backfills are running.
        """
        key = BackfillKey(command.tenant, command.name, command.backfill_id or event_id)
        stored = await self._find(key)
        if stored is not None and stored.event_id == event_id:
            # The first attempt may have crashed before it entered the backfill. The schedule may have changed since.
            await self._enter(stored)
            return stored, False
        record = to_fire((await self._store.get([command.key])).get(command.key), command.key)
        asked = backfill.open_backfill(command, record, event_id=event_id, now=self._clock.now())
        if stored is None:
            await self._check_room(asked.key)
            if not await self._backfills.put(asked, replacing=None):
                stored = await self._find(asked.key)
        if stored is not None and stored.event_id and not backfill.is_same(stored, asked):
            raise _taken(asked.key)
        result = asked if stored is None else stored
        await self._enter(result)
        return result, stored is None

    async def open_catch_up(self, record: Record) -> Backfill | None:
        """Open the remainder with which a resume catches up, if *record* needs one. Return it as it is stored.

        Idempotent. None: the registrar has to send everything itself. There is little to send, too many remainders are
        open, or somebody used the remainder's id before, to cancel what was not there.
        """
        asked = catch_up.remainder_of(record)
        if asked is None:
            return None
        stored = await self._find(asked.key)
        if stored is None:
            open_ones = [key for key in await self._backfills.open() if key.is_catch_up]
            if len(open_ones) >= MAX_OPEN_CATCH_UPS:
                return None
            stored = asked if await self._backfills.put(asked, replacing=None) else await self._find(asked.key)
        if stored is None or (stored.event_id, stored.schedule_created) != (asked.event_id, asked.schedule_created):
            return None
        await self._enter(stored)
        return stored

    async def _enter(self, backfill: Backfill) -> None:
        if backfill.state is BackfillState.RUNNING:
            await self._backfills.enter(backfill.key)

    async def cancel(self, command: CancelBackfill, *, event_id: str) -> None:
        """Cancel a backfill and publish how far it came. A backfill that has ended stays as it is.

        A repeated command publishes that again.

        Raises:
            InvalidSchedule: the backfill does not exist. Its id is stored, so that it does not start if it arrives
                later.
            Conflict: the planner changed the backfill at every try. Nothing was written.
        """
        key = BackfillKey(command.tenant, command.name, command.backfill_id)
        for _ in range(MAX_TRIES):
            stored = await self._find(key)
            if stored is None:
                unknown = backfill.cancelled_before_it_arrived(key, expires=self._expires())
                if await self._backfills.put(unknown, replacing=None):
                    raise not_found(key)
                continue
            if stored.state is not BackfillState.RUNNING:
                if not stored.event_id:
                    raise not_found(key)
                return await self._ending.report(stored, event_id=event_id)
            cancelled = backfill.cancel(stored, CancelReason.COMMAND, expires=self._expires())
            if await self._backfills.put(cancelled, replacing=stored.version):
                await self._backfills.strike(key)
                return await self._ending.report(cancelled, event_id=event_id)
        raise contended(f"backfill {key}")

    async def _find(self, key: BackfillKey) -> Backfill | None:
        return (await self._backfills.get([key])).get(key)

    async def _check_room(self, key: BackfillKey) -> None:
        """Check the limits. Commands handled at the same moment may exceed them a little; the list has room for that.

        Raises:
            InvalidSchedule: too many backfills are running.
        """
        open_ones = Counter(other.tenant for other in await self._backfills.open() if not other.is_catch_up)
        limit, count = MAX_OPEN_OF_TENANT, open_ones[key.tenant]
        if count >= limit or open_ones.total() >= MAX_OPEN:
            given = f"{count} of {key.tenant!r} and {open_ones.total()} in all are running"
            allowed = f"at most {limit} of a tenant and {MAX_OPEN} in all; cancel one or wait until one ends"
            raise InvalidSchedule(RejectionCode.QUOTA, field="backfill_id", given=given, allowed=allowed)

    def _expires(self) -> int:
        return expires_at(self._clock.now(), self._remember_days)


class BackfillOutcome(StrEnum):
    """How one tick's work on a backfill ended."""

    ON = "on"  # sent up to the horizon or the deadline, or waits for other catch-ups; the next tick continues
    COMPLETED = "completed"
    CANCELLED = "cancelled"  # its schedule was deleted, or a command cancelled it meanwhile
    HELD = "held"  # another planner has the lease
    FAILED = "failed"  # a service refused, or the record cannot be read; the next tick repeats the slice


class BackfillReport(Struct, frozen=True, kw_only=True):
    """What one tick did for one backfill."""

    key: BackfillKey
    outcome: BackfillOutcome
    fires: int = 0
    skipped: int = 0
    #: The first ``NAMED_SKIPS`` of them.
    skips: Sequence[SkipNotice] = ()
    reason: str = ""


class Backfiller:
    """Continues the running backfills, for the planner."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: ScheduleStore,
        backfills: Backfills,
        fire_queue: FireQueue,
        dead_letters: DeadLetters,
        bus: EventBus,
        jitter: Callable[[], float],
        settings: Settings,
    ) -> None:
        self._clock = clock
        self._store = store
        self._backfills = backfills
        self._sender = PackSender(clock=clock, fire_queue=fire_queue, dead_letters=dead_letters, jitter=jitter)
        self._publisher = Publisher(clock=clock, bus=bus, jitter=jitter)
        self._ending = Ending(clock=clock, store=store, publisher=self._publisher, settings=settings)
        self._settings = settings

    async def run(self, *, deadline: Instant) -> list[BackfillReport]:
        """Continue every running backfill up to the horizon, at most ``concurrency`` at once. Return one report each.

        A backfill that fails does not stop the others. *deadline* is the instant at which this process may be killed.

        Raises:
            Unavailable: the list of running backfills could not be read.
        """
        slots = asyncio.Semaphore(self._settings.concurrency)
        keys = await self._backfills.open()
        stored, unreadable = await read_readable(self._backfills.get, keys)
        unsent = [one for one in stored.values() if one.state is BackfillState.RUNNING and not backfill.is_spent(one)]
        waiting = catch_up.waiting(unsent, limit=self._settings.tenant_fires_per_minute)

        async def carry_on(key: BackfillKey) -> BackfillReport:
            if key in unreadable:
                return BackfillReport(key=key, outcome=BackfillOutcome.FAILED, reason=unreadable[key])
            async with slots:
                try:
                    return await self._carry_on(key, stored.get(key), waits=key in waiting, deadline=deadline)
                except (Unavailable, Undecodable, InvalidSchedule, ValueError) as error:
                    return BackfillReport(key=key, outcome=BackfillOutcome.FAILED, reason=str(error))

        return await all_of(carry_on(key) for key in keys)

    async def _carry_on(
        self, key: BackfillKey, stored: Backfill | None, *, waits: bool, deadline: Instant
    ) -> BackfillReport:
        if stored is None or stored.state is not BackfillState.RUNNING:
            # The process that ended the backfill crashed before it could do this.
            await self._backfills.strike(key)
            return BackfillReport(key=key, outcome=BackfillOutcome.CANCELLED)
        now = self._clock.now()
        if is_held(stored.lease_until, now=now):
            return BackfillReport(key=key, outcome=BackfillOutcome.HELD)
        if not await self._has_schedule(stored):
            return await self._end(
                backfill.cancel(stored, CancelReason.DELETED, expires=self._expires()),
                stored,
                BackfillOutcome.CANCELLED,
            )
        is_spent = backfill.is_spent(stored)
        if waits or (is_spent and now < stored.at):
            return BackfillReport(key=key, outcome=BackfillOutcome.ON)
        if is_spent:
            return await self._end(
                backfill.complete(stored, expires=self._expires()), stored, BackfillOutcome.COMPLETED
            )
        return await self._hand_over(stored, deadline=deadline)

    async def _hand_over(self, stored: Backfill, *, deadline: Instant) -> BackfillReport:
        """Send slices of *stored* up to the horizon or the deadline. Record each one after the queue took its packs."""
        reached = stored
        horizon_end = self._clock.now() + self._settings.horizon_seconds * 1000
        claimed = backfill.claim(stored, now=self._clock.now(), horizon_end=horizon_end, lease_until=deadline)
        if claimed is not None and not await self._backfills.put(claimed, replacing=stored.version):
            return BackfillReport(key=stored.key, outcome=BackfillOutcome.HELD)
        skips: list[SkipNotice] = []
        while claimed is not None:
            part = backfill.make_slice(claimed)
            await self._send(part)
            skips += part.skips[: NAMED_SKIPS - len(skips)]
            now = self._clock.now()
            further = None
            if now < deadline - STOP_BEFORE_MS:
                further = backfill.claim(part.after, now=now, horizon_end=horizon_end, lease_until=deadline)
                # One write records this slice and leases the next one.
                further = None if further is None else replace(further, version=part.after.version)
            reached = part.after if further is None else further
            if not await self._backfills.put(reached, replacing=claimed.version):
                return self._report(stored, claimed, BackfillOutcome.CANCELLED, skips)
            claimed = further
        if reached is not stored:
            await self._publish(backfilled(reached, now=self._clock.now()))
        return self._report(stored, reached, BackfillOutcome.ON, skips)

    async def _send(self, part: backfill.Slice) -> None:
        lead_ms = self._settings.lead_seconds * 1000
        await self._sender.send(
            pack_fires(part.fires, size=self._settings.pack_size),
            visible_at=lambda pack: pack.at - lead_ms,
        )
        now = self._clock.now()
        await self._publish(*(skipped(notice, now=now) for notice in part.skips))

    async def _end(self, ended: Backfill, stored: Backfill, outcome: BackfillOutcome) -> BackfillReport:
        # Publish first: a crash in between repeats the event. In the other order, a crash would lose it.
        await self._ending.report(ended)
        if await self._backfills.put(ended, replacing=stored.version):
            await self._backfills.strike(ended.key)
        return BackfillReport(key=ended.key, outcome=outcome)

    async def _has_schedule(self, backfill: Backfill) -> bool:
        """Whether the schedule of *backfill* still exists. One that was deleted and put again is another schedule."""
        key = Key(backfill.tenant, backfill.name)
        record = (await self._store.get([key])).get(key)
        return record is not None and record.schedule is not None and record.created == backfill.schedule_created

    async def _publish(self, *events: Event) -> None:
        await self._publisher.publish(events)

    def _expires(self) -> int:
        return expires_at(self._clock.now(), self._settings.tombstone_days)

    @staticmethod
    def _report(
        before: Backfill, reached: Backfill, outcome: BackfillOutcome, skips: Sequence[SkipNotice]
    ) -> BackfillReport:
        return BackfillReport(
            key=before.key,
            outcome=outcome,
            fires=reached.fires - before.fires,
            skipped=reached.skipped - before.skipped,
            skips=skips,
        )


def _taken(key: BackfillKey) -> InvalidSchedule:
    allowed = "an id that no backfill with another span or rate has, or no id"
    return InvalidSchedule(RejectionCode.BACKFILL_EXISTS, field="backfill_id", given=repr(key.id), allowed=allowed)
