"""Encode commands as the events that carry them."""

from __future__ import annotations

import msgspec

from eventcron.model.commands import TENANT_SOURCE_PREFIX, Command, ReportRun, detail_type_of
from eventcron.model.events import Event
from eventcron.model.names import Instant
from eventcron.ports.work import RunReport


def command_event(command: Command, *, now: Instant, source: str = "") -> Event:
    """The event of *command*. *source* is the event's; "" = that of the command's tenant."""
    return Event(
        source=source or TENANT_SOURCE_PREFIX + command.tenant,
        detail_type=detail_type_of(command),
        detail=msgspec.json.encode(command),
        time=now,
    )


def report_run(report: RunReport, *, now: Instant, source: str = "") -> Event:
    """The event of ``Report Run``, what a program says of a run. *source* is as in ``command_event``."""
    fire = report.fire
    command = ReportRun(
        tenant=fire.tenant,
        name=fire.name,
        fire_id=fire.fire_id,
        run_token=fire.run_token or "",
        status=report.status,
        message=report.message,
        result=msgspec.Raw(report.result),
    )
    return command_event(command, now=now, source=source)
