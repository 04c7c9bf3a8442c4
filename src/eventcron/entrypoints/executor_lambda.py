"""Lambda: fire queue → executor."""

from __future__ import annotations

from typing import Any

from eventcron.app.executor import Report
from eventcron.core.envelope import decode_pack
from eventcron.entrypoints.process import process
from eventcron.entrypoints.records import each_record, receives
from eventcron.entrypoints.telemetry import LambdaContext, emit, logger
from eventcron.errors import Undecodable
from eventcron.wiring import UseCases


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Publish the packs of one SQS batch, all at once; answers with the messages to be received again."""
    return process.run(lambda cases: _handle(cases, event))


async def _handle(cases: UseCases, event: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    async def execute(record: dict[str, Any]) -> Report:
        try:
            pack = decode_pack(record["body"])
        except Undecodable as error:
            await cases.ports.dead.bury("fires", record["body"], reason=error.reason, code="undecodable")
            logger.warning("pack_dead_lettered", message_id=record["messageId"], reason=error.reason)
            return Report(failed=1)
        report = await cases.executor.execute(pack)
        _report(record, pack.id, report)
        return report

    handled = await each_record(event, execute)
    _emit(handled.results, failures=len(handled.response["batchItemFailures"]))
    return handled.response


def _report(record: dict[str, Any], pack_id: str, report: Report) -> None:
    for fire in report.published:
        logger.debug("fire_published", schedule=str(fire.key), fire_id=fire.fire_id, lateness_ms=fire.lateness_ms)
    log = logger.warning if report.put_back or report.failed or report.skipped else logger.info
    log(
        "pack_repeated" if report.repeated else "pack_executed",
        pack_id=pack_id,
        receives=receives(record),
        published=len(report.published),
        dropped=report.dropped,
        skipped=report.skipped,
        put_back=report.put_back,
        failed=report.failed,
    )


def _emit(reports: list[Report], *, failures: int) -> None:
    counts = {
        "FiresPublished": sum(len(report.published) for report in reports),
        "FiresDropped": sum(report.dropped for report in reports),
        "FiresSkipped": sum(report.skipped for report in reports),
        "FiresPutBack": sum(report.put_back for report in reports),
        "FiresFailed": sum(report.failed for report in reports),
        "PacksRepeated": sum(report.repeated for report in reports),
        "PacksFailed": failures,
    }
    # A run is due when its command was emitted, so it is late by the way it came: that would blur the picture.
    published = (fire for report in reports for fire in report.published)
    lateness = [fire.lateness_ms for fire in published if fire.cause == "schedule"]
    seen = {name: count for name, count in counts.items() if count}
    emit("executor", seen, milliseconds={"FireLatenessMs": lateness})
