"""``eventcron pause``: pause a schedule, or all of a tenant's."""

from __future__ import annotations

import click

from eventcron.client.tenants import pause_tenant
from eventcron.client.verbs import Receipt
from eventcron.entrypoints.cli.forms import json_option
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.progress import ANSWER, waiting
from eventcron.entrypoints.cli.schedules import (
    act_on_tenant,
    connected,
    key_of,
    optional_schedule,
    required_tenant,
    show_receipt,
    tenant_option,
    wait_option,
)
from eventcron.entrypoints.cli.signals import run_until_signal


@click.command("pause")
@optional_schedule
@click.option("--revision", type=int, help="Orders commands.  [default: the event's time]")
@tenant_option
@wait_option(default=True)
@stack_option
@json_option
def command(
    schedule: str | None, *, revision: int | None, tenant: str | None, wait: bool, stack: str, as_json: bool
) -> None:
    """Pause the schedule TENANT/NAME, or with --tenant alone every enabled schedule of that tenant.

    `eventcron resume --tenant` resumes those that the latter paused, and leaves paused what was paused before or by
    itself. Exit status 3 if some schedules could not be paused.
    """
    if schedule is None:
        whole = required_tenant(tenant, revision, of="all of a tenant's schedules")
        act_on_tenant(
            connected(stack),
            lambda client, note: pause_tenant(client, whole, on_progress=note),
            verb="pause",
            as_json=as_json,
        )
        return
    key = key_of(schedule, tenant)

    async def work() -> Receipt:
        async with connected(stack) as client, waiting(ANSWER):
            return await client.pause(key.tenant, key.name, revision=revision, wait=wait)

    show_receipt(run_until_signal(work()), key, done="paused", as_json=as_json)
