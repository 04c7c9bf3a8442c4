"""Lambda: tick → planner, then the open backfills."""

from __future__ import annotations

from typing import Any

from tzdata import IANA_VERSION

from eventcron.app.backfill import BackfillReport, Went
from eventcron.app.planner import Pass, SegmentReport
from eventcron.entrypoints.process import process
from eventcron.entrypoints.telemetry import emit, logger
from eventcron.wiring import UseCases

#: Milliseconds kept back from Lambda's own deadline, so that what is being sent can end.
MARGIN_MS = 1_000


def handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
    """Plan every segment, then carry on the backfills; answers with how many passes ended how."""
    return process.run(lambda cases: _plan(cases, context))


async def _plan(cases: UseCases, context: Any) -> dict[str, int]:
    deadline = cases.ports.clock.now() + int(context.get_remaining_time_in_millis()) - MARGIN_MS
    reports = await cases.planner.run(range(cases.settings.segments), deadline=deadline)
    ended = _report(reports)
    # Last, with the time that is left: backfills give way to what is due.
    _report_backfills(await cases.backfiller.run(deadline=deadline))
    return ended


def _report(reports: list[SegmentReport]) -> dict[str, int]:
    for report in reports:
        if report.ended is Pass.FAILED:
            logger.warning("segment_failed", segment=report.segment, reason=report.reason)
        if report.lag_ms is not None:
            emit("planner", {}, milliseconds={"PlannerLagMs": [report.lag_ms]}, fields={"segment": report.segment})
    ended = {str(way): sum(report.ended is way for report in reports) for way in Pass}
    sums = {
        "FiresPlanned": sum(report.fires for report in reports),
        "PacksSent": sum(report.packs for report in reports),
        "FiresSkipped": sum(report.skipped for report in reports),
        "SchedulesRead": sum(report.visited for report in reports),
        "SegmentsFailed": ended[Pass.FAILED],
        "SegmentsFenced": ended[Pass.FENCED],
    }
    behind = max((report.behind_ms for report in reports), default=0)
    logger.info("planned", extra={"tzdata": IANA_VERSION, "behind_ms": behind, **ended, **sums})
    emit("planner", sums, milliseconds={"PlannerBehindMs": [behind]})
    return ended


def _report_backfills(reports: list[BackfillReport]) -> None:
    for report in reports:
        log = logger.warning if report.went is Went.FAILED else logger.info
        log(
            f"backfill_{report.went}",
            backfill=str(report.key),
            fires=report.fires,
            skipped=report.skipped,
            reason=report.reason or None,
        )
    sums = {
        "BackfillFiresPlanned": sum(report.fires for report in reports),
        "BackfillsFailed": sum(report.went is Went.FAILED for report in reports),
    }
    emit("planner", sums if reports else {})
