"""What the commands about single schedules share: the client, the name of a schedule, and what came of a command."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from eventcron.client.client import Client
from eventcron.client.verbs import Receipt, Results, Verbs
from eventcron.entrypoints.cli.forms import print_document
from eventcron.entrypoints.cli.operations import account_of, current_account
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.entrypoints.cli.start import PARTLY
from eventcron.entrypoints.cli.tables import counted
from eventcron.errors import EventcronError
from eventcron.model.names import Key

#: Seconds that completion looks for names, and how many it shows: more than a terminal shows at once.
COMPLETION_SECONDS = 3.0
COMPLETIONS = 100
#: Failures that are named on stderr; the rest is counted.
SHOWN = 20


@asynccontextmanager
async def connected(stack: str, *, source: str = "") -> AsyncIterator[Verbs]:
    """The client of *stack*, in the account that the command's options say.

    Raises:
        NoDeployment, StaleDev: there is no such stack.
    """
    async with Client.at(current_account(), stack=stack, source=source) as client:
        yield client


def _complete(context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of tenants, and of a tenant's schedules after the slash. Nothing if the deployment cannot be reached."""

    async def look() -> list[str]:
        account = account_of({}, Path.cwd(), os.environ, silently=True)
        async with (
            asyncio.timeout(COMPLETION_SECONDS),
            Client.at(account, stack=str(context.params.get("stack") or "eventcron")) as client,
        ):
            return await names(client, incomplete, tenant=context.params.get("tenant"))

    try:
        found = asyncio.run(look())
    except (EventcronError, OSError, TimeoutError):
        return []
    return [CompletionItem(name) for name in found]


async def names(client: Verbs, incomplete: str, *, tenant: str | None = None) -> list[str]:
    """What *incomplete* may become: a tenant and a slash, or the name of a tenant's schedule."""
    given, slash, prefix = incomplete.partition("/")
    if tenant is not None or slash:
        found = client.list(tenant or given, prefix=incomplete if tenant else prefix)
        shown = [stored.key.name if tenant else str(stored.key) async for stored in _first(found, COMPLETIONS)]
        return sorted(shown)
    tenants: set[str] = set()
    async for stored in client.list():
        tenants.add(stored.key.tenant)
        if len(tenants) >= COMPLETIONS:
            break
    return sorted(f"{one}/" for one in tenants if one.startswith(given))


async def _first(items: AsyncIterator[Any], count: int) -> AsyncIterator[Any]:
    async for item in items:
        yield item
        count -= 1
        if not count:
            return


optional_schedule = click.argument("schedule", metavar="[TENANT/NAME]", required=False, shell_complete=_complete)
schedule_argument = click.argument("schedule", metavar="TENANT/NAME", shell_complete=_complete)
tenant_option = click.option("--tenant", metavar="TENANT", help="The tenant; then NAME alone is enough.")


def wait_option(*, default: bool) -> Callable[[Any], Any]:
    """Whether a command waits for the deployment's answer."""
    return click.option(
        "--wait/--no-wait",
        default=default,
        show_default=True,
        help="Wait for the answer. That takes a temporary rule and queue; see the page on the Python client.",
    )


def key_of(text: str, tenant: str | None) -> Key:
    """The schedule that *text* names: ``TENANT/NAME``, or ``NAME`` if *tenant* is given.

    Raises:
        UsageError: it names none, or another tenant's.
    """
    given, slash, name = text.partition("/")
    if not slash and tenant:
        return Key(tenant, text)
    if not slash or not given or not name:
        raise click.UsageError(f"{text!r} names no schedule; give TENANT/NAME, or NAME and --tenant TENANT")
    if tenant not in {None, given}:
        raise click.UsageError(f"{text!r} is not of --tenant {tenant}; give one of the two")
    return Key(given, name)


def show_receipt(receipt: Receipt, key: object, *, done: str, as_json: bool) -> None:
    """Print what came of one command. *done* says what was asked for, if no answer was waited for."""
    if as_json:
        print_document({"event_id": receipt.event_id, "event": receipt.event or None, "detail": receipt.detail or None})
    elif receipt.event:
        click.echo(f"{key}: {receipt.event}")
    else:
        click.echo(f"{key}: {done} (event {receipt.event_id}); the answer was not waited for")


def show_results(keys: Sequence[object], results: Results, *, done: str, as_json: bool) -> None:
    """Print how many of many commands went well, and which did not. Ends the command: 0, 3 if some failed, 1 if all."""
    failed = {
        str(key): str(result) for key, result in zip(keys, results, strict=True) if not isinstance(result, Receipt)
    }
    well = len(results) - len(failed)
    if as_json:
        print_document({done: well, "failed": failed})
    else:
        click.echo(f"{counted(well, 'schedule')} {done}")
    for key, reason in [*failed.items()][:SHOWN]:
        click.echo(f"eventcron: {key}: {reason}", err=True)
    if len(failed) > SHOWN:
        click.echo(f"eventcron: and {len(failed) - SHOWN:,} more", err=True)
    if failed:
        sys.exit(PARTLY if well else 1)


def required_tenant(tenant: str | None, revision: int | None, *, of: str) -> str:
    """The tenant of a command that names no schedule and acts on *of*.

    Raises:
        UsageError: there is none, or a revision is given, which is for one schedule.
    """
    if tenant is None:
        raise click.UsageError(f"give TENANT/NAME, or --tenant TENANT for {of}")
    if revision is not None:
        raise click.UsageError("--revision is for one schedule; all of a tenant's get one of their own")
    return tenant


def act_on_tenant(
    opening: AbstractAsyncContextManager[Verbs],
    act: Callable[[Verbs, Callable[[int], None]], Awaitable[tuple[list[Key], Results]]],
    *,
    verb: str,
    as_json: bool,
) -> None:
    """Let *act* do *verb* to schedules of a tenant; it says how many are done. Print what came of it."""

    async def work() -> tuple[list[Key], Results]:
        with Progress() as progress:
            async with opening as client:
                return await act(client, lambda count: progress.show(f"{counted(count, 'schedule')} {verb}d"))

    try:
        keys, results = run_until_signal(work())
    except Stopped as stopped:
        click.echo(f"eventcron: stopped; the same command {verb}s what is left", err=True)
        sys.exit(stopped.status)
    show_results(keys, results, done=f"{verb}d", as_json=as_json)
