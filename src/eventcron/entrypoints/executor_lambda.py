"""Lambda: fire queue → executor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from eventcron.app.executor import Published, Report
from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.process import process
from eventcron.entrypoints.records import each_record, receives
from eventcron.entrypoints.telemetry import LambdaContext, emit, logger
from eventcron.errors import Undecodable
from eventcron.wire.encode import decode_pack


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Publish the packs of one SQS batch, all at once; answers with the messages to be received again."""
    return process.run(lambda cases: _handle(cases, event))


async def _handle(cases: UseCases, event: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    async def execute(record: dict[str, Any]) -> Report:
        try:
            pack = decode_pack(record["body"])
        except Undecodable as error:
            await cases.dead_letters.send_to_dlq("fires", record["body"], reason=error.reason, code="undecodable")
            logger.warning("pack_dead_lettered", message_id=record["messageId"], reason=error.reason)
            return Report(failed=1)
        report = await cases.executor.execute(pack)
        _report(record, pack.id, report, late_ms=cases.settings.late_ms)
        return report

    handled = await each_record(event, execute)
    _emit(handled.results, failures=len(handled.response["batchItemFailures"]))
    _emit_watched(handled.results, cases.settings.watched_tenants)
    return handled.response


def _report(record: dict[str, Any], pack_id: str, report: Report, *, late_ms: int) -> None:
    timed = _timed(report.published)
    for fire in report.published:
        _report_fire(logger.debug, "fire_published", fire)
    for fire in timed:
        if fire.lateness_ms > late_ms:
            _report_fire(logger.info, "fire_late", fire)
    log = logger.warning if report.put_back or report.failed or report.skipped else logger.info
    log(
        "pack_repeated" if report.repeated else "pack_executed",
        pack_id=pack_id,
        receives=receives(record),
        published=len(report.published),
        latest_ms=max((fire.lateness_ms for fire in timed), default=None),
        dropped=report.dropped,
        skipped=report.skipped,
        over_quota=report.over_quota,
        put_back=report.put_back,
        failed=report.failed,
    )


def _report_fire(log: Callable[..., None], message: str, fire: Published) -> None:
    log(
        message,
        tenant=fire.key.tenant,
        schedule=str(fire.key),
        fire_id=fire.fire_id,
        cause=fire.cause,
        lateness_ms=fire.lateness_ms,
    )


def _emit(reports: list[Report], *, failures: int) -> None:
    counts = {
        "FiresPublished": sum(len(report.published) for report in reports),
        "FiresDropped": sum(report.dropped for report in reports),
        "FiresSkipped": sum(report.skipped for report in reports),
        "FiresOverQuota": sum(report.over_quota for report in reports),
        "FiresPutBack": sum(report.put_back for report in reports),
        "FiresFailed": sum(report.failed for report in reports),
        "PacksRepeated": sum(report.repeated for report in reports),
        "PacksFailed": failures,
    }
    # All that will not come again, whatever became of it.
    counts["FiresHandled"] = sum(counts[f"Fires{fate}"] for fate in ("Published", "Dropped", "Skipped", "Failed"))
    lateness = [fire.lateness_ms for report in reports for fire in _timed(report.published)]
    seen = {name: count for name, count in counts.items() if count}
    emit("executor", seen, milliseconds={"FireLatenessMs": lateness})


def _emit_watched(reports: list[Report], watched: frozenset[str]) -> None:
    """The same for each of the tenants that are *watched*, with the tenant as a dimension."""
    lateness: defaultdict[str, list[int]] = defaultdict(list)
    for report in reports:
        for fire in _timed(report.published):
            if fire.key.tenant in watched:
                lateness[fire.key.tenant].append(fire.lateness_ms)
    for tenant, values in lateness.items():
        counts = {"FiresPublished": len(values)}
        emit("executor", counts, milliseconds={"FireLatenessMs": values}, dimensions={"tenant": tenant})


def _timed(published: Iterable[Published]) -> list[Published]:
    """Those published because their time had come.

    A run is due when its command was emitted, so it is late by the way it came: that would blur the picture.
    """
    return [fire for fire in published if fire.cause == "schedule"]
