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
from eventcron.app.ending import complete
from eventcron.app.publishing import publish_all
from eventcron.app.sending import LONGEST_DELAY_MS, send_all
from eventcron.app.settings import DeploymentSettings
from eventcron.errors import Conflict, InvalidSchedule, Undecodable
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
from eventcron.ports import Ports
from eventcron.rules import lifecycle, ordering
from eventcron.rules.handover import handover
from eventcron.rules.lifecycle import When
from eventcron.rules.ordering import Verdict, Version
from eventcron.rules.packing import make_pack, pack_fires
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
#: How often, and milliseconds apart, a record is read again while another registrar delivers what is pending: a send of
#: a hundred packs takes well under a second.
DELIVERY_TRIES = 20
DELIVERY_PAUSE_MS = 100


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

    def __init__(self, ports: Ports, settings: DeploymentSettings) -> None:
        self._ports = ports
        self._clock = ports.clock
        self._store = ports.store
        self._ledger = ports.ledger
        self._dead = ports.dead
        self._calendars = ports.calendars
        self._settings = settings
        self._backfills = BackfillCommands(ports, settings)
        self._calendar_commands = CalendarCommands(ports, settings)

    async def handle(self, body: str, *, redelivered: bool = False) -> Result:
        """Apply the command in one queue message; *redelivered* means that the queue handed it out before.

        A bad command is answered by ``Schedule Rejected``; a message that is no command at all is dead-lettered too.

        Raises:
            Unavailable, Conflict: nothing is lost; the message may be handled again.
        """
        try:
            received = decode_command(body, trusted_sources=self._settings.trusted_sources)
        except Undecodable as error:
            await self._dead.send_to_dlq("commands", body, reason=error.reason, code="undecodable")
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
        await publish_all(self._ports, facts)

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
            stored = await self._delivered(command.key, received.event_id, redelivered=redelivered)
            precondition(stored)
            place = ordering.version_of(
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
        planned = await self._ledger.planned_through(segment_of(command.key, segments)) if fires else 0
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
        await send_all(
            self._ports,
            pack_fires(work.fires, size=self._settings.pack_size),
            visible_at=lambda pack: min(pack.at - lead_ms, now + LONGEST_DELAY_MS),
        )
        await self._publish(*(skipped(notice, now=now) for notice in work.skips))
        if work.is_over:
            await complete(self._ports, record)
        # Last: until then a redelivered command finds the record pending, and delivers all of it again.
        await self._store.clear_pending(record.key, revision=record.revision)

    async def _run(self, command: RunSchedule, received: Received) -> Result:
        """Fire once, now: a pack of its own, through the same executor."""
        record = (await self._store.get([command.key])).get(command.key)
        if record is None or record.schedule is None:
            raise not_found(command.key)
        run_id = command.run_id or received.event_id
        due = self._time(received)
        fire = Fire(command.tenant, command.name, record.revision, due, due, cause="run", cause_id=run_id)
        await send_all(
            self._ports,
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
        if new or (redelivered and event_id in calendar.recent_event_ids[-1:]):
            await self._publish(calendar_changed(calendar, now=self._clock.now()))
        return Result(Outcome.ACCEPTED if new else Outcome.DUPLICATE, command.key)


def _is_json(body: str) -> bool:
    try:
        msgspec.json.decode(body.encode(errors="surrogatepass"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _unreadable(body: str) -> Rejected:
    error = InvalidSchedule("not_json", field="body", given=ascii(body[:80]), allowed="an EventBridge event as JSON")
    return Rejected(error, command="", event_id="", source="", tenant=None, name=None)


def _judge(command: Schedule | DeleteSchedule, stored: Record | None, place: Version) -> Verdict:
    if isinstance(command, Schedule):
        return ordering.judge_put(stored, place.revision)
    if isinstance(command, PauseSchedule | ResumeSchedule):
        return ordering.judge_switch(stored, place.revision)
    return ordering.judge_delete(stored, place.revision)


def _stale(stored: Record | None, place: Version) -> InvalidSchedule:
    assert stored is not None  # noqa: S101  # nothing is stale where nothing is stored
    last = stored.last_commands
    latest = max(last.put_revision, last.delete_revision, last.pause_revision)
    allowed = f"more than {latest}, the revision already applied"
    return InvalidSchedule("stale_revision", field="revision", given=str(place.revision), allowed=allowed)


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
    return InvalidSchedule("completed", field="name", given=repr(str(record.key)), allowed=allowed)
