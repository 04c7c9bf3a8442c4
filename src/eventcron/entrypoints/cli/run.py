"""``eventcron run``: fire a schedule once, now."""

from __future__ import annotations

import sys

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
from eventcron.model.events import is_fire


@click.command("run")
@schedule_argument
@click.option("--id", "run_id", help="Names the run: the same id again is the same fire.  [default: a new one]")
@tenant_option
@wait_option(default=False)
@stack_option
@json_option
def command(schedule: str, *, run_id: str | None, tenant: str | None, wait: bool, stack: str, as_json: bool) -> None:
    """Fire the schedule TENANT/NAME once, now, whatever its expression says.

    With --wait the command shows the fire as it was published. It does not wait for the end of the work: where the
    schedule tracks its runs, eventcron history shows how they ended.
    Exit status 1 if the run was skipped or failed; the command says why.
    """
    key = key_of(schedule, tenant)

    async def work() -> Receipt:
        async with connected(stack) as client, waiting(ANSWER):
            return await client.run(key.tenant, key.name, run_id=run_id, wait=wait)

    receipt = run_until_signal(work())
    detail = receipt.detail
    if as_json or not receipt.event:
        show_receipt(receipt, key, done="asked to run", as_json=as_json)
    elif is_fire(detail):
        click.echo(f"{key}: {receipt.event}, due {detail['due']}, fire {detail['fire_id']}, try {detail['attempt']}")
    else:
        why = detail.get("reason") or f"{detail.get('code')}: {detail.get('message')}"
        click.echo(f"eventcron: {key} did not fire: {receipt.event}: {why}", err=True)
    if receipt.event in {"Schedule Skipped", "Schedule Failed"}:
        sys.exit(1)
