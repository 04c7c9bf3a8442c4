"""``eventcron limits``: what tenants may do in a deployment, and how many schedules they have."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from eventcron.app.tenant_limits import TenantLimits, limits_of
from eventcron.client.schedules import check_names
from eventcron.entrypoints.cli.completion import complete_tenant
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import operations, stack_option
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import table


@click.command("limits")
@click.argument("tenants", metavar="TENANT…", nargs=-1, required=True, shell_complete=complete_tenant)
@stack_option
@json_option
def command(tenants: tuple[str, ...], stack: str, *, as_json: bool) -> None:
    """Show how many schedules each TENANT has, and the limits that the deployment sets every tenant."""
    for tenant in tenants:
        check_names(tenant)
    found = run_until_signal(_look(stack, tenants))
    if as_json:
        shown: list[dict[str, Any]] = [msgspec.to_builtins(one) for one in found]
        print_document({"tenants": shown})
    else:
        click.echo(_table(found))


async def _look(stack: str, tenants: tuple[str, ...]) -> list[TenantLimits]:
    async with operations(stack) as (cases, *_):
        return [await limits_of(cases.store, cases.settings, tenant) for tenant in dict.fromkeys(tenants)]


def _table(found: list[TenantLimits]) -> str:
    heads = ("tenant", "schedules", "at most", "fires a minute", "seconds between fires", "bytes of input")
    rows = [
        (
            one.tenant,
            f"{one.schedules:,}",
            _limit(one.max_schedules),
            _limit(one.fires_per_minute),
            f"{one.min_period_seconds:,}",
            f"{one.max_input_bytes:,}",
        )
        for one in found
    ]
    return table(heads, rows, right=heads[1:])


def _limit(limit: int) -> str:
    return f"{limit:,}" if limit else "no limit"
