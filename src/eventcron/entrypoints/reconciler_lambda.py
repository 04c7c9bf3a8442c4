"""Lambda: an hourly rule → reconciler."""

from __future__ import annotations

from typing import Any

from tzdata import IANA_VERSION

from eventcron import __version__
from eventcron.app.reconcile import ReconcileReport
from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.process import process
from eventcron.entrypoints.telemetry import begin, emit, logger
from eventcron.model.names import Instant
from eventcron.model.records import State
from eventcron.rules.reconcile import Fault

#: What decides a trigger's occurrences. When one of the two changes, the reconciler computes every trigger again.
RULES = f"tzdata {IANA_VERSION}, eventcron {__version__}"


def handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
    """Carry on the daily check of every schedule. Returns how many records this run repaired, by fault."""
    begin(context)
    return process.run(lambda cases: handle(cases, context))


async def handle(cases: UseCases, context: Any) -> dict[str, int]:
    """As ``handler``, on *cases*."""
    deadline = cases.clock.now() + int(context.get_remaining_time_in_millis())
    report = await cases.handlers.on_check(deadline=deadline, rules=RULES)
    if report.result is None:
        assert report.error is not None  # noqa: S101  # a check ends with one of the two
        raise report.error
    return _report(report.result, now=cases.clock.now())


def _report(report: ReconcileReport, *, now: Instant) -> dict[str, int]:
    for line in report.unreadable:
        logger.warning("schedule_unreadable", reason=line)
    repaired = {str(fault): report.repaired[fault] for fault in Fault}
    if report.sweep is None:
        logger.info("no_sweep_due", extra={"rules": RULES})
        return repaired
    progress = {"sweep": report.sweep.number, "percent": report.percent, "records": report.records}
    ended = {"finished": report.finished, "replaced": report.replaced, "contested": report.contested}
    removed = {"inputs_removed": report.inputs_removed, "recounted": report.recounted}
    logger.info("reconciled", extra={"rules": RULES, **progress, **ended, **removed, **repaired})
    counts = {"RecordsChecked": report.records, "RecordsRepaired": report.repaired.total()}
    counts["SweepPercent"] = report.percent
    if report.finished:
        counts |= {f"Schedules{state.title()}": report.total_states[state] for state in State}
        counts["RecordsUnreadable"] = report.total_unreadable
    emit("reconciler", counts, milliseconds={"SweepAgeMs": [now - report.sweep.unfinished_since]})
    return repaired
