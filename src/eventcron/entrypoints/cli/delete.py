"""``eventcron delete``: delete a schedule."""

from __future__ import annotations

import click

from eventcron.client.verbs import Receipt
from eventcron.entrypoints.cli.forms import json_option
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.progress import ANSWER, waiting
from eventcron.entrypoints.cli.schedules import (
    connected,
    key_of,
    schedule_argument,
    show_receipt,
    tenant_option,
    wait_option,
)
from eventcron.entrypoints.cli.signals import run_until_signal


@click.command("delete")
@schedule_argument
@click.option("--revision", type=int, help="Orders commands.  [default: the event's time]")
@tenant_option
@wait_option(default=True)
@stack_option
@json_option
def command(schedule: str, *, revision: int | None, tenant: str | None, wait: bool, stack: str, as_json: bool) -> None:
    """Delete the schedule TENANT/NAME. Nothing due a second later or more fires."""
    key = key_of(schedule, tenant)

    async def work() -> Receipt:
        async with connected(stack) as client, waiting(ANSWER):
            return await client.delete(key.tenant, key.name, revision=revision, wait=wait)

    show_receipt(run_until_signal(work()), key, done="deleted", as_json=as_json)
