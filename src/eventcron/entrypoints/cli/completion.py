"""What the shell completes: tenants, schedules and calendars, read from the deployment. Nothing if it is not there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import click
from click.shell_completion import CompletionItem

from eventcron.client.client import Client
from eventcron.client.verbs import Verbs
from eventcron.entrypoints.cli.operations import account_of
from eventcron.errors import EventcronError

#: Seconds that completion looks for names, and how many it shows: more than a terminal shows at once.
SECONDS = 3.0
SHOWN = 100

#: What may stand for a text that is not complete, of a tenant or of all.
Names: TypeAlias = Callable[[Verbs, str, str | None], Awaitable[list[str]]]


async def schedules(client: Verbs, incomplete: str, tenant: str | None) -> list[str]:
    """What *incomplete* may become: a tenant and a slash, or the name of a tenant's schedule."""
    given, slash, prefix = incomplete.partition("/")
    if tenant is None and not slash:
        return [f"{one}/" for one in await tenants(client, given, None)]
    found = client.list(tenant or given, prefix=incomplete if tenant else prefix)
    return sorted([stored.key.name if tenant else str(stored.key) async for stored in _first(found, SHOWN)])


async def tenants(client: Verbs, incomplete: str, _tenant: str | None) -> list[str]:
    """The tenants that have schedules and whose names begin with *incomplete*."""
    found: set[str] = set()
    async for stored in client.list():
        if stored.key.tenant.startswith(incomplete):
            found.add(stored.key.tenant)
        if len(found) >= SHOWN:
            break
    return sorted(found)


async def calendars(client: Verbs, incomplete: str, tenant: str | None) -> list[str]:
    """The calendars, ``TENANT/CALENDAR``, or those of *tenant* by their names alone."""
    found = [one.name if tenant else f"{one.tenant}/{one.name}" async for one in client.calendars(tenant)]
    return sorted(one for one in found if one.startswith(incomplete))[:SHOWN]


async def _first(items: AsyncIterator[Any], count: int) -> AsyncIterator[Any]:
    async for item in items:
        yield item
        count -= 1
        if not count:
            return


def _completes(names: Names) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        async def look() -> list[str]:
            account = account_of({}, Path.cwd(), os.environ, silently=True)
            async with (
                asyncio.timeout(SECONDS),
                Client.at(account, stack=str(context.params.get("stack") or "eventcron")) as client,
            ):
                return await names(client, incomplete, context.params.get("tenant"))

        try:
            found = asyncio.run(look())
        except (EventcronError, OSError, TimeoutError):
            return []
        return [CompletionItem(name) for name in found]

    return complete


complete_schedule = _completes(schedules)
complete_tenant = _completes(tenants)
complete_calendar = _completes(calendars)
