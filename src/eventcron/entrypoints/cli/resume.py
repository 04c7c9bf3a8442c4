"""``eventcron resume``: resume a schedule, or those of a tenant that were paused together."""

from __future__ import annotations

import sys

import click

from eventcron.client.tenants import resume_tenant
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


@click.command("resume")
@optional_schedule
@click.option(
    "--missed",
    type=click.Choice(["skip", "fire_once", "fire_all"]),
    help="What fires of the occurrences of the pause: none, the latest, or all.  [default: skip]",
)
@click.option("--revision", type=int, help="Orders commands.  [default: the event's time]")
@tenant_option
@wait_option(default=True)
@stack_option
@json_option
def command(
    schedule: str | None,
    *,
    missed: str | None,
    revision: int | None,
    tenant: str | None,
    wait: bool,
    stack: str,
    as_json: bool,
) -> None:
    """Resume the schedule TENANT/NAME, or with --tenant alone those that `eventcron pause --tenant` paused.

    What was paused before that, or by itself, stays paused. Exit status 3 if some schedules could not be resumed.
    """
    if schedule is None:
        if tenant is None:
            raise click.UsageError("give TENANT/NAME, or --tenant TENANT for what was paused together")
        if revision is not None:
            raise click.UsageError("--revision is for one schedule; all of a tenant's get one of their own")
        _resume_all(tenant, stack, missed, as_json=as_json)
        return
    key = key_of(schedule, tenant)

    async def work() -> Receipt:
        async with connected(stack) as client:
            return await client.resume(key.tenant, key.name, missed=missed, revision=revision, wait=wait)  # type: ignore[arg-type]  # one of the choices

    show_receipt(run_until_signal(work()), key, done="resumed", as_json=as_json)


def _resume_all(tenant: str, stack: str, missed: str | None, *, as_json: bool) -> None:
    async def work() -> tuple[list[Key], Results]:
        with Progress() as progress:
            async with connected(stack) as client:
                return await resume_tenant(
                    client,
                    tenant,
                    missed=missed,
                    on_progress=lambda count: progress.show(f"{counted(count, 'schedule')} resumed"),
                )

    try:
        keys, results = run_until_signal(work())
    except Stopped as stopped:
        click.echo("eventcron: stopped; the same command resumes what is left", err=True)
        sys.exit(stopped.status)
    show_results(keys, results, done="resumed", as_json=as_json)
