"""``eventcron pause``: pause a schedule, or all of a tenant's."""

from __future__ import annotations

import sys

import click

from eventcron.client.tenants import pause_tenant
from eventcron.client.verbs import Receipt, Results
from eventcron.entrypoints.cli.operations import json_option, stack_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.schedules import (
    connected,
    key_of,
    optional_schedule,
    show_receipt,
    show_results,
    tenant_option,
    wait_option,
)
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.entrypoints.cli.tables import counted
from eventcron.model.names import Key


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
        _pause_all(_required(tenant, revision), stack, as_json=as_json)
        return
    key = key_of(schedule, tenant)

    async def work() -> Receipt:
        async with connected(stack) as client:
            return await client.pause(key.tenant, key.name, revision=revision, wait=wait)

    show_receipt(run_until_signal(work()), key, done="paused", as_json=as_json)


def _required(tenant: str | None, revision: int | None) -> str:
    if tenant is None:
        raise click.UsageError("give TENANT/NAME, or --tenant TENANT for all of a tenant's schedules")
    if revision is not None:
        raise click.UsageError("--revision is for one schedule; all of a tenant's get one of their own")
    return tenant


def _pause_all(tenant: str, stack: str, *, as_json: bool) -> None:
    async def work() -> tuple[list[Key], Results]:
        with Progress() as progress:
            async with connected(stack) as client:
                return await pause_tenant(
                    client, tenant, on_progress=lambda count: progress.show(f"{counted(count, 'schedule')} paused")
                )

    try:
        keys, results = run_until_signal(work())
    except Stopped as stopped:
        click.echo("eventcron: stopped; the same command pauses what is left", err=True)
        sys.exit(stopped.status)
    show_results(keys, results, done="paused", as_json=as_json)
