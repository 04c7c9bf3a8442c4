"""Lambda: tick → planner, then the open backfills; and plan queue → planner, where there are several."""

from __future__ import annotations

from typing import Any

from tzdata import IANA_VERSION

from eventcron.app.backfill import BackfillOutcome, BackfillReport
from eventcron.app.fanout import LEFT, FanOutReport
from eventcron.app.planner import SegmentOutcome, SegmentReport
from eventcron.entrypoints.process import process
from eventcron.entrypoints.records import each_record, receives
from eventcron.entrypoints.telemetry import emit, logger
from eventcron.errors import Unavailable, Undecodable, Unfinished
from eventcron.model.messages import SegmentRange
from eventcron.model.names import Instant
from eventcron.wire.segment_ranges import decode_range
from eventcron.wiring import UseCases

#: Milliseconds kept back from Lambda's own deadline, so that what is being sent can end.
MARGIN_MS = 1_000


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Plan what *event* asks for.

    A tick: every segment, or hand them out to several planners; then carry on the backfills. Answers with how many
    passes ended how. A batch of the plan queue: its ranges. Answers with the messages to be received again.
    """
    return process.run(lambda cases: _handle(cases, event, context))


async def _handle(cases: UseCases, event: dict[str, Any], context: Any) -> dict[str, Any]:
    deadline = cases.ports.clock.now() + int(context.get_remaining_time_in_millis()) - MARGIN_MS
    if "Records" in event:
        return await _plan_ranges(cases, event, deadline)
    return await _tick(cases, deadline)


async def _tick(cases: UseCases, deadline: Instant) -> dict[str, int]:
    handed = await cases.fanout.run()
    if handed.sent or handed.refusals:
        await _report_handed(cases, handed)
    ended = _report(await cases.planner.run(handed.left, deadline=deadline))
    # Last, with the time that is left: backfills give way to what is due.
    _report_backfills(await cases.backfiller.run(deadline=deadline))
    return {**ended, "ranges": len(handed.sent)}


async def _plan_ranges(cases: UseCases, event: dict[str, Any], deadline: Instant) -> dict[str, list[dict[str, str]]]:
    async def plan(record: dict[str, Any]) -> None:
        try:
            asked = decode_range(record["body"])
        except Undecodable as error:
            await cases.ports.dead.send_to_dlq("plans", record["body"], reason=error.reason, code="undecodable")
            logger.warning("range_dead_lettered", message_id=record["messageId"], reason=error.reason)
            return
        age_ms = cases.ports.clock.now() - asked.tick
        reports = await cases.planner.run(range(asked.first, asked.end), deadline=deadline, tick=asked.tick)
        _report(reports, first=asked.first, end=asked.end, receives=receives(record), age_ms=age_ms)
        _come_back_if_left(asked, reports)

    return (await each_record(event, plan)).response


def _come_back_if_left(asked: SegmentRange, reports: list[SegmentReport]) -> None:
    """Raise ``Unfinished`` where segments of *asked* are left; what another planner holds is that one's to finish."""
    left = [report.segment for report in reports if report.ended in LEFT]
    if left:
        raise Unfinished(f"{len(left)} of the segments {asked.first} to {asked.end - 1} are left, {left[0]} first")


async def _report_handed(cases: UseCases, handed: FanOutReport) -> None:
    log = logger.warning if handed.refusals else logger.info
    log(
        "handed_out",
        ranges=len(handed.sent),
        refused=len(handed.refusals),
        left=len(handed.left),
        reason=handed.refusals[0].message or handed.refusals[0].code if handed.refusals else None,
    )
    emit("planner", {"RangesSent": len(handed.sent), "RangesRefused": len(handed.refusals)})
    try:
        behind = await cases.fanout.furthest_behind()
    except Unavailable as error:
        # It is only looked at here; planners that cannot read it say so themselves.
        logger.warning("lag_unknown", reason=str(error))
        return
    if behind is not None:
        emit("planner", {}, milliseconds={"PlannerLagMs": [behind.lag_ms]}, fields={"segment": behind.segment})


def _report(reports: list[SegmentReport], **fields: int) -> dict[str, int]:
    for report in reports:
        if report.ended is SegmentOutcome.FAILED:
            logger.warning("segment_failed", segment=report.segment, reason=report.reason)
        if report.lag_ms is not None:
            emit("planner", {}, milliseconds={"PlannerLagMs": [report.lag_ms]}, fields={"segment": report.segment})
    ended = {str(way): sum(report.ended is way for report in reports) for way in SegmentOutcome}
    if not reports:
        return ended
    sums = {
        "FiresPlanned": sum(report.fires for report in reports),
        "PacksSent": sum(report.packs for report in reports),
        "FiresSkipped": sum(report.skipped for report in reports),
        "SchedulesRead": sum(report.visited for report in reports),
        "SegmentsFailed": ended[SegmentOutcome.FAILED],
        "SegmentsFenced": ended[SegmentOutcome.FENCED],
    }
    behind = max(report.behind_ms for report in reports)
    logger.info("planned", extra={"tzdata": IANA_VERSION, "behind_ms": behind, **fields, **ended, **sums})
    emit("planner", sums, milliseconds={"PlannerBehindMs": [behind]})
    return ended


def _report_backfills(reports: list[BackfillReport]) -> None:
    for report in reports:
        log = logger.warning if report.outcome is BackfillOutcome.FAILED else logger.info
        log(
            f"backfill_{report.outcome}",
            backfill=str(report.key),
            fires=report.fires,
            skipped=report.skipped,
            reason=report.reason or None,
        )
    sums = {
        "BackfillFiresPlanned": sum(report.fires for report in reports),
        "BackfillsFailed": sum(report.outcome is BackfillOutcome.FAILED for report in reports),
    }
    emit("planner", sums if reports else {})
