"""``eventcron apply``: make a deployment's schedules and calendars those in files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from eventcron.app.commander import Outcome
from eventcron.entrypoints.cli.declared import (
    COMPARING,
    SHOWN,
    as_object,
    declared_options,
    plan_of,
    read_files,
    show,
    summary,
)
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.progress import Progress, waiting
from eventcron.entrypoints.cli.schedules import connected
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.entrypoints.cli.start import INTERRUPTED, PARTLY
from eventcron.entrypoints.cli.tables import counted
from eventcron.model.commands import (
    DeleteCalendar,
    DeleteSchedule,
    PauseSchedule,
    PutCalendar,
    ResumeSchedule,
    Schedule,
)
from eventcron.preview.declared import Difference, Sent
from eventcron.preview.files import Declared


class _Progress:
    """How far the command came: what it ends with, and what it says when it is stopped."""

    def __init__(self) -> None:
        self.plan: Difference | None = None
        self.put = 0
        #: The name of what was not applied, and why.
        self.failed: list[tuple[str, str]] = []


@click.command("apply")
@declared_options
@click.option("--dry-run", is_flag=True, help="Show the plan. Send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
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
            run_until_signal(_apply(stack, plan, done))
    except (
        Stopped,
        KeyboardInterrupt,
        click.Abort,
    ) as stopped:  # the last two: while the plan is shown
        said = "nothing was put" if done.plan is None else summary(done.plan, done.put)
        click.echo(f"eventcron: stopped; {said}; the same command puts what is left", err=True)
        sys.exit(stopped.status if isinstance(stopped, Stopped) else INTERRUPTED)
    _end(plan, done, dry_run=dry_run, as_json=as_json)
    sys.exit(PARTLY if plan.rejected or done.failed else 0)


def _agreed(plan: Difference) -> bool:
    """Whether the person at the terminal says yes. Where there is no terminal, nobody is asked."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    return click.confirm(f"Put {counted(len(plan.commands), 'command')}?", err=True)


async def _plan(stack: str, declared: list[Declared], *, tenant: str | None, prune: bool, span: int) -> Difference:
    async with connected(stack) as client, waiting(COMPARING):
        return await plan_of(client.cases, declared, tenant=tenant, prune=prune, span=span)


async def _apply(stack: str, plan: Difference, done: _Progress) -> None:
    """Send the commands of *plan*, and wait for the answer to each: one stage after the other."""
    async with connected(stack) as client:
        with Progress() as progress:
            for stage in stages(plan.commands):

                def note(index: int, outcome: Outcome, stage: Sequence[Sent] = stage) -> None:
                    if isinstance(outcome, Exception):
                        done.failed.append((str(stage[index].key), str(outcome)))
                    else:
                        done.put += 1
                    progress.show(summary(plan, done.put))

                if stage:
                    await client.send(stage, wait=True, on_outcome=note)


def stages(commands: Sequence[Sent]) -> list[list[Sent]]:
    """Calendars before the schedules that exclude them, a schedule before its pause, deletions last."""
    kinds = (PutCalendar, Schedule, PauseSchedule | ResumeSchedule, DeleteSchedule | DeleteCalendar)
    stages: list[list[Sent]] = [[] for _ in kinds]
    for command in commands:
        stages[next(place for place, kind in enumerate(kinds) if isinstance(command, kind))].append(command)
    return stages


def _end(plan: Difference, done: _Progress, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        failed = [{"name": name, "reason": reason} for name, reason in done.failed]
        print_document(as_object(plan) | {"dry_run": dry_run, "put": done.put, "failed": failed})
    elif not dry_run and plan.commands:
        click.echo(summary(plan, done.put))
    for name, reason in done.failed[:SHOWN]:
        click.echo(f"eventcron: {name}: {reason}", err=True)
