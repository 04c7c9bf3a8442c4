"""``eventcron apply``: make a deployment's schedules and calendars those in files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from eventcron.app.restore import RestoreReport
from eventcron.entrypoints.cli.declared import as_object, declared_options, plan_of, read_files, show, summary
from eventcron.entrypoints.cli.operations import json_option, operations, print_document, stack_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.entrypoints.cli.start import INTERRUPTED
from eventcron.entrypoints.cli.tables import counted
from eventcron.preview.declared import Difference
from eventcron.preview.files import Declared

#: Exit status: a part was applied.
PARTLY = 3


class _Progress:
    """What a stopped command says of itself."""

    plan: Difference | None = None
    report = RestoreReport()


@click.command("apply")
@declared_options
@click.option("--dry-run", is_flag=True, help="Show the plan. Send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@click.option(
    "--rate", default=200.0, show_default=True, type=click.FloatRange(1, 10_000), help="Commands a second at most."
)
@stack_option
@json_option
def command(
    files: tuple[Path, ...],
    *,
    tenant: str | None,
    prune: bool,
    span: int,
    dry_run: bool,
    yes: bool,
    rate: float,
    stack: str,
    as_json: bool,
) -> None:
    """Make a deployment's schedules and calendars those in the files, and wait until they are.

    Each entry is the detail of Put Schedule, or a line of an export. The command shows first what it changes, and which
    fires move. It sends only what differs, so it may be stopped and started again at any time. Exit status 3 if
    something was rejected or is not applied.
    """
    declared = read_files(files, tenant=tenant, prune=prune)
    done = _Progress()
    try:
        plan = run_until_signal(_plan(stack, declared, tenant=tenant, prune=prune, span=span))
        done.plan = plan
        if not as_json:
            show(plan)
        if plan.commands and not dry_run:
            if not yes and not _agreed(plan):
                click.echo("eventcron: nothing was put", err=True)
                sys.exit(1)
            run_until_signal(_apply(stack, plan, done, rate=rate))
    except (
        Stopped,
        KeyboardInterrupt,
        click.Abort,
    ) as stopped:  # the last two: while the plan is shown
        said = "nothing was put" if done.plan is None else summary(done.plan, done.report.put)
        click.echo(f"eventcron: stopped; {said}; the same command puts what is left", err=True)
        sys.exit(stopped.status if isinstance(stopped, Stopped) else INTERRUPTED)
    _end(plan, done.report, dry_run=dry_run, as_json=as_json)
    sys.exit(PARTLY if plan.rejected or done.report.missing else 0)


def _agreed(plan: Difference) -> bool:
    """Whether the person at the terminal says yes. Where there is no terminal, nobody is asked."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    return click.confirm(f"Put {counted(len(plan.commands), 'command')}?", err=True)


async def _plan(stack: str, declared: list[Declared], *, tenant: str | None, prune: bool, span: int) -> Difference:
    async with operations(stack) as (cases, *_):
        with Progress() as progress:
            progress.show("comparing with what is stored")
            return await plan_of(cases, declared, tenant=tenant, prune=prune, span=span)


async def _apply(stack: str, plan: Difference, done: _Progress, *, rate: float) -> None:
    async with operations(stack) as deployment:
        with Progress() as progress:

            def note(report: RestoreReport) -> None:
                done.report = report
                progress.show(summary(plan, report.put))

            done.report = await deployment.restorer.run(lambda: plan.commands, per_second=rate, on_progress=note)


def _end(plan: Difference, report: RestoreReport, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        object_ = as_object(plan) | {"dry_run": dry_run, "put": report.put, "missing": report.missing}
        print_document(object_)
    elif not dry_run and plan.commands:
        click.echo(summary(plan, report.put))
    for name in report.missing:
        click.echo(f"eventcron: {name} was put and is not applied; Schedule Rejected says why", err=True)
