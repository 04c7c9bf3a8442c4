"""Expect reports: send each instant on to its deadline, take reports, say that it is silent or back."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.app.runs import MAX_WAIT_MS, Reported, Tracker
from eventcron.errors import InvalidSchedule, Unavailable
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import ReportRun
from eventcron.model.messages import Fire, Pack
from eventcron.model.names import Instant, Key
from eventcron.model.records import expect_of
from eventcron.model.runs import Lane, LaneKey, PastRun
from eventcron.model.tracking import RunEnd, RunStatus
from eventcron.ports import Clock, Refusal, ScheduleStore
from eventcron.rules import heartbeats
from eventcron.rules.heartbeats import Heard, deadline_of, expected_pack, is_expected
from eventcron.rules.judging import Timed
from eventcron.rules.rejections import not_found


class Heartbeats:
    """Follows the reports of schedules with ``expect``, for executors and registrars."""

    def __init__(self, *, clock: Clock, store: ScheduleStore, tracker: Tracker) -> None:
        self._clock = clock
        self._store = store
        self._tracker = tracker

    async def expect(self, timed: Sequence[Timed]) -> dict[int, Refusal]:
        """Send the instants that are due now to their deadlines. Those for which nobody waits are left out.

        Returns why some were not sent, by their index in *timed*: the queue did not take them, or this release cannot
        read when they are due. All may be sent again: their packs stay the same.
        """
        refused: dict[int, Refusal] = {}
        packs: list[Pack] = []
        for index, (fire, record, _) in enumerate(timed):
            expect = expect_of(record)
            try:
                if expect is not None and is_expected(record, fire):
                    packs.append(expected_pack(fire, expect.within_seconds))
            except (InvalidSchedule, ValueError) as error:
                refused[index] = Refusal(index=index, code="Unreadable", message=str(error))
        try:
            await self._tracker.send(packs)
        except Unavailable as error:
            return {i: Refusal(index=i, code=error.code, message=str(error)) for i in range(len(timed))}
        return refused

    async def at_deadline(self, pack: Pack) -> PastRun | None:
        """Say that the schedule in *pack* is silent, if no report came. Return that; None: nothing is to be said.

        Earlier than the deadline, the pack goes back to the queue.

        Raises:
            Unavailable, Conflict: nothing is lost, and the pack may come again.
            InvalidSchedule: the same, as this release cannot read when the schedule is due.
        """
        if pack.at - self._clock.now() > MAX_WAIT_MS:
            await self._tracker.send([pack])
            return None
        await self._clock.sleep_until(pack.at)
        fire = pack.fires[0]
        record = (await self._store.get([fire.key])).get(fire.key)
        expect = expect_of(record)
        # A pack that was sent for another definition has another deadline.
        if expect is None or not is_expected(record, fire) or deadline_of(fire, expect.within_seconds) != pack.at:
            return None

        def decide(lane: Lane, now: Instant) -> tuple[Lane, Heard]:
            heard = heartbeats.at_deadline(lane, fire, deadline=pack.at, now=now)
            return heard.lane, heard

        heard = await self._tracker.change(_lane_of(fire.key), decide)
        found = [one for one in (heard.past, heard.back) if one is not None]
        for one in found:
            await self._tracker.report_end(one)
        return found[0] if found else None

    async def report(self, report: ReportRun, *, event_id: str, sent: Instant) -> Reported:
        """Take a report that names no run, *sent* at that instant. Events say only where an outage begins or ends.

        Raises:
            InvalidSchedule: there is no such schedule, or it expects no reports.
            Unavailable, Conflict: nothing is lost, and the report may come again.
        """
        record = (await self._store.get([report.key])).get(report.key)
        if record is None or record.schedule is None:
            raise not_found(report.key)
        if record.schedule.expect is None:
            raise InvalidSchedule(
                RejectionCode.MISSING_FIELD,
                field="run_token",
                given="nothing",
                allowed="the run_token and the fire_id of a fire; without them only for a schedule with 'expect'",
            )
        sent, revision, created = min(sent, self._clock.now()), record.eras[-1].revision, record.created
        fire = Fire(report.tenant, report.name, revision, sent, sent, cause="run", cause_id=event_id)
        how = RunEnd.FAILED if report.status is RunStatus.FAILED else RunEnd.SUCCEEDED

        def decide(lane: Lane, now: Instant) -> tuple[Lane, Heard]:
            heard = heartbeats.report(lane, fire, how, created=created, now=now)
            return heard.lane, heard

        heard = await self._tracker.change(_lane_of(report.key), decide)
        if heard.past is not None:
            await self._tracker.report_end(heard.past, report, event_id=event_id)
        return Reported(heard.past)


def _lane_of(key: Key) -> LaneKey:
    return LaneKey(key.tenant, key.name)
