"""Apply commands: store schedules, publish events, and send the fires that the planner would see too late.

A record has a ``handoff``, the instant from which the planner plans it. ``handoff`` is so far ahead that the planner
sees the record before it plans that far. The registrar sends the fires before ``handoff`` itself. One conditional write
stores ``handoff``, so each fire has exactly one sender.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Literal, NamedTuple, TypeAlias

from msgspec import UNSET
from msgspec.structs import replace

from eventcron.app.backfill import BackfillCommands
from eventcron.app.calendars import CalendarCommands, named_by
from eventcron.app.contention import MAX_TRIES, contended
from eventcron.app.delivery import PackSender, Publisher, expires_at
from eventcron.app.heartbeats import Heartbeats
from eventcron.app.pending import PendingFires
from eventcron.app.results import Outcome, Result
from eventcron.app.runs import Tracker
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import (
    BackfillSchedule,
    CancelBackfill,
    ChangesSchedule,
    Command,
    DeleteCalendar,
    DeleteSchedule,
    PauseSchedule,
    PutCalendar,
    ReportRun,
    ResumeSchedule,
    RunSchedule,
    Schedule,
)
from eventcron.model.events import Event
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Key
from eventcron.model.records import Record, State
from eventcron.ports import (
    Backfills,
    Calendars,
    Clock,
    DeadLetters,
    EventBus,
    FireQueue,
    Leases,
    PublishedPacks,
    ScheduleStore,
)
from eventcron.rules import catch_up, definition, lifecycle, limits, ordering
from eventcron.rules.lifecycle import When
from eventcron.rules.ordering import Verdict, Version
from eventcron.rules.packing import make_pack
from eventcron.rules.rejections import not_found, stale, to_fire
from eventcron.settings import Settings
from eventcron.timing.hashing import segment_of
from eventcron.wire.decode import Received, Rejected
from eventcron.wire.encode import (
    backfilled,
    calendar_changed,
    calendar_unchanged,
    created,
    deleted,
    paused,
    rejected,
    resumed,
    unchanged,
    updated,
)

#: Milliseconds by which a sender's clock may be ahead of the registrar's: twice the difference between AWS's clocks.
CLOCKS_APART_MS = 1_000


#: Checks the stored record before a command changes it. Raises an error if the record is not as the sender requires.
Precondition: TypeAlias = Callable[[Record | None], None]


def no_precondition(_stored: Record | None) -> None:
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
        packs: PublishedPacks,
        calendars: Calendars,
        tracker: Tracker,
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
        self._tracker = tracker
        self._heartbeats = Heartbeats(clock=clock, store=store, tracker=tracker)
        self._sender = PackSender(clock=clock, fire_queue=fire_queue, dead_letters=dead_letters, jitter=jitter)
        self._publisher = Publisher(clock=clock, bus=bus, jitter=jitter)
        self._settings = settings
        self._backfills = BackfillCommands(
            clock=clock, store=store, backfills=backfills, publisher=self._publisher, settings=settings
        )
        self._pending = PendingFires(
            clock=clock,
            store=store,
            backfills=self._backfills,
            packs=packs,
            sender=self._sender,
            publisher=self._publisher,
            settings=settings,
        )
        self._calendar_commands = CalendarCommands(clock=clock, calendars=calendars, settings=settings)

    async def reject(self, error: Rejected) -> Result:
        """Publish ``Schedule Rejected`` for a command that its sender has to change.

        Raises:
            Unavailable: the bus did not take the event. The command may be handled again.
        """
        await self._publish(rejected(error, now=self._clock.now()))
        return Result(Outcome.REJECTED, error.key, reason=str(error))

    async def _publish(self, *events: Event) -> None:
        await self._publisher.publish(events)

    async def apply(self, received: Received, *, precondition: Precondition = no_precondition) -> Result:
        """Apply a decoded command.

        A command that was applied before changes nothing. *precondition* holds for exactly the record that the command
        replaces, because the write is conditional. A command that replaces no record ignores *precondition*.

        Raises:
            InvalidSchedule: the sender has to change the command. No event reports that, only this error.
            Unavailable, Conflict: nothing is lost. The command may be applied again.
        """
        command = received.command
        handling = TABLE[type(command)]
        if isinstance(handling, Request):
            return await handling.apply(self, command, received)
        assert isinstance(command, Schedule | ChangesSchedule)  # noqa: S101  # no other command replaces a record
        if isinstance(command, Schedule):
            command = limits.fitted(command, max_bytes=self._settings.max_input_bytes)
        for _ in range(MAX_TRIES):
            result = await self._try(command, handling, received, precondition)
            if result is not None:
                return result
        raise contended(command.key)

    async def _try(
        self, command: Schedule | ChangesSchedule, handling: Change, received: Received, precondition: Precondition
    ) -> Result | None:
        """Apply *command* to the record as it is read now; None if another writer was first."""
        stored = await self._read(command.key)
        while True:
            precondition(stored)
            if stored and stored.state is State.COMPLETED and not received.is_answered:
                # Eventcron's own pause is too late. To store it would push out the revision of fires on their way.
                return Result(Outcome.UNCHANGED, stored.key, record=stored)
            version = self._version(command, stored, received)
            if stored and isinstance(command, Schedule) and await self._is_unchanged(command, stored, version):
                return await self._leave(command, stored, received)
            if stored is None or stored.pending is None:
                break
            # Another command may have been applied meanwhile, so the questions above are asked once more.
            stored = await self._pending.wait_for(stored)
        verdict = Verdict.DUPLICATE if version is None else handling.judge(stored, version.revision)
        if version is None or verdict is Verdict.DUPLICATE:
            return await self._repeat(received, stored)
        if verdict is Verdict.STALE:
            assert stored is not None  # noqa: S101  # nothing is stale where nothing is stored
            last = stored.last_commands
            raise stale(version.revision, applied=max(last.put_revision, last.delete_revision, last.pause_revision))
        when = await self._when(command.key, stored, received)
        after = await handling.change(self, command, stored, version, when)
        refused = _refused(handling, stored, after)
        after = replace(after, last_commands=replace(after.last_commands, refused=refused))
        replacing, added = None if stored is None else stored.revision, limits.added(stored, after)
        limit = self._settings.max_schedules_per_tenant
        if not await self._store.put(after, replacing=replacing, added=added, limit=limit):
            return None
        return await self._finish(received, stored, after)

    async def _read(self, key: Key) -> Record | None:
        return (await self._store.get([key])).get(key)

    def _version(
        self, command: Schedule | ChangesSchedule, stored: Record | None, received: Received
    ) -> Version | None:
        time = self._time(received)
        return ordering.version_of(stored, given=command.revision, time=time, event_id=received.event_id)

    async def _is_unchanged(self, command: Schedule, stored: Record, version: Version | None) -> bool:
        """Whether to put *command* would change nothing: neither what is stored, nor when it fires."""
        if version is None or not ordering.is_stored(stored, command, version.revision):
            return False
        if version.revision <= stored.last_commands.put_revision:
            return True  # what a calendar changed since is for a later put to take over
        return definition.fires_alike(stored, command, calendars=await self._calendars_of(command))

    async def _leave(self, command: Schedule, stored: Record, received: Received) -> Result | None:
        """Answer a put of what is stored already: nothing changes, and nothing is planned again.

        Only the order of commands is kept: an older command that is still on its way loses against this put. The first
        put of a second notes that; those that follow find it noted. None: another writer was first.
        """
        last = stored.last_commands
        sent = self._time(received) if command.revision is None else command.revision
        put_revision = max(last.put_revision, sent)
        state_revision = last.state_revision if command.state is UNSET else max(last.state_revision, sent)
        if (put_revision, state_revision) != (last.put_revision, last.state_revision) and not (
            await self._store.note_put(
                stored.key, revision=stored.revision, put_revision=put_revision, state_revision=state_revision
            )
        ):
            return None
        await self._publish(unchanged(stored, now=self._clock.now(), event_id=received.event_id))
        return Result(Outcome.UNCHANGED, stored.key, record=stored)

    async def _when(self, key: Key, stored: Record | None, received: Received) -> When:
        segments = self._settings.segments
        planned = 0
        if stored is not None and stored.fires:
            # After a change of the number of segments it is in its old one until the reconciler has moved it.
            segment = segment_of(key, segments) if stored.segment is None else stored.segment
            planned = await self._leases.planned_through(segment)
        return When(received.time, self._clock.now(), self._reach_ms, segments, planned)

    async def _calendars_of(self, schedule: Schedule) -> definition.Calendars | None:
        return (await named_by([schedule], self._calendars)).get(schedule.tenant)

    async def _put(self, command: Schedule, stored: Record | None, version: Version, when: When) -> Record:
        limits.check_input(command, stored, max_bytes=self._settings.max_input_bytes)
        calendars = await self._calendars_of(command)
        after = lifecycle.put(stored, command, version, when, calendars=calendars, expires=self._expires(when))
        limits.check_period(command, stored, after, seconds=self._settings.min_period_seconds)
        return after

    async def _delete(self, command: DeleteSchedule, stored: Record | None, version: Version, when: When) -> Record:
        return lifecycle.delete(stored, command.key, version, when, expires=self._expires(when))

    async def _pause(self, command: PauseSchedule, stored: Record | None, version: Version, when: When) -> Record:
        return lifecycle.pause(stored, command.key, version, when, expires=self._expires(when))

    async def _resume(self, command: ResumeSchedule, stored: Record | None, version: Version, when: When) -> Record:
        expires, limit = self._expires(when), self._settings.tenant_fires_per_minute
        after = lifecycle.resume(stored, command.key, version, when, missed=command.missed, expires=expires)
        rate = catch_up.rate(command.per_minute, default=self._settings.catch_up_per_minute, limit=limit)
        return catch_up.paced(after, rate)

    def _expires(self, when: When) -> int:
        """When TTL may remove a tombstone, in seconds since 1970."""
        return expires_at(when.now, self._settings.tombstone_days)

    def _time(self, received: Received) -> Instant:
        """The event's time, the same for every registrar. A time too far in the future is not believed."""
        return min(received.time, self._clock.now() + CLOCKS_APART_MS)

    @property
    def _reach_ms(self) -> int:
        return (self._settings.horizon_seconds + self._settings.guard_seconds) * 1000

    async def _finish(self, received: Received, before: Record | None, after: Record) -> Result:
        """After a change is stored: deliver the pending fires, then publish the event."""
        existed = before is not None and before.schedule is not None
        if after.last_commands.refused:
            # The record is stored although the command is rejected: the put that it belongs to may arrive later.
            raise _refusal(after)
        skips = await self._pending.deliver(after)
        await self._publish(_event_of(received, after, existed=existed, now=self._clock.now()))
        return Result(Outcome.ACCEPTED, after.key, record=after, created=not existed, skips=skips)

    async def _repeat(self, received: Received, stored: Record | None) -> Result:
        """Publish the event of an applied command again, unless a later command has changed the schedule.

        The registrar that applied the command may have died between the write and the event. The record does not show
        that.
        """
        if stored is None:
            return Result(Outcome.DUPLICATE)
        if received.event_id in stored.recent_event_ids[-1:]:
            if stored.last_commands.refused:
                raise _refusal(stored)
            existed = stored.created < min(received.time, stored.era.start)
            await self._publish(_event_of(received, stored, existed=existed, now=self._clock.now()))
        return Result(Outcome.DUPLICATE, stored.key, record=stored)

    async def _run(self, command: RunSchedule, received: Received) -> Result:
        """Fire once, now: send one fire in its own pack to the executor."""
        record = to_fire((await self._store.get([command.key])).get(command.key), command.key)
        run_id = command.run_id or received.event_id
        due = self._time(received)
        fire = Fire(command.tenant, command.name, record.revision, due, due, cause="run", cause_id=run_id)
        await self._sender.send([make_pack([fire])], visible_at=lambda pack: pack.at)
        return Result(Outcome.ACCEPTED, command.key)

    async def _start_backfill(self, command: BackfillSchedule, received: Received) -> Result:
        """Start a backfill and publish its progress. A repeated command publishes the progress again."""
        backfill, new = await self._backfills.start(command, event_id=received.event_id)
        await self._publish(backfilled(backfill, now=self._clock.now(), event_id=received.event_id))
        return Result(Outcome.ACCEPTED if new else Outcome.DUPLICATE, command.key)

    async def _cancel_backfill(self, command: CancelBackfill, received: Received) -> Result:
        await self._backfills.cancel(command, event_id=received.event_id)
        return Result(Outcome.ACCEPTED, command.key)

    async def _report_run(self, command: ReportRun, received: Received) -> Result:
        event_id = received.event_id
        if command.is_heartbeat:
            reported = await self._heartbeats.report(command, event_id=event_id, sent=received.time)
        else:
            reported = await self._tracker.report(command, event_id=event_id)
        outcome = Outcome.DUPLICATE if reported.is_late else Outcome.ACCEPTED
        return Result(outcome, command.key, ended=reported.past)

    async def _calendar(self, command: PutCalendar | DeleteCalendar, received: Received) -> Result:
        """Store or delete a calendar.

        A repeated command publishes the event again, because the registrar may have died between the write and the
        event.
        """
        event_id = received.event_id
        calendar, outcome = await self._calendar_commands.apply(command, time=self._time(received), event_id=event_id)
        now = self._clock.now()
        if outcome is Outcome.UNCHANGED:
            await self._publish(calendar_unchanged(calendar, now=now, event_id=event_id))
        elif outcome is Outcome.ACCEPTED or event_id in calendar.recent_event_ids[-1:]:
            await self._publish(calendar_changed(calendar, now=now, event_id=event_id))
        return Result(outcome, command.key)


def _event_of(received: Received, record: Record, *, existed: bool, now: Instant) -> Event:
    change = TABLE[type(received.command)]
    assert isinstance(change, Change)  # noqa: S101  # no other command replaces a record
    if not received.is_answered:
        return paused(record, now=now, by_failures=True)
    event = change.event if existed or change.created is None else change.created
    return event(record, now=now, event_id=received.event_id)


def _refused(change: Change, before: Record | None, after: Record) -> Literal["", "not_found", "completed"]:
    """Why a command is rejected although its record is stored; "" if it is accepted.

    The record is stored for commands that arrive later.
    """
    if change.created is not None:
        return ""
    if before is None or before.schedule is None:
        return "not_found"
    return "completed" if before.state is State.COMPLETED and after.state is State.COMPLETED else ""


def _refusal(record: Record) -> InvalidSchedule:
    if record.last_commands.refused == "not_found":
        return not_found(record.key)
    allowed = "a schedule with occurrences left; put it anew"
    return InvalidSchedule(RejectionCode.COMPLETED, field="name", given=repr(str(record.key)), allowed=allowed)


class Change(NamedTuple):
    """A command that replaces a schedule's record."""

    #: Whether the command applies, given the stored record and the command's revision.
    judge: Callable[[Record | None, int], Verdict]
    #: Returns the record that replaces the stored one.
    change: Callable[[Registrar, Any, Record | None, Version, When], Coroutine[Any, Any, Record]]
    #: The event that reports the change.
    event: Callable[..., Event]
    #: The event if there was no schedule. None: the command is rejected then.
    created: Callable[..., Event] | None = None


class Request(NamedTuple):
    """A command that replaces no schedule's record."""

    #: Applies the command and publishes its event.
    apply: Callable[[Registrar, Any, Received], Coroutine[Any, Any, Result]]


#: How each command is applied.
TABLE: dict[type[Command], Change | Request] = {
    Schedule: Change(ordering.judge_put, Registrar._put, updated, created),
    DeleteSchedule: Change(ordering.judge_delete, Registrar._delete, deleted),
    PauseSchedule: Change(ordering.judge_pause, Registrar._pause, paused),
    ResumeSchedule: Change(ordering.judge_resume, Registrar._resume, resumed),
    RunSchedule: Request(Registrar._run),
    BackfillSchedule: Request(Registrar._start_backfill),
    CancelBackfill: Request(Registrar._cancel_backfill),
    ReportRun: Request(Registrar._report_run),
    PutCalendar: Request(Registrar._calendar),
    DeleteCalendar: Request(Registrar._calendar),
}
