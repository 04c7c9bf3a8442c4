"""Commands → stored schedules and events. The late path: fires due before the planner takes over.

Written once: the record carries ``handoff``, the instant from which the planner plans it, far enough ahead that the
planner is bound to see the record before it plans that far. What is to be published before, the registrar packs
itself. So each fire has one owner, fixed by one conditional write.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

from msgspec.structs import replace

from eventcron.app.backfill import BackfillCommands, not_found
from eventcron.app.calendars import CalendarCommands, named_by
from eventcron.app.delivery import LONGEST_DELAY_MS, PackSender, Publisher, complete
from eventcron.errors import Conflict, InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import (
    BackfillSchedule,
    CancelBackfill,
    Command,
    DeleteCalendar,
    DeleteSchedule,
    PauseSchedule,
    PutCalendar,
    ResumeSchedule,
    RunSchedule,
    Schedule,
)
from eventcron.model.events import Event
from eventcron.model.messages import Fire
from eventcron.model.names import CalendarKey, Instant, Key
from eventcron.model.records import Record, State
from eventcron.ports import Backfills, Calendars, Clock, DeadLetters, EventBus, FireQueue, Leases, ScheduleStore
from eventcron.rules import lifecycle, ordering
from eventcron.rules.handover import handover
from eventcron.rules.lifecycle import When
from eventcron.rules.ordering import Verdict, Version
from eventcron.rules.packing import make_pack, pack_fires
from eventcron.settings import Settings
from eventcron.timing.hashing import segment_of
from eventcron.wire.decode import Received, Rejected
from eventcron.wire.encode import (
    backfilled,
    calendar_changed,
    created,
    deleted,
    paused,
    rejected,
    resumed,
    skipped,
    updated,
)

#: How often a command is decided anew because another writer was first. More at once on one schedule is a storm; the
#: queue's own retry spreads it.
MAX_TRIES = 8
#: How often, and milliseconds apart, a record is read again while another registrar delivers what is pending: a send of
#: a hundred packs takes well under a second.
DELIVERY_TRIES = 20
DELIVERY_PAUSE_MS = 100


#: Milliseconds. A command older than this may have been a dead letter that was sent back: the queue then hands it out
#: as a new message, though a handler may have stored it. The queue hides a failed message for three minutes, so no dead
#: letter is sent back much earlier.
SENT_BACK_MS = 300_000
#: Milliseconds by which a sender's clock may be ahead of the registrar's: twice what AWS's own are apart.
CLOCKS_APART_MS = 1_000


class Outcome(StrEnum):
    """What became of a command; the names of the registrar's metrics."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


class Result(NamedTuple):
    """One command's end: what became of it, whose it was, and the reason if it was refused."""

    outcome: Outcome
    key: Key | CalendarKey | None = None
    reason: str = ""
    #: As stored now, if the command is one that stores; ``created``: there was no schedule before.
    record: Record | None = None
    created: bool = False


#: Shown what is stored before a command changes it; raises if its sender wants something else to be there.
Precondition: TypeAlias = Callable[[Record | None], None]


def whatever_is_stored(_stored: Record | None) -> None:
    """The precondition that always holds."""


class Registrar:
    """Applies commands."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: ScheduleStore,
        leases: Leases,
        backfills: Backfills,
        calendars: Calendars,
        fire_queue: FireQueue,
        dead_letters: DeadLetters,
        bus: EventBus,
        jitter: Callable[[], float],
        settings: Settings,
    ) -> None:
        self._clock = clock
        self._store = store
        self._leases = leases
        self._calendars = calendars
        self._sender = PackSender(clock=clock, fire_queue=fire_queue, dead_letters=dead_letters, jitter=jitter)
        self._publisher = Publisher(clock=clock, bus=bus, jitter=jitter)
        self._settings = settings
        self._backfills = BackfillCommands(clock=clock, store=store, backfills=backfills, settings=settings)
        self._calendar_commands = CalendarCommands(clock=clock, calendars=calendars, settings=settings)

    async def reject(self, error: Rejected) -> Result:
        """Answer a command that its sender has to change.

        Raises:
            Unavailable: the bus did not take the answer; the command may be handled again.
        """
        await self._publish(rejected(error, now=self._clock.now()))
        return Result(Outcome.REJECTED, reason=str(error))

    async def _publish(self, *facts: Event) -> None:
        await self._publisher.publish(facts)

    async def apply(
        self, received: Received, *, redelivered: bool = False, precondition: Precondition = whatever_is_stored
    ) -> Result:
        """Apply a decoded command.

        *redelivered* says that it may have been stored before by a handler that died before its event. The event is
        then published again. *precondition* is checked against the record that the command replaces, in one atomic
        write; a command that replaces no record ignores it.

        Raises:
            InvalidSchedule: the command has to be changed by its sender, who is told here and not by a fact.
            Unavailable, Conflict: nothing is lost; the command may be applied again.
        """
        command = received.command
        redelivered = redelivered or self._clock.now() - received.time > SENT_BACK_MS
        how = TABLE[type(command)]
        if isinstance(how, Request):
            return await how.apply(self, command, received, redelivered=redelivered)
        assert isinstance(command, Schedule | DeleteSchedule)  # noqa: S101  # no other command replaces a record
        for _ in range(MAX_TRIES):
            stored = await self._delivered(command.key, received.event_id, redelivered=redelivered)
            precondition(stored)
            place = ordering.version_of(
                stored, given=command.revision, time=self._time(received), event_id=received.event_id
            )
            verdict = Verdict.DUPLICATE if place is None else how.judge(stored, place.revision)
            if place is None or verdict is Verdict.DUPLICATE:
                return await self._repeat(received, stored, redelivered=redelivered)
            if verdict is Verdict.STALE:
                raise _stale(stored, place)
            after = await self._changed(command, stored, place, received)
            after = replace(after, refused=_refused(how, stored, after))
            if await self._store.put(after, replacing=None if stored is None else stored.revision):
                return await self._finish(received, stored, after)
        raise Conflict(f"{command.key} is being changed by others: not applied after {MAX_TRIES} tries")

    async def _delivered(self, key: Key, event_id: str, *, redelivered: bool) -> Record | None:
        """The stored record, with nothing pending.

        Another registrar may be delivering it: wait for that. After ``DELIVERY_TRIES``, or when this very command was
        handled before in vain, deliver it here, before the record is replaced.
        """
        for left in reversed(range(DELIVERY_TRIES)):
            stored = (await self._store.get([key])).get(key)
            if stored is None or stored.pending is None:
                return stored
            if left == 0 or (redelivered and event_id in stored.recent_event_ids[-1:]):
                await self._deliver_pending(stored)
                return replace(stored, pending=None)
            await self._clock.sleep_until(self._clock.now() + DELIVERY_PAUSE_MS)
        raise AssertionError("the last try returns")

    async def _changed(
        self, command: Schedule | DeleteSchedule, stored: Record | None, place: Version, received: Received
    ) -> Record:
        segments = self._settings.segments
        fires = stored is not None and stored.fires
        planned = await self._leases.planned_through(segment_of(command.key, segments)) if fires else 0
        now = self._clock.now()
        when = When(received.time, now, self._reach_ms, segments, planned)
        expires = now // 1000 + self._settings.tombstone_days * 86_400
        if isinstance(command, Schedule):
            calendars = (await named_by([command], self._calendars)).get(command.tenant)
            return lifecycle.put(stored, command, place, when, calendars=calendars)
        if isinstance(command, PauseSchedule):
            return lifecycle.pause(stored, command.key, place, when, expires=expires)
        if isinstance(command, ResumeSchedule):
            return lifecycle.resume(stored, command.key, place, when, missed=command.missed, expires=expires)
        return lifecycle.delete(stored, command.key, place, when, expires=expires)

    def _time(self, received: Received) -> Instant:
        """The event's time, the same whoever handles it: only one that no clock can explain is not believed."""
        return min(received.time, self._clock.now() + CLOCKS_APART_MS)

    @property
    def _reach_ms(self) -> int:
        return (self._settings.horizon_seconds + self._settings.guard_seconds) * 1000

    async def _finish(self, received: Received, before: Record | None, after: Record) -> Result:
        """What follows a stored change: the fires the registrar owes, then the fact."""
        existed = before is not None and before.schedule is not None
        if after.refused:
            # Kept all the same: the put it belongs to may still be on its way.
            raise _refusal(after)
        await self._deliver_pending(after)
        await self._publish(_fact(received, after, existed=existed, now=self._clock.now()))
        return Result(Outcome.ACCEPTED, after.key, record=after, created=not existed)

    async def _repeat(self, received: Received, stored: Record | None, *, redelivered: bool) -> Result:
        """A command applied before changes nothing.

        If the queue hands it out again, its first handling may have died between the write and the fact: a fact
        bears repetition, so it is published again where nothing later has happened.
        """
        if stored is None:
            return Result(Outcome.DUPLICATE)
        if redelivered and received.event_id in stored.recent_event_ids[-1:]:
            if stored.refused:
                raise _refusal(stored)
            existed = stored.created < min(received.time, stored.era.start)
            await self._publish(_fact(received, stored, existed=existed, now=self._clock.now()))
        return Result(Outcome.DUPLICATE, stored.key, record=stored)

    async def _deliver_pending(self, record: Record) -> None:
        """Enqueue and publish what *record* left to the registrar, and note that it is done."""
        if record.pending is None:
            return
        now = self._clock.now()
        work = handover(record, now=now)
        lead_ms = self._settings.lead_seconds * 1000
        await self._sender.send(
            pack_fires(work.fires, size=self._settings.pack_size),
            visible_at=lambda pack: min(pack.at - lead_ms, now + LONGEST_DELAY_MS),
        )
        await self._publish(*(skipped(notice, now=now) for notice in work.skips))
        if work.is_over:
            await complete(record, clock=self._clock, store=self._store, publisher=self._publisher)
        # Last: until then a redelivered command finds the record pending, and delivers all of it again.
        await self._store.clear_pending(record.key, revision=record.revision)

    async def _run(self, command: RunSchedule, received: Received, **_options: bool) -> Result:
        """Fire once, now: a pack of its own, through the same executor."""
        record = (await self._store.get([command.key])).get(command.key)
        if record is None or record.schedule is None:
            raise not_found(command.key)
        run_id = command.run_id or received.event_id
        due = self._time(received)
        fire = Fire(command.tenant, command.name, record.revision, due, due, cause="run", cause_id=run_id)
        await self._sender.send(
            [make_pack([fire])],
            visible_at=lambda pack: pack.at,
        )
        return Result(Outcome.ACCEPTED, command.key)

    async def _start_backfill(self, command: BackfillSchedule, received: Received, **_options: bool) -> Result:
        """Start a backfill. The event says how far it has come; so it does when the command comes again."""
        backfill, new = await self._backfills.start(command, event_id=received.event_id)
        await self._publish(backfilled(backfill, now=self._clock.now()))
        return Result(Outcome.ACCEPTED if new else Outcome.DUPLICATE, command.key)

    async def _cancel_backfill(self, command: CancelBackfill, _received: Received, **_options: bool) -> Result:
        backfill = await self._backfills.cancel(command)
        await self._publish(backfilled(backfill, now=self._clock.now()))
        return Result(Outcome.ACCEPTED, command.key)

    async def _calendar(
        self, command: PutCalendar | DeleteCalendar, received: Received, *, redelivered: bool
    ) -> Result:
        """Store a calendar. As with schedules, an earlier handler may have died between the write and the event."""
        event_id = received.event_id
        calendar, new = await self._calendar_commands.apply(command, time=self._time(received), event_id=event_id)
        if new or (redelivered and event_id in calendar.recent_event_ids[-1:]):
            await self._publish(calendar_changed(calendar, now=self._clock.now()))
        return Result(Outcome.ACCEPTED if new else Outcome.DUPLICATE, command.key)


def _stale(stored: Record | None, place: Version) -> InvalidSchedule:
    assert stored is not None  # noqa: S101  # nothing is stale where nothing is stored
    last = stored.last_commands
    latest = max(last.put_revision, last.delete_revision, last.pause_revision)
    allowed = f"more than {latest}, the revision already applied"
    return InvalidSchedule(RejectionCode.STALE_REVISION, field="revision", given=str(place.revision), allowed=allowed)


def _fact(received: Received, record: Record, *, existed: bool, now: Instant) -> Event:
    change = TABLE[type(received.command)]
    assert isinstance(change, Change)  # noqa: S101  # no other command replaces a record
    event = change.event if existed or change.created is None else change.created
    return event(record, now=now)


def _refused(change: Change, before: Record | None, after: Record) -> Literal["", "not_found", "completed"]:
    """Why a command is refused though it is stored, for those that are still on their way; "" if it is not."""
    if change.created is not None:
        return ""
    if before is None or before.schedule is None:
        return "not_found"
    return "completed" if before.state is State.COMPLETED and after.state is State.COMPLETED else ""


def _refusal(record: Record) -> InvalidSchedule:
    if record.refused == "not_found":
        return not_found(record.key)
    allowed = "a schedule with occurrences left; put it anew"
    return InvalidSchedule(RejectionCode.COMPLETED, field="name", given=repr(str(record.key)), allowed=allowed)


class Change(NamedTuple):
    """A command that replaces a schedule's record."""

    #: Whether it acts, given the stored record and the command's revision.
    judge: Callable[[Record | None, int], Verdict]
    #: The event that reports it.
    event: Callable[..., Event]
    #: The event that reports it where there was no schedule; None: it is refused there.
    created: Callable[..., Event] | None = None


class Request(NamedTuple):
    """A command that leaves the schedule's record alone, and the method that applies it and publishes its event."""

    apply: Callable[..., Coroutine[Any, Any, Result]]


#: How each command is applied.
TABLE: dict[type[Command], Change | Request] = {
    Schedule: Change(ordering.judge_put, updated, created),
    DeleteSchedule: Change(ordering.judge_delete, deleted),
    PauseSchedule: Change(ordering.judge_switch, paused),
    ResumeSchedule: Change(ordering.judge_switch, resumed),
    RunSchedule: Request(Registrar._run),
    BackfillSchedule: Request(Registrar._start_backfill),
    CancelBackfill: Request(Registrar._cancel_backfill),
    PutCalendar: Request(Registrar._calendar),
    DeleteCalendar: Request(Registrar._calendar),
}
