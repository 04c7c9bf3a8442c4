"""Encode what a program says of a run."""

from __future__ import annotations

import msgspec

from eventcron.model.commands import TENANT_SOURCE_PREFIX, ReportRun
from eventcron.model.events import Event
from eventcron.model.names import Instant
from eventcron.ports.work import RunReport


def report_run(report: RunReport, *, now: Instant, source: str = "") -> Event:
    """The command ``Report Run``. *source* is its event's; "" = that of the fire's tenant."""
    fire = report.fire
    detail = ReportRun(
        tenant=fire.tenant,
        name=fire.name,
        fire_id=fire.fire_id,
        run_token=fire.run_token or "",
        status=report.status,
        message=report.message,
        result=msgspec.Raw(report.result),
    )
    return Event(
        source=source or TENANT_SOURCE_PREFIX + fire.tenant,
        detail_type="Report Run",
        detail=msgspec.json.encode(detail),
        time=now,
    )
