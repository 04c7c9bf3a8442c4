"""``eventcron upcoming``: the next fires of a deployment's schedules."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from eventcron.adapters.clock import SystemClock
from eventcron.app.upcoming import UpcomingReport
from eventcron.client.schedules import check_names
from eventcron.entrypoints.cli.completion import complete_tenant
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.moments import INSTANT, SPAN
from eventcron.entrypoints.cli.operations import operations, stack_option
from eventcron.entrypoints.cli.plot import plot_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import columns, counted
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.events import SkipNotice
from eventcron.model.names import Instant, Window
from eventcron.preview.heat_map_picture import write
from eventcron.rules.upcoming import UpcomingFire
from eventcron.timing.instant import rfc3339
from eventcron.timing.trigger import local_time
from eventcron.wire.encode import fire_id

DEFAULT_SPAN_MS = 3_600_000
#: Milliseconds. --from may be this far in the past, so that a script can pass the time at which it started.
TOLERATED_MS = 60_000
#: The most lines that the text has of the busiest tenants, of the busiest schedules and of the skipped ones.
SHOWN = 10
#: Characters. The longest bar.
BAR = 40


@click.command("upcoming")
@stack_option
@click.option(
    "--tenant",
    shell_complete=complete_tenant,
    help="Only this tenant's schedules. The command then reads only their part of the table.",
)
@click.option(
    "--from",
    "start",
    type=INSTANT,
    default="now",
    show_default=True,
    help="Only fires published at this instant or later: RFC 3339, a date, now+1h.",
)
@click.option("--for", "span", type=SPAN, help="How far ahead: 90s, 30m, at most 24h.  [default: 1h]")
@click.option("--until", type=INSTANT, help="In place of --for: only fires published before this instant.")
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(0, 100_000),
    help="List at most this many fires. All are counted.",
)
@click.option("--summary", is_flag=True, help="Count fires by minute, tenant and schedule instead of listing them.")
@plot_option
@json_option
def command(
    *,
    stack: str,
    tenant: str | None,
    start: Instant,
    span: int | None,
    until: Instant | None,
    limit: int,
    summary: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """List the next fires of a deployment's schedules, in UTC and in each schedule's own time zone.

    The planner's own code computes them from the stored schedules. It respects exclusions, clock changes, bounds,
    pauses and flexible windows. Without --tenant the command reads the whole table once. Exit status 1 if this release
    cannot read a schedule.
    """
    if span is not None and until is not None:
        raise click.UsageError("give --for or --until, not both")
    if tenant is not None:
        check_names(tenant)
    _require_future(start)
    end = start + (span or DEFAULT_SPAN_MS) if until is None else until
    report = run_until_signal(_look(stack, Window(start, end), tenant, limit=0 if summary else limit))
    if plot is not None:
        write(report.heat_map, plot)
    if as_json:
        print_document(_as_object(report, summary=summary))
    else:
        click.echo("\n".join([*(by_minute(report) if summary else one_by_one(report)), *notes(report)]))
    for unreadable in report.unreadable:
        click.echo(f"eventcron: this release cannot read {unreadable.key}: {unreadable.reason}", err=True)
    sys.exit(1 if report.unreadable else 0)


def _require_future(start: Instant) -> None:
    now = SystemClock().now()
    if start < now - TOLERATED_MS:
        allowed = f"{_utc(now)}, now, or later; the log group of events has earlier fires"
        raise InvalidSchedule(RejectionCode.IN_THE_PAST, field="--from", given=_utc(start), allowed=allowed)


async def _look(stack: str, window: Window, tenant: str | None, *, limit: int) -> UpcomingReport:
    async with operations(stack) as (cases, *_):
        with Progress() as progress:
            return await cases.upcoming.look(
                window, tenant=tenant, limit=limit, on_progress=lambda report: progress.show(_so_far(report))
            )


def _so_far(report: UpcomingReport) -> str:
    return f"{counted(report.schedules, 'schedule')} read, {counted(report.fires, 'fire')}"


def one_by_one(report: UpcomingReport) -> list[str]:
    """The first fires, each in a line, and the number of all."""
    millis = any(fire.at % 1000 for fire in report.first)  # in all or in none, so that the columns stand in line
    lines = [
        f"{rfc3339(one.at, millis=millis)}  {local_time(one.at, one.timezone, millis=millis)}  {one.fire.key}"
        for one in report.first
    ]
    more = report.fires - len(report.first)
    return [
        *lines,
        *([f"… and {more:,} more: --limit lists them, --summary counts them"] if more else []),
        _all(report),
    ]


def by_minute(report: UpcomingReport) -> list[str]:
    """The number of fires in each minute that has any, the busiest tenants and schedules, and the peaks."""
    most = max(report.minutes.values(), default=1)
    groups = [
        [
            (_utc(minute), f"{count:,}", "#" * max(1, count * BAR // most))
            for minute, count in sorted(report.minutes.items())
        ],
        *(
            [(label, f"{count:,}", name) for name, count in _busiest(counts)]
            for label, counts in (("tenant", report.tenants), ("schedule", report.names))
            if len(counts) > 1
        ),
        [
            ("peak", f"{peak[1]:,}", f"a {unit}, at {_utc(peak[0])}")
            for unit, counts in (("minute", report.minutes), ("second", report.seconds))
            if (peak := _peak(counts)) is not None
        ],
    ]
    lines = [line for rows in groups if rows for line in ("", *columns(rows, right={1}).splitlines())]
    return [*lines[1:], _all(report)]


def _busiest(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]


def _peak(counts: dict[Instant, int]) -> tuple[Instant, int] | None:
    """The instant with the most fires, and their number. The first instant of several; None if there are no fires."""
    return min(counts.items(), key=lambda item: (-item[1], item[0]), default=None)


def _all(report: UpcomingReport) -> str:
    return (
        f"{counted(report.fires, 'fire')} of {counted(len(report.names), 'schedule')}, from"
        f" {_utc(report.window.start)} until {_utc(report.window.end)}; {counted(report.schedules, 'schedule')} read"
    )


def notes(report: UpcomingReport) -> list[str]:
    """The occurrences that will not fire, and the backfills that fire too."""
    lines = [_will_not(skip) for skip in report.skips[:SHOWN]]
    if len(report.skips) > SHOWN:
        lines.append(f"… and {len(report.skips) - SHOWN:,} more skipped: --json lists them all")
    return lines + [
        f"backfill {one.key} fires too, up to {one.per_minute:,} a minute: eventcron backfills show {one.key}"
        for one in report.backfills
    ]


def _will_not(skip: SkipNotice) -> str:
    by = f" by {skip.by}" if skip.by else ""
    times = f", {counted(skip.count, 'time')} until {_utc(skip.last_due)}" if skip.count > 1 else ""
    return f"{skip.tenant}/{skip.name} will not fire at {_utc(skip.first_due)}{times}: {skip.reason}{by}"


def _as_object(report: UpcomingReport, *, summary: bool) -> dict[str, Any]:
    minute, second = _peak(report.minutes), _peak(report.seconds)
    document: dict[str, Any] = {
        "from": _utc(report.window.start),
        "until": _utc(report.window.end),
        "schedules": report.schedules,
        "fires": report.fires,
        "peak_per_minute": minute[1] if minute else 0,
        "peak_minute": _utc(minute[0]) if minute else None,
        "peak_per_second": second[1] if second else 0,
        "peak_second": _utc(second[0]) if second else None,
        "skipped": list(map(_skip, report.skips)),
        "backfills": [{"backfill": str(one.key), "per_minute": one.per_minute} for one in report.backfills],
        "unreadable": [{"schedule": str(one.key), "reason": one.reason} for one in report.unreadable],
    }
    if summary:
        document["per_minute"] = {_utc(at): count for at, count in sorted(report.minutes.items())}
        document["per_tenant"] = dict(sorted(report.tenants.items()))
        document["per_schedule"] = dict(sorted(report.names.items()))
    else:
        document["first"] = list(map(_fire, report.first))
    return document


def _fire(upcoming_fire: UpcomingFire) -> dict[str, Any]:
    fire = upcoming_fire.fire
    return {
        "at": _utc(upcoming_fire.at),
        "local_time": _local(upcoming_fire),
        "timezone": upcoming_fire.timezone,
        "tenant": fire.tenant,
        "name": fire.name,
        "due": _utc(fire.due),
        "fire_id": fire_id(fire),
    }


def _skip(skip: SkipNotice) -> dict[str, Any]:
    return {
        "tenant": skip.tenant,
        "name": skip.name,
        "reason": skip.reason,
        "by": skip.by,
        "first_due": _utc(skip.first_due),
        "last_due": _utc(skip.last_due),
        "count": skip.count,
    }


def _local(upcoming_fire: UpcomingFire) -> str:
    return local_time(upcoming_fire.at, upcoming_fire.timezone, millis=False)


def _utc(instant: Instant) -> str:
    return rfc3339(instant, millis=False)
