"""Lambda: fire queue → executor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from logging import DEBUG
from typing import Any

from eventcron.app.handlers import MessageOutcome
from eventcron.app.pack_report import Published, Report
from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.process import process
from eventcron.entrypoints.records import SqsMessage, batch_response, messages
from eventcron.entrypoints.telemetry import LambdaContext, begin, emit, emit_runs, log_skips, logger
from eventcron.model.codes import SkipReason
from eventcron.wire.encode import fire_id


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Publish the packs of one SQS batch, all at once. Returns the messages that the queue is to show again."""
    begin(context)
    return process.run(lambda cases: handle(cases, event))


async def handle(cases: UseCases, event: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    """As ``handler``, on *cases*."""
    batch = messages(event)
    handled = list(zip(batch, await cases.handlers.on_packs(batch), strict=True))
    for message, how in handled:
        if how.result is not None:
            _log_fires(how.result, late_ms=cases.settings.late_ms)
        elif how.outcome is MessageOutcome.DEAD_LETTERED:
            logger.warning("pack_dead_lettered", message_id=message.id, reason=how.reason)
    _log_packs([(message, how.result) for message, how in handled if how.result is not None])
    response = batch_response(handled)
    reports = [how.result for _, how in handled if how.result is not None]
    paced = cases.executor.take_paced()
    if paced is not None:
        # One line an invocation, while it lasts.
        logger.warning("publishing_paced", calls_a_second=paced.pace, fires=paced.events, longest_ms=paced.longest_ms)
    _emit(
        reports,
        paced=0 if paced is None else paced.events,
        dead_letters=sum(how.outcome is MessageOutcome.DEAD_LETTERED for _, how in handled),
        failures=len(response["batchItemFailures"]),
    )
    _emit_watched(reports, cases.settings.watched_tenants)
    emit_runs("executor", [run for report in reports for run in report.ended])
    return response


def _log_fires(report: Report, *, late_ms: int) -> None:
    if logger.log_level <= DEBUG:
        for one in report.published:
            _log_fire(logger.debug, "fire_published", one)
    late: defaultdict[str, list[Published]] = defaultdict(list)
    for one in [one for one in report.published if one.lateness_ms > late_ms]:
        if one.fire.cause == "schedule":
            late[one.fire.tenant].append(one)
    for of_tenant in late.values():
        # One line for all of them: a line each would cost more than everything else in a burst.
        worst = max(of_tenant, key=lambda one: one.lateness_ms)
        _log_fire(logger.info, "fires_late", worst, fires=len(of_tenant))
    log_skips(logger.warning, report.skips, skipped=len(report.skips))


def _log_packs(executed: Sequence[tuple[SqsMessage, Report]]) -> None:
    """Log one line for all packs that came once and were simply published, and one for each other pack."""
    usual: list[Report] = []
    for message, report in executed:
        is_bad = report.put_back or report.failed or report.skips
        if not (is_bad or report.repeated or report.dropped or report.waiting or message.receives > 1):
            usual.append(report)
            continue
        log = logger.warning if is_bad else logger.info
        log(
            "pack_repeated" if report.repeated else "packs_executed",
            pack_ids=[report.pack_id],
            receives=message.receives,
            published=len(report.published),
            latest_ms=_latest_ms([report]),
            dropped=report.dropped,
            skipped=len(report.skips),
            over_quota=_over_quota(report),
            put_back=report.put_back,
            waiting=report.waiting,
            held=report.held,
            failed=report.failed,
        )
    if usual:
        published = sum(len(report.published) for report in usual)
        ids = [report.pack_id for report in usual]
        logger.info("packs_executed", pack_ids=ids, published=published, latest_ms=_latest_ms(usual))


def _latest_ms(reports: Iterable[Report]) -> int | None:
    return max((one.lateness_ms for report in reports for one in _timed(report.published)), default=None)


def _over_quota(report: Report) -> int:
    """How many of the skipped fires exceed their tenant's limit."""
    return sum(notice.reason is SkipReason.QUOTA for notice in report.skips)


def _log_fire(log: Callable[..., None], message: str, published: Published, **more: int) -> None:
    fire = published.fire
    log(
        message,
        tenant=fire.tenant,
        schedule=str(fire.key),
        fire_id=fire_id(fire),
        cause=fire.cause,
        lateness_ms=published.lateness_ms,
        **more,
    )


def _emit(reports: list[Report], *, paced: int, dead_letters: int, failures: int) -> None:
    counts = {
        "FiresPublished": sum(len(report.published) for report in reports),
        "FiresDropped": sum(report.dropped for report in reports),
        "FiresSkipped": sum(len(report.skips) for report in reports),
        "FiresOverQuota": sum(map(_over_quota, reports)),
        "FiresPutBack": sum(report.put_back for report in reports),
        "FiresWaiting": sum(report.waiting for report in reports),
        "FiresPaced": paced,
        # How many fires a dead letter holds, nobody can read: it counts as one.
        "FiresFailed": sum(report.failed for report in reports) + dead_letters,
        "PacksRepeated": sum(report.repeated for report in reports),
        "PacksFailed": failures,
    }
    lateness = [one.lateness_ms for report in reports for one in _timed(report.published)]
    counts = {name: count for name, count in counts.items() if count}
    emit("executor", counts, milliseconds={"FireLatenessMs": lateness})


def _emit_watched(reports: list[Report], watched: frozenset[str]) -> None:
    """Emit published fires and their lateness for each of the *watched* tenants, with the tenant as a dimension."""
    lateness: defaultdict[str, list[int]] = defaultdict(list)
    for report in reports:
        for one in _timed(report.published) if watched else ():
            if one.fire.tenant in watched:
                lateness[one.fire.tenant].append(one.lateness_ms)
    for tenant, values in lateness.items():
        counts = {"FiresPublished": len(values)}
        emit("executor", counts, milliseconds={"FireLatenessMs": values}, dimensions={"tenant": tenant})


def _timed(published: Iterable[Published]) -> list[Published]:
    """The fires that a schedule caused.

    A run is due when its command was emitted, so its lateness is the command's travel time, not the executor's delay.
    What a resume catches up on may wait for its tenant's limit, so it is late on purpose.
    """
    return [one for one in published if one.fire.cause == "schedule" and not one.fire.cause_id]
