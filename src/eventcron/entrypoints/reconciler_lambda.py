"""Lambda: a daily rule → reconciler."""

from __future__ import annotations

from typing import Any

from tzdata import IANA_VERSION

from eventcron import __version__
from eventcron.app.reconcile import ReconcileReport
from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.process import process
from eventcron.entrypoints.telemetry import emit, logger
from eventcron.model.records import State
from eventcron.rules.reconcile import Fault

#: What decides a trigger's occurrences. When one of the two changes, the reconciler computes every trigger again.
RULES = f"tzdata {IANA_VERSION}, eventcron {__version__}"
#: Milliseconds kept back from Lambda's own deadline, so that what is being written can end.
MARGIN_MS = 1_000


def handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
    """Check every schedule. Returns how many records were repaired, by fault."""
    return process.run(lambda cases: handle(cases, context))


async def handle(cases: UseCases, context: Any) -> dict[str, int]:
    """As ``handler``, on *cases*."""
    deadline = cases.clock.now() + int(context.get_remaining_time_in_millis()) - MARGIN_MS
    return _report(await cases.reconciler.run(deadline=deadline, rules=RULES))


def _report(report: ReconcileReport) -> dict[str, int]:
    for line in report.unreadable:
        logger.warning("schedule_unreadable", reason=line)
    repaired = {str(fault): report.repaired[fault] for fault in Fault}
    log = logger.info if report.finished else logger.warning
    done = {"finished": report.finished, "contested": report.contested, "inputs_removed": report.inputs_removed}
    log("reconciled", extra={"rules": RULES, **done, **repaired})
    counts = {f"Schedules{state.title()}": report.states[state] for state in State}
    counts |= {"RecordsRepaired": report.repaired.total(), "RecordsUnreadable": len(report.unreadable)}
    emit("reconciler", counts)
    return repaired
