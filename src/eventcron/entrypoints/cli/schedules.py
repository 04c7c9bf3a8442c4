"""What the commands about single schedules share: the client, the name of a schedule, and what came of a command."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import click

from eventcron.client.client import Client
from eventcron.client.verbs import Receipt, Results, Verbs
from eventcron.entrypoints.cli.completion import complete_schedule, complete_tenant
from eventcron.entrypoints.cli.forms import print_document
from eventcron.entrypoints.cli.operations import current_account
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.entrypoints.cli.start import PARTLY
from eventcron.entrypoints.cli.tables import counted
from eventcron.model.names import Key

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


optional_schedule = click.argument(
    "schedule", metavar="[TENANT/NAME]", required=False, shell_complete=complete_schedule
)
schedule_argument = click.argument("schedule", metavar="TENANT/NAME", shell_complete=complete_schedule)
tenant_option = click.option(
    "--tenant", metavar="TENANT", help="The tenant; then NAME alone is enough.", shell_complete=complete_tenant
)
#: Of commands about several schedules: ``TENANT/PREFIX``, or a tenant and the beginning of names.
prefix_argument = click.argument("prefix", metavar="[TENANT/PREFIX]", default="", shell_complete=complete_schedule)
tenant_of_prefix_option = click.option(
    "--tenant",
    metavar="TENANT",
    shell_complete=complete_tenant,
    help="Only this tenant's; then PREFIX is of the name alone.",
)


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
        click.echo(f"{key}: {done} (event {receipt.event_id}); the command did not wait for the answer")


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
