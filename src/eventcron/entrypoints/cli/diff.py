"""``eventcron diff``: what declared schedules would change, field by field and fire by fire."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from eventcron.client.declared import Differences, plan
from eventcron.entrypoints.cli import declared
from eventcron.entrypoints.cli.operations import json_option, print_document, stack_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.schedules import connected
from eventcron.entrypoints.cli.signals import run_until_signal


@click.command("diff")
@declared.options
@stack_option
@json_option
def command(files: tuple[Path, ...], *, tenant: str | None, prune: bool, stack: str, as_json: bool) -> None:
    """Show how the schedules in FILES differ from what is stored: fields, and which fires move in seven days.

    Exit status 0 if nothing differs, 1 if something does, 3 if an entry of FILES is no valid schedule.
    """
    given = declared.read(files, tenant=tenant, prune=prune)
    made = run_until_signal(look(stack, given, prune=given.tenants(tenant) if prune else []))
    if as_json:
        print_document(declared.as_object(made))
    else:
        click.echo(declared.as_text(made))
    faulty = declared.name_errors(given, made)
    sys.exit(3 if faulty else 1 if made.changes else 0)


async def look(stack: str, given: declared.Declared, *, prune: list[str]) -> Differences:
    """Compare with what *stack* has."""
    async with connected(stack) as client:
        with Progress() as progress:
            return await plan(
                client.cases,
                given.schedules,
                given.calendars,
                prune=prune,
                on_progress=lambda made: progress.show(f"{made.unchanged + len(made.changes):,} compared"),
            )
