"""``eventcron segments``: how far each segment is planned; move schedules to another number of segments."""

from __future__ import annotations

import sys
from typing import Any

import click
from click.core import ParameterSource

from eventcron.app.reconcile import ReconcileReport
from eventcron.app.segments import segment_rows
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import operations, stack_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.entrypoints.cli.tables import counted, table
from eventcron.model.names import MAX_SEGMENTS
from eventcron.rules.reconcile import Fault

#: Milliseconds. How long one `resize` may take: a day. The next one carries on.
PATIENCE_MS = 86_400_000


@click.group("segments", invoke_without_command=True)
@stack_option
@json_option
@click.pass_context
def command(context: click.Context, stack: str, *, as_json: bool) -> None:
    """Show how far each segment is planned, which are leased to a planner, and how far each lags.

    A segment lags by the part of the horizon that is not planned, minus one tick. Exit status 1 if a segment lags by
    more than a tick: a tick was missed, and fires may soon be late.
    """
    if context.invoked_subcommand is not None:
        return
    rows, tick_ms = run_until_signal(_rows(stack))
    if as_json:
        print_document({"segments": rows})
    else:
        click.echo(_table(rows))
    sys.exit(1 if any((row["lag_ms"] or 0) > tick_ms for row in rows) else 0)


async def _rows(stack: str) -> tuple[list[dict[str, Any]], int]:
    """A row for each segment, and the milliseconds of a tick."""
    async with operations(stack) as (cases, *_):
        return await segment_rows(cases), cases.settings.tick_seconds * 1000


def _table(rows: list[dict[str, Any]]) -> str:
    heads = ("segment", "planned through", "leased through", "leased until", "lag")
    cells = [
        (
            str(row["segment"]),
            row["planned_through"] or "never",
            row["leased_through"] or "-",
            row["held_until"] or "-",
            _seconds(row["lag_ms"]),
        )
        for row in rows
    ]
    return table(heads, cells, right={"segment", "lag"})


def _seconds(lag_ms: int | None) -> str:
    return "-" if lag_ms is None else f"{lag_ms / 1000:,.1f} s"


@command.command("resize")
@click.argument("segments", required=False, type=click.IntRange(1, MAX_SEGMENTS))
@stack_option
@json_option
@click.pass_context
def resize(context: click.Context, segments: int | None, stack: str, *, as_json: bool) -> None:
    """Move every schedule to its segment among SEGMENTS; by default, among those of the deployment.

    For more segments, deploy with the new parameter Segments, then run this command. The planner plans the old
    segments all along. For fewer segments, run this command with the new number, deploy at once, then run it again for
    the schedules that were put in between: they fire late until then. A schedule may fire twice while it moves, with
    the same fire_id.

    Ctrl-C stops the command, and so does a lost connection. The same command then carries on where it stopped.
    """
    outer = context.parent.params if context.parent else {}
    # Each option may stand before or after `resize`; after it counts.
    if context.get_parameter_source("stack") is not ParameterSource.COMMANDLINE:
        stack = outer.get("stack", stack)
    reports: list[ReconcileReport] = []
    try:
        report = run_until_signal(_resize(stack, segments, reports))
    except Stopped as stopped:
        done = f" with {reports[-1].percent} % of the table checked" if reports else ""
        click.echo(f"eventcron: stopped{done}; the same command carries on from there", err=True)
        sys.exit(stopped.status)
    _show(report, as_json=as_json)
    sys.exit(1 if report.contested or report.unreadable or not report.finished else 0)


def _show(report: ReconcileReport, *, as_json: bool) -> None:
    assert report.sweep is not None  # noqa: S101  # a resize has a sweep
    moved, number = report.repaired[Fault.SEGMENT], report.sweep.segments
    if as_json:
        repaired = {str(fault): count for fault, count in report.repaired.items()}
        print_document(
            {
                "segments": number,
                "finished": report.finished,
                "percent": report.percent,
                "records": report.records,
                "moved": moved,
                "repaired": repaired,
                "contested": report.contested,
                "unreadable": report.unreadable,
            }
        )
    else:
        click.echo(
            f"{counted(report.records, 'record')} read, {counted(moved, 'schedule')} moved to"
            f" {counted(number, 'segment')}"
        )
    for line in report.unreadable:
        click.echo(f"eventcron: this release cannot read a schedule and leaves it where it is: {line}", err=True)
    if report.contested:
        click.echo(
            f"eventcron: {counted(report.contested, 'schedule')} changed meanwhile; run the command again for them",
            err=True,
        )
    if report.replaced:
        click.echo("eventcron: another resize or a new release began; run the command again", err=True)
    elif not report.finished:
        click.echo(f"eventcron: {report.percent} % done after a day; run the command again for the rest", err=True)


async def _resize(stack: str, segments: int | None, reports: list[ReconcileReport]) -> ReconcileReport:
    """Resize, and append a report to *reports* after each page."""

    def note(report: ReconcileReport) -> None:
        reports[:] = [report]
        progress.show(_so_far(report))

    async with operations(stack) as (cases, *_):
        deployed = cases.settings.segments
        if segments is not None and segments > deployed:
            raise click.UsageError(
                f"got {segments:,} for SEGMENTS; allowed: at most {deployed:,}, the deployment's parameter Segments,"
                " because nobody plans a segment beyond it. Deploy with the new number first"
            )
        with Progress() as progress:
            return await cases.reconciler.resize(
                deadline=cases.clock.now() + PATIENCE_MS, segments=segments or deployed, on_progress=note
            )


def _so_far(report: ReconcileReport) -> str:
    return f"{report.percent:3} %, {counted(report.records, 'record')}, {report.repaired[Fault.SEGMENT]:,} moved"
