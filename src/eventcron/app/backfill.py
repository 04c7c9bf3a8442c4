"""Backfills: taken by command, carried on with every tick, slice by slice, until they are done or cancelled.

For each slice: claim, make, send, advance. The cursor moves only after every pack was taken, and a slice made again
after a crash is the same slice, so a crash repeats a slice at most, under the same ids. Whoever writes second with
the same version is refused: a slow twin, or a planner that a cancellation overtook.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from eventcron.app.concurrency import all_of
from eventcron.app.delivery import PackSender, Publisher
from eventcron.app.reading import read_readable
from eventcron.errors import Conflict, InvalidSchedule, Unavailable, Undecodable
from eventcron.model.codes import CancelReason, RejectionCode
from eventcron.model.commands import BackfillSchedule, CancelBackfill
from eventcron.model.events import Event
from eventcron.model.names import BackfillKey, Instant, Key
from eventcron.model.records import Backfill, BackfillState
from eventcron.ports import Backfills, Clock, DeadLetters, EventBus, FireQueue, ScheduleStore
from eventcron.rules import backfill
from eventcron.rules.packing import pack_fires
from eventcron.settings import Settings
from eventcron.wire.encode import backfilled, skipped

#: Open at once. The list of them is one DynamoDB item: with the longest names, 258 KB of the 400 KB it may have.
MAX_OPEN = 1_000
#: Open at once for one tenant, so that one cannot take all the places. As many as EventBridge replays at once.
MAX_OPEN_OF_TENANT = 10
#: How often a cancellation is tried anew because a slice was counted at the same moment; a slice takes longer.
MAX_TRIES = 8
#: Milliseconds before the deadline at which no further slice is begun. A slice takes well under a second.
STOP_BEFORE_MS = 2_000


class BackfillCommands:
    """Takes and cancels backfills, for the registrar."""

    def __init__(self, *, clock: Clock, store: ScheduleStore, backfills: Backfills, settings: Settings) -> None:
        self._clock = clock
        self._store = store
        self._backfills = backfills
        self._remember_days = settings.tombstone_days

    async def start(self, command: BackfillSchedule, *, event_id: str) -> tuple[Backfill, bool]:
        """The backfill as stored, and whether it is new. The same again, by whatever event, changes nothing.

        Raises:
            InvalidSchedule: there is no such schedule, nothing is due in the span, the id stands for another
                backfill, or too many are open.
        """
        key = BackfillKey(command.tenant, command.name, command.backfill_id or event_id)
        stored = await self._find(key)
        if stored is not None and stored.event_id == event_id:
            # Its first handling may have died before it was entered; what became of the schedule since is no matter.
            await self._enter(stored)
            return stored, False
        record = (await self._store.get([command.key])).get(command.key)
        if record is None or record.schedule is None:
            raise not_found(command.key)
        asked = backfill.open_backfill(command, record, event_id=event_id, now=self._clock.now())
        if stored is None:
            await self._check_room(asked.key)
            if not await self._backfills.put(asked, replacing=None):
                stored = await self._find(asked.key)
        if stored is not None and stored.event_id and not backfill.is_same(stored, asked):
            raise _taken(asked.key)
        standing = asked if stored is None else stored
        await self._enter(standing)
        return standing, stored is None

    async def _enter(self, backfill: Backfill) -> None:
        if backfill.state is BackfillState.RUNNING:
            await self._backfills.enter(backfill.key)

    async def cancel(self, command: CancelBackfill) -> Backfill:
        """The cancelled backfill; one that has ended stays as it is.

        Raises:
            InvalidSchedule: there is no such backfill. It is remembered, and does not start if it arrives later.
            Conflict: it is being carried on at this moment; nothing was changed.
        """
        key = BackfillKey(command.tenant, command.name, command.backfill_id)
        for _ in range(MAX_TRIES):
            stored = await self._find(key)
            if stored is None:
                unknown = backfill.cancelled_before_it_arrived(key, expires=self._expires())
                if await self._backfills.put(unknown, replacing=None):
                    raise _no_backfill(key)
                continue
            if stored.state is not BackfillState.RUNNING:
                if not stored.event_id:
                    raise _no_backfill(key)
                return stored
            cancelled = backfill.cancel(stored, CancelReason.COMMAND, expires=self._expires())
            if await self._backfills.put(cancelled, replacing=stored.version):
                await self._backfills.strike(key)
                return cancelled
        raise Conflict(f"backfill {key} is being carried on: not cancelled after {MAX_TRIES} tries")

    async def _find(self, key: BackfillKey) -> Backfill | None:
        return (await self._backfills.get([key])).get(key)

    async def _check_room(self, key: BackfillKey) -> None:
        """Commands taken at the same moment may pass together; the list has room for that."""
        open_ones = Counter(other.tenant for other in await self._backfills.open())
        limit, count = MAX_OPEN_OF_TENANT, open_ones[key.tenant]
        if count >= limit or open_ones.total() >= MAX_OPEN:
            given = f"{count} of {key.tenant!r} and {open_ones.total()} in all are running"
            allowed = f"at most {limit} of a tenant and {MAX_OPEN} in all; cancel one or wait"
            raise InvalidSchedule(RejectionCode.QUOTA, field="backfill_id", given=given, allowed=allowed)

    def _expires(self) -> int:
        return _expires(self._clock.now(), self._remember_days)


class BackfillOutcome(StrEnum):
    """How a tick's work on a backfill ended."""

    ON = "on"  # as far as the horizon, or the deadline
    COMPLETED = "completed"
    CANCELLED = "cancelled"  # its schedule is gone, or it was cancelled meanwhile
    HELD = "held"  # another planner is at it
    FAILED = "failed"  # a service refused, or it cannot be read; the slice in hand will be made again


class BackfillReport(Struct, frozen=True, kw_only=True):
    """What one tick did for one backfill."""

    key: BackfillKey
    went: BackfillOutcome
    fires: int = 0
    skipped: int = 0
    reason: str = ""


class Backfiller:
    """Carries on the open backfills."""

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
        self._settings = settings

    async def run(self, *, deadline: Instant) -> list[BackfillReport]:
        """Carry on every open backfill through the horizon, at most ``concurrency`` at once; one report each.

        One that fails does not stop the others. *deadline* is when this process may be killed.

        Raises:
            Unavailable: the open ones could not be read.
        """
        slots = asyncio.Semaphore(self._settings.concurrency)
        keys = await self._backfills.open()
        stored, unreadable = await read_readable(self._backfills.get, keys)

        async def carry_on(key: BackfillKey) -> BackfillReport:
            if key in unreadable:
                return BackfillReport(key=key, went=BackfillOutcome.FAILED, reason=unreadable[key])
            async with slots:
                try:
                    return await self._carry_on(key, stored.get(key), deadline=deadline)
                except (Unavailable, Undecodable) as error:
                    return BackfillReport(key=key, went=BackfillOutcome.FAILED, reason=str(error))

        return await all_of(carry_on(key) for key in keys)

    async def _carry_on(self, key: BackfillKey, stored: Backfill | None, *, deadline: Instant) -> BackfillReport:
        if stored is None or stored.state is not BackfillState.RUNNING:
            # Whoever ended it died before this.
            await self._backfills.strike(key)
            return BackfillReport(key=key, went=BackfillOutcome.CANCELLED)
        now = self._clock.now()
        if stored.lease_until > now:
            return BackfillReport(key=key, went=BackfillOutcome.HELD)
        if not await self._has_schedule(stored):
            return await self._end(
                backfill.cancel(stored, CancelReason.DELETED, expires=self._expires()),
                stored,
                BackfillOutcome.CANCELLED,
            )
        if backfill.is_spent(stored):
            if now < stored.at:
                return BackfillReport(key=key, went=BackfillOutcome.ON)
            return await self._end(
                backfill.complete(stored, expires=self._expires()), stored, BackfillOutcome.COMPLETED
            )
        return await self._hand_over(stored, deadline=deadline)

    async def _hand_over(self, stored: Backfill, *, deadline: Instant) -> BackfillReport:
        """Slices of *stored* up to the horizon or the deadline, each counted once its packs were taken."""
        reached = stored
        horizon_end = self._clock.now() + self._settings.horizon_seconds * 1000
        claimed = backfill.claim(stored, now=self._clock.now(), horizon_end=horizon_end, lease_until=deadline)
        if claimed is not None and not await self._backfills.put(claimed, replacing=stored.version):
            return BackfillReport(key=stored.key, went=BackfillOutcome.HELD)
        while claimed is not None:
            part = backfill.make_slice(claimed)
            await self._send(part)
            now = self._clock.now()
            further = None
            if now < deadline - STOP_BEFORE_MS:
                further = backfill.claim(part.after, now=now, horizon_end=horizon_end, lease_until=deadline)
                # One write counts this slice and claims the next.
                further = None if further is None else replace(further, version=part.after.version)
            reached = part.after if further is None else further
            if not await self._backfills.put(reached, replacing=claimed.version):
                return self._report(stored, claimed, BackfillOutcome.CANCELLED)
            claimed = further
        if reached is not stored:
            await self._tell(backfilled(reached, now=self._clock.now()))
        return self._report(stored, reached, BackfillOutcome.ON)

    async def _send(self, part: backfill.Slice) -> None:
        lead_ms = self._settings.lead_seconds * 1000
        await self._sender.send(
            pack_fires(part.fires, size=self._settings.pack_size),
            visible_at=lambda pack: pack.at - lead_ms,
        )
        now = self._clock.now()
        await self._tell(*(skipped(notice, now=now) for notice in part.skips))

    async def _end(self, ended: Backfill, stored: Backfill, went: BackfillOutcome) -> BackfillReport:
        # The fact first: a crash in between repeats it, the other way round it would never be told.
        await self._tell(backfilled(ended, now=self._clock.now()))
        if await self._backfills.put(ended, replacing=stored.version):
            await self._backfills.strike(ended.key)
        return BackfillReport(key=ended.key, went=went)

    async def _has_schedule(self, backfill: Backfill) -> bool:
        """Whether the schedule is still the one that was there: not deleted, nor put anew after that."""
        key = Key(backfill.tenant, backfill.name)
        record = (await self._store.get([key])).get(key)
        return record is not None and record.schedule is not None and record.created == backfill.schedule_created

    async def _tell(self, *facts: Event) -> None:
        await self._publisher.publish(facts)

    def _expires(self) -> int:
        return _expires(self._clock.now(), self._settings.tombstone_days)

    @staticmethod
    def _report(before: Backfill, reached: Backfill, went: BackfillOutcome) -> BackfillReport:
        return BackfillReport(
            key=before.key,
            went=went,
            fires=reached.fires - before.fires,
            skipped=reached.skipped - before.skipped,
        )


def not_found(key: Key) -> InvalidSchedule:
    return InvalidSchedule(
        RejectionCode.NOT_FOUND, field="name", given=repr(str(key)), allowed="a schedule that exists"
    )


def _no_backfill(key: BackfillKey) -> InvalidSchedule:
    return InvalidSchedule(
        RejectionCode.NOT_FOUND, field="backfill_id", given=repr(str(key)), allowed="a backfill that exists"
    )


def _taken(key: BackfillKey) -> InvalidSchedule:
    allowed = "an id that stands for no other span or rate yet, or none"
    return InvalidSchedule(RejectionCode.BACKFILL_EXISTS, field="backfill_id", given=repr(key.id), allowed=allowed)


def _expires(now: Instant, days: int) -> int:
    """Seconds since 1970 until which an ended backfill is remembered."""
    return now // 1000 + days * 86_400
