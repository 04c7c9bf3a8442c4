"""``eventcron segments``: how far each is planned; move schedules to another number of them."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import click

from eventcron.app.reconcile import ReconcileReport
from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.cli.operations import json_option, operations, stack_option
from eventcron.model.names import MAX_SEGMENTS, Instant
from eventcron.ports import SegmentState
from eventcron.rules.lag import lag_ms
from eventcron.rules.reconcile import Fault
from eventcron.timing.instant import rfc3339

#: Milliseconds that a terminal may take; a Lambda has fifteen minutes.
PATIENCE_MS = 86_400_000


@click.group("segments", invoke_without_command=True)
@stack_option
@json_option
@click.pass_context
def command(context: click.Context, stack: str, *, as_json: bool) -> None:
    """Say how far each segment is planned, who holds a claim, and how far it lags.

    A segment lags by what it is short of the horizon, less one tick. Exit status 1 if one lags by more than a tick:
    a tick was missed, and what is due may soon be late.
    """
    if context.invoked_subcommand is not None:
        context.obj = stack
        return
    rows, tick_ms = asyncio.run(_rows(stack))
    click.echo(json.dumps({"segments": rows}, indent=2) if as_json else _table(rows))
    sys.exit(1 if any((row["lag_ms"] or 0) > tick_ms for row in rows) else 0)


async def _rows(stack: str) -> tuple[list[dict[str, Any]], int]:
    """What is known of each segment, and the milliseconds of a tick."""
    async with operations(stack) as (cases, *_):
        now = cases.clock.now()
        states = await cases.leases.segments(cases.settings.segments)
        return [_row(state, cases, now) for state in states], cases.settings.tick_seconds * 1000


def _row(state: SegmentState, cases: UseCases, now: Instant) -> dict[str, Any]:
    settings = cases.settings
    never = not state.planned_through
    return {
        "segment": state.segment,
        "planned_through": None if never else rfc3339(state.planned_through),
        "claimed_through": rfc3339(state.claimed_through) if state.claimed_through > state.planned_through else None,
        "held_until": rfc3339(state.lease_until) if state.lease_until > now else None,
        "fence": state.fence,
        "lag_ms": None
        if never
        else lag_ms(
            state.planned_through,
            now=now,
            horizon_seconds=settings.horizon_seconds,
            tick_seconds=settings.tick_seconds,
        ),
    }


def _table(rows: list[dict[str, Any]]) -> str:
    head = f"{'segment':>7}  {'planned through':<24}  {'claimed through':<24}  {'held until':<24}  {'lag':>9}"
    lines = [
        f"{row['segment']:>7}  {row['planned_through'] or 'never':<24}  {row['claimed_through'] or '-':<24}"
        f"  {row['held_until'] or '-':<24}  {_seconds(row['lag_ms']):>9}"
        for row in rows
    ]
    return "\n".join([head, *lines])


def _seconds(lag_ms: int | None) -> str:
    return "-" if lag_ms is None else f"{lag_ms / 1000:,.1f} s"


@command.command("resize")
@click.argument("segments", required=False, type=click.IntRange(1, MAX_SEGMENTS))
@json_option
@click.pass_obj
def resize(stack: str, segments: int | None, *, as_json: bool) -> None:
    """Move every schedule to its place among SEGMENTS; by default, among those of the deployment.

    To have more of them: deploy with the new parameter Segments, then run this; the old segments are planned all along.
    To have fewer: run this with the new number, deploy with it at once, then run this again for what was put in
    between, which fires late until then. A schedule that moves may fire twice at that moment, with the same fire_id.
    """
    survey, number = asyncio.run(_resize(stack, segments))
    moved = survey.repaired[Fault.SEGMENT]
    if as_json:
        repaired = {str(fault): count for fault, count in survey.repaired.items()}
        click.echo(
            json.dumps({"segments": number, "records": survey.records, "moved": moved, "repaired": repaired,
                        "contested": survey.contested, "unreadable": survey.unreadable})
        )  # fmt: skip
    else:
        click.echo(f"{survey.records:,} records seen, {moved:,} schedules moved to {number:,} segments")
    for line in survey.unreadable:
        click.echo(f"eventcron: not readable by this release, left where it is: {line}", err=True)
    if survey.contested:
        click.echo(f"eventcron: {survey.contested:,} changed meanwhile; run it again for those", err=True)
    sys.exit(1 if survey.contested or survey.unreadable else 0)


async def _resize(stack: str, segments: int | None) -> tuple[ReconcileReport, int]:
    async with operations(stack) as (cases, *_):
        survey = await cases.reconciler.run(
            deadline=cases.clock.now() + PATIENCE_MS,
            rules=None,  # triggers are the deployed release's to work out; this one may be another
            segments=segments,
            on_progress=_progress if sys.stderr.isatty() else lambda _survey: None,
        )
        return survey, segments or cases.settings.segments


def _progress(survey: ReconcileReport) -> None:
    click.echo(f"\r{survey.records:,} records, {survey.repaired[Fault.SEGMENT]:,} moved", err=True, nl=False)
