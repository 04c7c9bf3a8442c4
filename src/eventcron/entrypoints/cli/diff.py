"""``eventcron diff``: how files of schedules differ from what is stored, and which fires would move."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from eventcron.entrypoints.cli.declared import COMPARING, as_object, declared_options, plan_of, read_files, show
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.progress import waiting
from eventcron.entrypoints.cli.schedules import connected
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.preview.declared import Difference
from eventcron.preview.files import Declared


@click.command("diff")
@declared_options
@stack_option
@json_option
def command(files: tuple[Path, ...], *, tenant: str | None, prune: bool, span: int, stack: str, as_json: bool) -> None:
    """Show what `eventcron apply` would change, and which fires would move. Sends nothing.

    Exit status 1 if anything differs.
    """
    declared = read_files(files, tenant=tenant, prune=prune)
    plan = run_until_signal(_plan(stack, declared, tenant=tenant, prune=prune, span=span))
    if as_json:
        print_document(as_object(plan))
    else:
        show(plan)
    sys.exit(0 if plan.is_empty and not plan.newer else 1)


async def _plan(stack: str, declared: list[Declared], *, tenant: str | None, prune: bool, span: int) -> Difference:
    async with connected(stack) as client, waiting(COMPARING):
        return await plan_of(client.cases, declared, tenant=tenant, prune=prune, span=span)
