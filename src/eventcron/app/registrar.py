"""Commands → stored schedules and facts. The late path: fires due before the planner takes over.

Written once: the record carries ``handoff``, the instant from which the planner plans it, far enough ahead that the
planner is bound to see the record before it plans that far. What is to be published before, the registrar packs
itself. So each fire has one owner, fixed by one conditional write.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from eventcron.app.backfill import BackfillCommands, not_found
from eventcron.app.calendars import CalendarCommands, named_by
from eventcron.app.delivery import LONGEST_DELAY_MS, PackSender, Publisher, complete
from eventcron.errors import Conflict, InvalidSchedule, Undecodable
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import (
    BackfillSchedule,
    CancelBackfill,
    Command,
    DeleteCalendar,
    DeleteSchedule,
    MisfirePolicy,
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
from eventcron.rules import lifecycle
from eventcron.rules.lifecycle import Verdict, Version, When
from eventcron.rules.packing import make_pack, pack_fires
from eventcron.rules.paused import fires_missed, skips_missed
from eventcron.rules.planning import Contribution, late_contribution, rest_contribution
from eventcron.rules.shared import is_own
from eventcron.settings import Settings
from eventcron.timing.hashing import segment_of
from eventcron.wire.decode import Received, Rejected, decode_command
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
#: How long another handler is given to hand over what a record owes: a send of a hundred packs takes well under a
#: second.
PAYMENT_TRIES = 20
PAYMENT_PAUSE_MS = 100


#: Milliseconds by which a sender's clock may be ahead of the registrar's: twice what AWS's own are apart.
CLOCKS_APART_MS = 1_000


class Outcome(StrEnum):
    """What became of a command; the names of the registrar's metrics."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    DEAD_LETTERED = "dead_lettered"


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
        self._dead_letters = dead_letters
        self._publisher = Publisher(clock=clock, bus=bus, jitter=jitter)
        self._settings = settings
        self._backfills = BackfillCommands(clock=clock, store=store, backfills=backfills, settings=settings)
        self._calendar_commands = CalendarCommands(clock=clock, calendars=calendars, settings=settings)

    async def handle(self, body: str, *, redelivered: bool = False) -> Result:
        """Apply the command in one queue message; *redelivered* means that the queue handed it out before.

        A bad command is answered by ``Schedule Rejected``; a message that is no command at all is dead-lettered too.

        Raises:
            Unavailable, Conflict: nothing is lost; the message may be handled again.
        """
        try:
            received = decode_command(body, trusted_sources=self._settings.trusted_sources)
        except Undecodable as error:
            await self._dead_letters.send_to_dlq("commands", body, reason=error.reason, code="undecodable")
            if not _is_json(body):
                # Whoever sent it cannot be told from it; the bus is the one place where they may be listening.
                await self._reject(_unreadable(body))
            return Result(Outcome.DEAD_LETTERED, reason=error.reason)
        except Rejected as error:
            return await self._reject(error)
        try:
            return await self.apply(received, redelivered=redelivered)
        except InvalidSchedule as error:
            return await self._reject(received.reject(error))

    async def _reject(self, error: Rejected) -> Result:
        await self._publish(rejected(error, now=self._clock.now()))
        return Result(Outcome.REJECTED, reason=str(error))

    async def _publish(self, *facts: Event) -> None:
        await self._publisher.publish(facts)

    async def apply(
        self, received: Received, *, redelivered: bool = False, precondition: Precondition = whatever_is_stored
    ) -> Result:
        """Apply a decoded command, for a sender who waits for the answer.

        *precondition* holds of what the command replaces, in one atomic write; commands that replace nothing have none.

        Raises:
            InvalidSchedule: the command has to be changed by its sender, who is told here and not by a fact.
            Unavailable, Conflict: nothing is lost; the command may be applied again.
        """
        command = received.command
        if isinstance(command, RunSchedule):
            return await self._run(command, received)
        if isinstance(command, BackfillSchedule | CancelBackfill):
            return await self._backfill(command, received)
        if isinstance(command, PutCalendar | DeleteCalendar):
            return await self._calendar(command, received, redelivered=redelivered)
        for _ in range(MAX_TRIES):
            stored = await self._paid(command.key, received.event_id, redelivered=redelivered)
            precondition(stored)
            place = lifecycle.version_of(
                stored, given=command.revision, time=self._time(received), event_id=received.event_id
            )
            verdict = Verdict.DUPLICATE if place is None else _judge(command, stored, place)
            if place is None or verdict is Verdict.DUPLICATE:
                return await self._repeat(received, stored, redelivered=redelivered)
            if verdict is Verdict.STALE:
                raise _stale(stored, place)
            after = await self._changed(command, stored, place, received)
            after = replace(after, refused=_refused(command, stored, after))
            if await self._store.put(after, replacing=None if stored is None else stored.revision):
                return await self._finish(received, stored, after)
        raise Conflict(f"{command.key} is being changed by others: not applied after {MAX_TRIES} tries")

    async def _paid(self, key: Key, event_id: str, *, redelivered: bool) -> Record | None:
        """The stored record, once what it owes is handed over.

        Whoever wrote it is handing over right now, or has died. So it is given a moment, unless it was this very
        command, handled before in vain; then the debt is paid here, before the record that holds it is replaced.
        """
        for left in reversed(range(PAYMENT_TRIES)):
            stored = (await self._store.get([key])).get(key)
            if stored is None or stored.owed is None:
                return stored
            if left == 0 or (redelivered and event_id in stored.seen[-1:]):
                await self._pay(stored)
                return replace(stored, owed=None)
            await self._clock.sleep_until(self._clock.now() + PAYMENT_PAUSE_MS)
        raise AssertionError("the last try returns")

    async def _changed(
        self, command: Schedule | DeleteSchedule, stored: Record | None, place: Version, received: Received
    ) -> Record:
        segments = self._settings.segments
        firing = stored is not None and stored.schedule is not None and stored.state in {State.ENABLED, State.COMPLETED}
        planned = await self._leases.planned_through(segment_of(command.key, segments)) if firing else 0
        now = self._clock.now()
        when = When(received.time, now, self._reach_ms, segments, planned)
        expires = now // 1000 + self._settings.tombstone_days * 86_400
        if isinstance(command, Schedule):
            calendars = (await named_by([command], self._calendars)).get(command.tenant)
            return lifecycle.put(stored, command, place, when, calendars=calendars)
        if isinstance(command, PauseSchedule | ResumeSchedule):
            pause = isinstance(command, PauseSchedule)
            policy = command.missed if isinstance(command, ResumeSchedule) else MisfirePolicy.SKIP
            return lifecycle.switch(stored, command.key, place, when, pause=pause, expires=expires, policy=policy)
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
        await self._pay(after)
        await self._publish(_fact(received, after, existed=existed, now=self._clock.now()))
        return Result(Outcome.ACCEPTED, after.key, record=after, created=not existed)

    async def _repeat(self, received: Received, stored: Record | None, *, redelivered: bool) -> Result:
        """A command applied before changes nothing.

        If the queue hands it out again, its first handling may have died between the write and the fact: a fact
        bears repetition, so it is published again where nothing later has happened.
        """
        if stored is None:
            return Result(Outcome.DUPLICATE)
        if redelivered and received.event_id in stored.seen[-1:]:
            if stored.refused:
                raise _refusal(stored)
            existed = stored.created < min(received.time, stored.first)
            await self._publish(_fact(received, stored, existed=existed, now=self._clock.now()))
        return Result(Outcome.DUPLICATE, stored.key, record=stored)

    async def _pay(self, record: Record) -> None:
        """Hand over the fires of the record's late window, and note that it is done."""
        if record.owed is None:
            return
        now = self._clock.now()
        firing = record.state in {State.ENABLED, State.COMPLETED}
        part = late_contribution(record, now=now) if firing else Contribution([], [], None)
        rest = rest_contribution(record, now=now)
        own = is_own(record)
        fires = fires_missed(record) + rest.fires + [fire for fire in part.fires if own(fire.due)]
        lead_ms = self._settings.lead_seconds * 1000
        await self._sender.send(
            pack_fires(fires, size=self._settings.pack_size),
            visible_at=lambda pack: min(pack.at - lead_ms, now + LONGEST_DELAY_MS),
        )
        await self._publish(*(skipped(notice, now=now) for notice in skips_missed(record) + rest.skips + part.skips))
        if firing and part.following is None and not any(fire.last for fire in fires):
            await complete(record, clock=self._clock, store=self._store, publisher=self._publisher)
        # Last: until then a redelivered command finds what is owed, and does all of it again.
        await self._store.settle(record.key, revision=record.revision)

    async def _run(self, command: RunSchedule, received: Received) -> Result:
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

    async def _backfill(self, command: BackfillSchedule | CancelBackfill, received: Received) -> Result:
        """Start or cancel one; the answer is how far it has come, also to a command that came again."""
        new = True
        if isinstance(command, CancelBackfill):
            backfill = await self._backfills.cancel(command)
        else:
            backfill, new = await self._backfills.start(command, event_id=received.event_id)
        await self._publish(backfilled(backfill, now=self._clock.now()))
        return Result(Outcome.ACCEPTED if new else Outcome.DUPLICATE, command.key)

    async def _calendar(
        self, command: PutCalendar | DeleteCalendar, received: Received, *, redelivered: bool
    ) -> Result:
        """As with schedules, a command that came again may have died between the write and the fact."""
        event_id = received.event_id
        calendar, new = await self._calendar_commands.apply(command, time=self._time(received), event_id=event_id)
        if new or (redelivered and event_id in calendar.seen[-1:]):
            await self._publish(calendar_changed(calendar, now=self._clock.now()))
        return Result(Outcome.ACCEPTED if new else Outcome.DUPLICATE, command.key)


def _is_json(body: str) -> bool:
    try:
        msgspec.json.decode(body.encode(errors="surrogatepass"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _unreadable(body: str) -> Rejected:
    error = InvalidSchedule(
        RejectionCode.NOT_JSON, field="body", given=ascii(body[:80]), allowed="an EventBridge event as JSON"
    )
    return Rejected(error, command="", event_id="", source="", tenant=None, name=None)


def _judge(command: Schedule | DeleteSchedule, stored: Record | None, place: Version) -> Verdict:
    if isinstance(command, Schedule):
        return lifecycle.judge_put(stored, place.revision)
    if isinstance(command, PauseSchedule | ResumeSchedule):
        return lifecycle.judge_switch(stored, place.revision)
    return lifecycle.judge_delete(stored, place.revision)


def _stale(stored: Record | None, place: Version) -> InvalidSchedule:
    assert stored is not None  # noqa: S101  # nothing is stale beside nothing
    return InvalidSchedule(
        RejectionCode.STALE_REVISION,
        field="revision",
        given=str(place.revision),
        allowed=f"more than {max(stored.defined, stored.deleted, stored.switched)}, the revision already applied",
    )


def _fact(received: Received, record: Record, *, existed: bool, now: Instant) -> Event:
    command = received.command
    if isinstance(command, Schedule):
        return updated(record, now=now) if existed else created(record, now=now)
    if isinstance(command, PauseSchedule):
        return paused(record, now=now)
    if isinstance(command, ResumeSchedule):
        return resumed(record, now=now)
    return deleted(record, now=now)


def _refused(command: Command, before: Record | None, after: Record) -> Literal["", "not_found", "completed"]:
    """Why a command is refused though it is stored, for those that are still on their way; "" if it is not."""
    if isinstance(command, Schedule):
        return ""
    if before is None or before.schedule is None:
        return "not_found"
    return "completed" if before.state is State.COMPLETED and after.state is State.COMPLETED else ""


def _refusal(record: Record) -> InvalidSchedule:
    if record.refused == "not_found":
        return not_found(record.key)
    allowed = "a schedule with occurrences left; put it anew"
    return InvalidSchedule(RejectionCode.COMPLETED, field="name", given=repr(str(record.key)), allowed=allowed)
