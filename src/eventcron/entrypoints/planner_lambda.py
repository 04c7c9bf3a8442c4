"""Lambda: tick → planner, then the open backfills; segment queue → planner, where there are several planners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tzdata import IANA_VERSION

from eventcron.app.backfill import BackfillOutcome, BackfillReport
from eventcron.app.fanout import FanOutReport
from eventcron.app.handlers import MessageOutcome, TickReport
from eventcron.app.planner import SegmentOutcome, SegmentReport
from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.process import process
from eventcron.entrypoints.records import batch_response, messages
from eventcron.entrypoints.telemetry import begin, emit, log_skips, logger
from eventcron.model.names import Instant


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Plan what *event* asks for.

    A tick plans every segment, or hands the segments to several planners, and then carries on the backfills; the
    answer counts segments by outcome. A batch of the segment queue plans its ranges; the answer names the messages
    that the queue is to show again.
    """
    begin(context)
    return process.run(lambda cases: handle(cases, event, context))


async def handle(cases: UseCases, event: dict[str, Any], context: Any) -> dict[str, Any]:
    """As ``handler``, on *cases*."""
    now = cases.clock.now()
    deadline = now + int(context.get_remaining_time_in_millis())
    if "Records" in event:
        return await _plan_ranges(cases, event, deadline=deadline, now=now)
    return _report_tick(await cases.handlers.on_tick(deadline=deadline))


async def _plan_ranges(
    cases: UseCases, event: dict[str, Any], *, deadline: Instant, now: Instant
) -> dict[str, list[dict[str, str]]]:
    batch = messages(event)
    handled = list(zip(batch, await cases.handlers.on_segment_ranges(batch, deadline=deadline), strict=True))
    for message, how in handled:
        if how.result is not None:
            asked = how.result.asked
            age_ms = now - asked.tick
            _report(how.result.segments, first=asked.first, end=asked.end, receives=message.receives, age_ms=age_ms)
        elif how.outcome is MessageOutcome.DEAD_LETTERED:
            logger.warning("range_dead_lettered", message_id=message.id, reason=how.reason)
    return batch_response(handled)


def _report_tick(report: TickReport) -> dict[str, int]:
    """Log and count what a tick did.

    Raises:
        Exception: what stopped it, so that Lambda counts the invocation as failed.
    """
    if report.handed_out is not None:
        _report_handed_out(report.handed_out)
    if report.behind_unknown:
        logger.warning("lag_unknown", reason=report.behind_unknown)
    if report.behind is not None:
        lag, segment = report.behind.lag_ms, report.behind.segment
        emit("planner", {}, milliseconds={"PlannerLagMs": [lag]}, fields={"segment": segment})
    ended = _report(report.segments)
    _report_backfills(report.backfills)
    if report.error is not None:
        raise report.error
    return {**ended, "ranges": 0 if report.handed_out is None else len(report.handed_out.sent)}


def _report_handed_out(handed: FanOutReport) -> None:
    log = logger.warning if handed.refusals else logger.info
    log(
        "handed_out",
        ranges=len(handed.sent),
        refused=len(handed.refusals),
        left=len(handed.left),
        reason=handed.refusals[0].message or handed.refusals[0].code if handed.refusals else None,
    )
    emit("planner", {"RangesSent": len(handed.sent), "RangesRefused": len(handed.refusals)})


def _report(reports: Sequence[SegmentReport], **fields: int) -> dict[str, int]:
    for report in reports:
        log_skips(logger.info, report.skips, skipped=report.skipped)
        if report.ended is SegmentOutcome.FAILED:
            logger.warning("segment_failed", segment=report.segment, reason=report.reason)
        if report.ended is SegmentOutcome.AHEAD:
            logger.warning("segment_ahead", segment=report.segment, ahead_ms=report.ahead_ms)
            emit("planner", {}, milliseconds={"PlannerAheadMs": [report.ahead_ms]}, fields={"segment": report.segment})
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


def _report_backfills(reports: Sequence[BackfillReport]) -> None:
    for report in reports:
        log_skips(logger.info, report.skips, skipped=report.skipped)
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
