"""``eventcron resume``: resume a schedule, or those of a tenant that were paused together."""

from __future__ import annotations

import click

from eventcron.client.tenants import resume_tenant
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


@click.command("resume")
@optional_schedule
@click.option(
    "--missed",
    type=click.Choice(["skip", "fire_once", "fire_all"]),
    help="What fires of the occurrences of the pause: none, the latest, or all.  [default: skip]",
)
@click.option(
    "--per-minute", type=int, help="Fires a minute of each schedule, with fire_all.  [default: the deployment's]"
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
    per_minute: int | None,
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
        whole = required_tenant(tenant, revision, of="what was paused together")
        act_on_tenant(
            connected(stack),
            lambda client, note: resume_tenant(client, whole, missed=missed, per_minute=per_minute, on_progress=note),
            verb="resume",
            as_json=as_json,
        )
        return
    key = key_of(schedule, tenant)

    async def work() -> Receipt:
        async with connected(stack) as client, waiting(ANSWER):
            return await client.resume(
                key.tenant,
                key.name,
                missed=missed,  # type: ignore[arg-type]  # one of the choices
                per_minute=per_minute,
                revision=revision,
                wait=wait,
            )

    show_receipt(run_until_signal(work()), key, done="resumed", as_json=as_json)
