"""Check heartbeats and the schedules that expect them, beyond what the type of a single field can express."""

from __future__ import annotations

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import ReportRun, Schedule
from eventcron.model.tracking import RunStatus

#: The fields of a schedule that say how it fires, or how a fire looks. A schedule with ``expect`` fires nothing.
OF_FIRES = (
    "runs",
    "input",
    "detail_type",
    "route",
    "priority",
    "flexible_window_seconds",
    "max_fires",
    "after_completion",
)

_PLAIN = Schedule(tenant="acme", name="plain", expression="rate(1 day)")


def check_expect(schedule: Schedule) -> None:
    """Check that a schedule with ``expect`` says nothing about fires.

    Raises:
        InvalidSchedule: it does; names the field.
    """
    if schedule.expect is None:
        return
    for field in OF_FIRES:
        given, usual = (getattr(one, field) for one in (schedule, _PLAIN))
        if given != usual and not (field == "input" and bytes(given) == bytes(usual)):
            raise InvalidSchedule(
                RejectionCode.OUT_OF_RANGE,
                field=field,
                given="a value",
                allowed="nothing together with 'expect', as such a schedule fires nothing",
            )


def check_report(report: ReportRun) -> None:
    """Check that a report names a run by both its fire and its token, or is a heartbeat that says an end.

    Raises:
        InvalidSchedule: it does neither.
    """
    if bool(report.fire_id) != bool(report.run_token):
        missing = "run_token" if report.fire_id else "fire_id"
        raise InvalidSchedule(RejectionCode.MISSING_FIELD, field=missing, given="nothing", allowed=f"'{missing}'")
    if report.is_heartbeat and report.status not in {RunStatus.SUCCEEDED, RunStatus.FAILED}:
        raise InvalidSchedule(
            RejectionCode.OUT_OF_RANGE,
            field="status",
            given=f"'{report.status}'",
            allowed="succeeded or failed, as the report names no run: it has neither fire_id nor run_token",
        )
