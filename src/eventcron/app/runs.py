"""Follow runs: open one for each tracked fire, end it by a report or at its deadline, and do what follows from that.

What follows comes after the write that decides, and before the message is deleted. After a crash the message comes
back, and its next reader repeats every step; each step is harmless when repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from eventcron.app.concurrency import all_of
from eventcron.app.contention import MAX_TRIES, contended
from eventcron.app.delivery import PackSender, Publisher
from eventcron.app.retry import Retry
from eventcron.errors import EventcronError, InvalidSchedule, Unavailable
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import ReportRun
from eventcron.model.messages import DEADLINE, Fire, GroupedCommand, Pack
from eventcron.model.names import Instant
from eventcron.model.records import FireRecord
from eventcron.model.runs import Lane, LaneKey, OpenRun, PastRun
from eventcron.model.tracking import RunEnd, RunStatus
from eventcron.model.tracking import Runs as Policy
from eventcron.ports import Clock, DeadLetters, EventBus, FireQueue, RegistrarQueue
from eventcron.ports.runs import Runs
from eventcron.rules import runs
from eventcron.rules.judging import Timed
from eventcron.rules.runs import Admission, Ending, Known, Ruling
from eventcron.wire.encode import fire_id
from eventcron.wire.encode_runs import is_shared, is_token, pause_command, run_ended, run_reported, run_token

#: Milliseconds. A deadline that is later than this goes back to the queue when it appears.
MAX_WAIT_MS = 5_000

_ENDS = {RunStatus.SUCCEEDED: RunEnd.SUCCEEDED, RunStatus.FAILED: RunEnd.FAILED}

T = TypeVar("T")


class Opened(NamedTuple):
    """What becomes of the tracked fires that are due."""

    #: As they were given.
    publish: Sequence[Timed]
    #: Of those: the token.
    tokens: Mapping[Fire, str]
    #: Each with the ``fire_id`` of the run that is open.
    skip: Sequence[tuple[Fire, str]]
    #: Those that wait in their lane until another run ends.
    held: Sequence[Fire]
    #: Those whose run has ended already.
    dropped: Sequence[Fire]
    #: Each with why it could not be decided. They may be tried again.
    failed: Sequence[tuple[Fire, str]]
    #: The runs before them, which this ended.
    overdue: Sequence[PastRun]


class _Decided(NamedTuple):
    fire: Fire
    ruling: Ruling
    by: str = ""
    token: str = ""
    deadline: Pack | None = None
    failure: str = ""
    overdue: Sequence[PastRun] = ()


class Reported(NamedTuple):
    """What a report came to. The run that it ended; None: it ended none."""

    past: PastRun | None = None
    #: Whether it is about the end of a run that had ended before.
    is_late: bool = False


class Tracker:
    """Follows runs, for executors and registrars."""

    def __init__(
        self,
        *,
        clock: Clock,
        runs: Runs,
        registrar_queue: RegistrarQueue,
        fire_queue: FireQueue,
        dead_letters: DeadLetters,
        bus: EventBus,
        jitter: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._runs = runs
        self._registrar_queue = registrar_queue
        self._sender = PackSender(clock=clock, fire_queue=fire_queue, dead_letters=dead_letters, jitter=jitter)
        self._publisher = Publisher(clock=clock, bus=bus, jitter=jitter)
        self._retry = Retry(clock=clock, jitter=jitter)

    async def open(self, timed: Sequence[Timed]) -> Opened:
        """Open the runs of tracked fires that are due now.

        Those in ``publish`` are open, and the fire queue has their deadlines. The same fire again gets the same token.
        """
        decided = await all_of(self._decide(fire, _policy(record)) for fire, record, _ in timed)
        deadlines = [one.deadline for one in decided if one.deadline is not None]
        try:
            await self.send(deadlines)
        except Unavailable as error:
            # Opened again, they get the same deadlines or later ones.
            decided = [one._replace(failure=str(error)) if one.deadline is not None else one for one in decided]
        kept = [one for one in decided if not one.failure]
        tokens = {one.fire: one.token for one in kept if one.ruling is Ruling.PUBLISH}
        return Opened(
            publish=[one for one in timed if one[0] in tokens],
            tokens=tokens,
            skip=[(one.fire, one.by) for one in kept if one.ruling is Ruling.SKIP],
            held=[one.fire for one in kept if one.ruling is Ruling.WAIT],
            dropped=[one.fire for one in kept if one.ruling is Ruling.DROP],
            failed=[(one.fire, one.failure) for one in decided if one.failure],
            overdue=[run for one in decided for run in one.overdue],
        )

    async def _decide(self, fire: Fire, policy: Policy) -> _Decided:
        try:
            return await self._admit(fire, policy)
        except EventcronError as error:
            return _Decided(fire, Ruling.WAIT, failure=str(error))

    async def _admit(self, fire: Fire, policy: Policy) -> _Decided:
        def admit(lane: Lane, now: Instant) -> tuple[Lane, Admission]:
            found = runs.admit(lane, fire, policy, now=now)
            return found.lane, found

        key = runs.lane_key(fire, policy)
        # Nearly always nobody has used the lane of a single run: the write says so if somebody has.
        admission = await self.change(key, admit, given=None if key.is_shared else self._new(key))
        after = admission.lane
        for run in admission.overdue:
            await self._follow(after, run)
        if admission.ruling is not Ruling.PUBLISH or after.open is None:
            return _Decided(fire, admission.ruling, by=admission.by)
        token = run_token(after.secret, after.open.fire_id, shared=key.is_shared)
        return _Decided(
            fire, Ruling.PUBLISH, token=token, deadline=_deadline(after.open, key), overdue=admission.overdue
        )

    async def give_up(self, fires: Sequence[Fire], tracked: Sequence[Timed]) -> None:
        """Let *fires* wait no longer in their schedules' lanes, unless they are *tracked* there still.

        They were judged otherwise: the schedule was deleted, say, or tracks its runs no longer.

        Raises:
            Unavailable, Conflict: nothing is lost, and the call may be repeated.
        """
        kept = {fire for fire, record, _ in tracked if runs.lane_key(fire, _policy(record)).is_shared}
        for fire in fires:
            if fire not in kept:
                await self.change(LaneKey(fire.tenant, fire.name), partial(_without, fire))

    async def not_published(self, fire: Fire, record: FireRecord | None) -> list[PastRun]:
        """End the run of *fire* as failed, if it is tracked: the bus refuses the fire for good. Return what it ended.

        Raises:
            Unavailable, Conflict: nothing is lost, and the call may be repeated.
        """
        if record is None or record.schedule is None or not record.schedule.runs.track:
            return []
        key, named = runs.lane_key(fire, record.schedule.runs), fire_id(fire)
        ending = await self._end(key, lambda lane, now: runs.end_unpublished(lane, named, now=now))
        past = None if ending is None else await self._follow_ending(ending)
        return [] if past is None else [past]

    async def at_deadline(self, pack: Pack) -> PastRun | None:
        """End the run in *pack* as overdue, if its deadline has come and it is open. Return it if it was ended here.

        Earlier than the deadline, the pack goes back to the queue; but not if the run has ended.

        Raises:
            Unavailable, Conflict: nothing is lost, and the pack may come again.
        """
        fire = pack.fires[0]
        named, key = fire_id(fire), LaneKey(fire.tenant, fire.name, pack.lane or "")
        # A pack that is sent back from the dead letters has another id.
        deadline, by = pack.at, f"{DEADLINE}:{pack.at}"
        while True:
            if deadline - self._clock.now() <= MAX_WAIT_MS:
                await self._clock.sleep_until(deadline)
            ending = await self._end(key, lambda lane, now: runs.end_at_deadline(lane, named, now=now, by=by))
            if ending is None:
                return None
            if ending.known is not Known.OPEN or ending.lane.open is None:
                return await self._follow_ending(ending)
            # Its fire was delivered again meanwhile, or the deadline is beyond the queue's longest delay.
            deadline = ending.lane.open.deadline
            if deadline - self._clock.now() > MAX_WAIT_MS:
                await self._sender.send([pack], visible_at=partial(_as_given, deadline))
                return None

    async def report(self, report: ReportRun, *, event_id: str) -> Reported:
        """Do what *report* says, and answer it by an event.

        Raises:
            InvalidSchedule: its token is not that of the run, or nobody remembers the run.
            Unavailable, Conflict: nothing is lost, and the report may come again.
        """
        key = LaneKey(report.tenant, report.name, "" if is_shared(report.run_token) else report.fire_id)
        lane = (await self._runs.get([key])).get(key)
        if lane is None or not is_token(report.run_token, lane.secret, report.fire_id, shared=key.is_shared):
            raise _wrong_token()
        how = _ENDS.get(report.status)
        if how is None:
            return await self._answer(report, _state_of(lane, report.fire_id), event_id=event_id)
        ending = await self._end(key, lambda lane, now: runs.end(lane, report.fire_id, how, now=now, by=event_id))
        if ending is None:
            raise _wrong_token()
        past = await self._follow_ending(ending, report, event_id=event_id)
        if past is None:
            return await self._answer(report, _state_of(ending.lane, report.fire_id), event_id=event_id)
        return Reported(past)

    async def _answer(self, report: ReportRun, ended: str, *, event_id: str) -> Reported:
        now = self._clock.now()
        await self._publisher.publish([run_reported(report, ended=ended, now=now, event_id=event_id)])
        return Reported(is_late=ended != "")

    async def _end(self, key: LaneKey, decide: Callable[[Lane, Instant], Ending]) -> Ending | None:
        """What *decide* says of the stored lane, once that is stored; None if there is no lane."""

        def end(lane: Lane, now: Instant) -> tuple[Lane, Ending | None]:
            if lane.stored_version is None:
                return lane, None
            ending = decide(lane, now)
            return ending.lane, ending

        return await self.change(key, end)

    async def _follow_ending(
        self, ending: Ending, report: ReportRun | None = None, *, event_id: str = ""
    ) -> PastRun | None:
        """Do what follows from *ending*. Returns the run if this ended it, and nobody has reported its end before."""
        # For any message about a free lane: nobody knows whether the one that was to send it did.
        released = runs.released_pack(ending.lane)
        if released is not None:
            await self.send([released])
        if ending.past is None or ending.known is not Known.ENDED_NOW:
            return None
        return await self._follow(ending.lane, ending.past, report, event_id=event_id)

    async def _follow(
        self, lane: Lane, past: PastRun, report: ReportRun | None = None, *, event_id: str = ""
    ) -> PastRun | None:
        """Count *past*, which ended in *lane*, pause its schedule if that is due, and say how it ended."""
        if past.is_again:
            return None
        if runs.is_to_be_counted(past):
            past = await self.change(LaneKey(lane.tenant, lane.name), partial(_counted, past))
        if past.pauses:
            await self._pause(past)
        await self.report_end(past, report, event_id=event_id)
        return past

    async def send(self, packs: Sequence[Pack]) -> None:
        """Send *packs* of fires that are not published. Each appears at its instant.

        Raises:
            Unavailable: the queue did not take some. All may be sent again.
        """
        await self._sender.send(packs, visible_at=lambda pack: pack.at)

    async def report_end(self, past: PastRun, report: ReportRun | None = None, *, event_id: str = "") -> None:
        """Publish how *past* ended.

        Raises:
            Unavailable: the bus did not take it.
        """
        await self._publisher.publish([run_ended(past, report, event_id=event_id)])

    async def change(
        self, key: LaneKey, decide: Callable[[Lane, Instant], tuple[Lane, T]], *, given: Lane | None = None
    ) -> T:
        """What *decide* says of the lane, once the lane that it returns is stored. It is asked again after a conflict.

        *given* is the lane to ask about first; None: the stored one, or a new one.
        """
        for _ in range(MAX_TRIES):
            lane = given or await self._lane(key)
            after, said = decide(lane, self._clock.now())
            if after is lane or await self._runs.put(after, replacing=lane.stored_version):
                return said
            given = None
        raise contended(f"lane {key}")

    async def _pause(self, past: PastRun) -> None:
        command = GroupedCommand(group=past.fire.tenant, body=pause_command(past))
        refused = await self._retry.deliver([command], self._registrar_queue.send)
        if refused:
            raise Unavailable("sqs", refused[0].code, f"the pause of {past.fire.key} was refused: {refused[0].message}")

    async def _lane(self, key: LaneKey) -> Lane:
        return (await self._runs.get([key])).get(key) or self._new(key)

    def _new(self, key: LaneKey) -> Lane:
        return Lane(tenant=key.tenant, name=key.name, id=key.id, secret=self._runs.new_secret())


def _as_given(instant: Instant, _pack: Pack) -> Instant:
    return instant


def _without(fire: Fire, lane: Lane, now: Instant) -> tuple[Lane, None]:
    return runs.without_waiting(lane, fire, now=now), None


def _counted(past: PastRun, lane: Lane, now: Instant) -> tuple[Lane, PastRun]:
    return runs.counted(lane, past, now=now)


def _policy(record: FireRecord) -> Policy:
    schedule = record.schedule
    assert schedule is not None  # noqa: S101  # only fires of schedules that exist are published
    return schedule.runs


def _deadline(run: OpenRun, key: LaneKey) -> Pack:
    return runs.deadline_pack(run, shared=key.is_shared)


def _state_of(lane: Lane, named: str) -> str:
    """How the run *named* ended, as a report is answered; "" if it is open."""
    if lane.open is not None and lane.open.fire_id == named and not lane.open.is_again:
        return ""
    past = runs.past_run(lane, named)
    return "forgotten" if past is None else past.end.value


def _wrong_token() -> InvalidSchedule:
    """The token itself is in no message."""
    return InvalidSchedule(
        RejectionCode.WRONG_TOKEN,
        field="run_token",
        given="another token",
        allowed="the run_token of that fire, while eventcron remembers its run",
    )
