"""``eventcron apply``: make a deployment have the declared schedules."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from eventcron.app.commander import Outcome
from eventcron.client.declared import Differences, plan
from eventcron.client.verbs import Verbs
from eventcron.entrypoints.cli import declared
from eventcron.entrypoints.cli.operations import json_option, print_document, stack_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.schedules import connected
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.entrypoints.cli.tables import counted
from eventcron.model.commands import Command, DeleteSchedule, PutCalendar

#: Failures that the text names.
SHOWN = 20


class Applied:
    """What became of the commands so far."""

    def __init__(self) -> None:
        self.done = 0
        self.failed: list[tuple[Command, str]] = []


@click.command("apply")
@declared.options
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before changing something.")
@stack_option
@json_option
def command(
    files: tuple[Path, ...],
    *,
    tenant: str | None,
    prune: bool,
    dry_run: bool,
    yes: bool,
    stack: str,
    as_json: bool,
) -> None:
    """Make a deployment have the schedules in FILES: show what changes, and put only that.

    What is stored as declared is not sent at all. With --prune, stored schedules that FILES do not declare are deleted,
    of the tenants that FILES name. Calendars are put before schedules and never deleted. The command may be stopped:
    the next one goes on. Exit status 3 if part of it was rejected or was no valid schedule.
    """
    given = declared.read(files, tenant=tenant, prune=prune)
    pruned = given.tenants(tenant) if prune else []
    applied = Applied()
    try:
        made = run_until_signal(_run(stack, given, pruned, applied, ask=not yes, dry_run=dry_run, quiet=as_json))
    except Stopped as stopped:
        click.echo(f"eventcron: stopped; {counted(applied.done, 'change')} applied, the same command goes on", err=True)
        sys.exit(stopped.status)
    if as_json:
        failed = [{"name": str(one.key), "reason": reason} for one, reason in applied.failed]
        print_document({**declared.as_object(made), "applied": applied.done, "failed": failed})
    elif not dry_run and made.changes:
        click.echo(f"{counted(applied.done, 'change')} applied")
    for one, reason in applied.failed[:SHOWN]:
        click.echo(f"eventcron: {one.key}: {reason}", err=True)
    faulty = declared.name_errors(given, made)
    sys.exit(3 if faulty or applied.failed else 0)


async def _run(
    stack: str,
    given: declared.Declared,
    pruned: Sequence[str],
    applied: Applied,
    *,
    ask: bool,
    dry_run: bool,
    quiet: bool,
) -> Differences:
    async with connected(stack) as client:
        with Progress() as progress:
            made = await plan(
                client.cases,
                given.schedules,
                given.calendars,
                prune=pruned,
                on_progress=lambda so_far: progress.show(f"{so_far.unchanged + len(so_far.changes):,} compared"),
            )
        if not quiet:
            click.echo(declared.as_text(made))
        if dry_run or not made.changes:
            return made
        if ask and sys.stdin.isatty() and sys.stdout.isatty():
            click.confirm(f"Apply {counted(len(made.changes), 'change')}?", abort=True, err=True)
        await _apply(client, made, applied)
    return made


async def _apply(client: Verbs, made: Differences, applied: Applied) -> None:
    """Send the changes and wait for their answers: calendars, then schedules, then removals."""
    commands = [change.command for change in made.changes]
    stages: list[list[Command]] = [
        [one for one in commands if isinstance(one, PutCalendar)],
        [one for one in commands if not isinstance(one, PutCalendar | DeleteSchedule)],
        [one for one in commands if isinstance(one, DeleteSchedule)],
    ]
    with Progress() as progress:
        for stage in stages:

            def note(index: int, outcome: Outcome, stage: Sequence[Command] = stage) -> None:
                if isinstance(outcome, Exception):
                    applied.failed.append((stage[index], str(outcome)))
                else:
                    applied.done += 1
                progress.show(f"{applied.done:,} of {len(commands):,} applied")

            if stage:
                await client.send(stage, wait=True, on_outcome=note)
