"""``eventcron cost``: the bill of a month, by service, next to that of EventBridge Scheduler."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from eventcron.adapters.clock import SystemClock
from eventcron.app.upcoming import UpcomingReport
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import operations
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import counted, table
from eventcron.preview import prices
from eventcron.preview.cost import MONTH_DAYS, Bill, Workload, bill, evenly
from eventcron.preview.files import Entry
from eventcron.preview.workload import Read, of_deployment, of_files
from eventcron.settings import Settings
from eventcron.testing.world import SETTINGS

#: The template's defaults, as far as they bear on the bill.
DEFAULTS = replace(SETTINGS, segments=64)
MEMORY_MEGABYTES = 896


@click.command("cost")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--stack", help="In place of FILES: the schedules that this stack has stored, and its parameters.")
@click.option("--schedules", type=click.IntRange(1, 1_000_000_000), help="In place of FILES: so many schedules.")
@click.option(
    "--fires-per-day", type=click.FloatRange(0, 86_400, min_open=True), help="How often each of --schedules fires."
)
@click.option(
    "--memory",
    type=click.IntRange(128, 10_240),
    default=MEMORY_MEGABYTES,
    show_default=True,
    help="The template's parameter MemoryMegabytes.",
)
@json_option
def command(
    files: tuple[Path, ...],
    *,
    stack: str | None,
    schedules: int | None,
    fires_per_day: float | None,
    memory: int,
    as_json: bool,
) -> None:
    """Show what a month costs, by service, for the schedules in FILES, of a stack, or for a number of them.

    FILES are those of `eventcron simulate`. Prices are those of us-east-1 on the day that the output names, without
    the free tier and without what the targets cost. Schedules of --schedules fire at full minutes, spread over the day.
    Exit status 1 if an entry of FILES is no valid schedule; it is left out.
    """
    if (schedules is None) != (fires_per_day is None):
        raise click.UsageError(
            "give --schedules and --fires-per-day together, such as --schedules 10000 --fires-per-day 24"
        )
    if sum((bool(files), stack is not None, schedules is not None)) != 1:
        raise click.UsageError("give FILES, or --stack, or --schedules and --fires-per-day")
    settings = DEFAULTS
    rejected: list[tuple[Entry, str]] = []
    if stack is not None:
        workload, settings = run_until_signal(_of_stack(stack))
    elif schedules is not None and fires_per_day is not None:
        workload = evenly(schedules, fires_per_day)
    else:
        workload, rejected = run_until_signal(_of_files(files, settings))
    month = bill(workload, settings, memory_megabytes=memory)
    if as_json:
        print_document(_as_object(month, workload))
    else:
        click.echo(_as_text(month, workload))
    for entry, reason in rejected:
        click.echo(f"eventcron: {entry.file}:{entry.line}: {reason}", err=True)
    sys.exit(1 if rejected else 0)


async def _of_files(files: tuple[Path, ...], settings: Settings) -> Read:
    with Progress() as progress:
        return await of_files(files, settings, now=SystemClock().now(), on_progress=_shown_by(progress))


def _shown_by(progress: Progress) -> Callable[[UpcomingReport], None]:
    return lambda report: progress.show(f"{counted(report.schedules, 'schedule')} read")


async def _of_stack(stack: str) -> tuple[Workload, Settings]:
    async with operations(stack) as (cases, *_):
        with Progress() as progress:
            now = cases.clock.now()
            workload = await of_deployment(cases.upcoming, now=now, on_progress=_shown_by(progress))
        return workload, cases.settings


def _as_object(month: Bill, workload: Workload) -> dict[str, Any]:
    return {
        "prices_of": prices.AS_OF,
        "region": prices.REGION,
        "days": MONTH_DAYS,
        "schedules": workload.schedules,
        "dense": workload.dense,
        "fires_per_day": workload.fires,
        "items": [one._asdict() for one in month.items],
        "dollars": month.total,
        "eventbridge_scheduler_dollars": month.scheduler,
    }


def _as_text(month: Bill, workload: Workload) -> str:
    rows = [(one.service, _quantity(one.quantity), one.what, f"{one.dollars:,.2f}") for one in month.items]
    rows += [("eventcron", "", "in all", f"{month.total:,.2f}")]
    rows += [("EventBridge Scheduler", "", "the same fires, by invocation", f"{month.scheduler:,.2f}")]
    about = (
        f"{counted(workload.schedules, 'schedule')}, {workload.fires:,.0f} fires a day; a month of {MONTH_DAYS} days,"
        f" in dollars; prices of {prices.REGION} on {prices.AS_OF}, no free tier"
    )
    return f"{about}\n\n{table(('service', 'quantity', 'of', '$'), rows, right=('quantity', '$'))}"


def _quantity(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 else f"{quantity:,.3g}"  # noqa: PLR2004  # three digits are enough
