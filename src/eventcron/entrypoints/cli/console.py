"""``eventcron console``: pages in a browser that show a deployment, until Ctrl-C."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from eventcron.adapters.aws.accounts import Account
from eventcron.adapters.aws.deployment import NoDeployment
from eventcron.adapters.clock import SystemClock
from eventcron.client.client import Client
from eventcron.client.dev_file import StaleDev
from eventcron.console.listener import LOOPBACK, NoConsole, Visited, address_of, listener_on, require_extra
from eventcron.console.live import Live
from eventcron.entrypoints.cli.operations import current_account, operations, stack_option
from eventcron.entrypoints.cli.signals import run_until_signal

if TYPE_CHECKING:
    from eventcron.console.site import Stack


@click.command("console")
@click.option("--host", default=LOOPBACK, show_default=True, help="The IP address to listen at.")
@click.option(
    "--port",
    default=8700,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port to listen at. 0 picks a free one.",
)
@click.option(
    "--allow-changes", is_flag=True, help="Let pages run, pause, resume and backfill, and handle dead letters."
)
@click.option("--i-know", is_flag=True, help="Serve at an address that other machines reach, without a password.")
@click.option("--json", "as_json", is_flag=True, help="When ready, print the address in one line of JSON.")
@stack_option
def command(*, host: str, port: int, allow_changes: bool, i_know: bool, as_json: bool, stack: str) -> None:
    """Show a deployment in a browser: its schedules, what fires now and next, dead letters, segments, tenants.

    It reads with your own credentials and changes nothing without --allow-changes. A change is the ordinary
    command on the bus, or for dead letters what eventcron redrive does, so IAM decides. Without a deployment the page
    Expression works. To hear what is published takes a temporary rule and queue; see the page on the Python client.
    """
    require_extra()
    listener = listener_on(host, port, known=i_know)

    def ready(found: Stack | str) -> None:
        address = address_of(listener)
        if isinstance(found, str):
            click.echo(f"eventcron: {found}; only the page Expression works", err=True)
        click.echo(json.dumps({"console": address}) if as_json else f"the console is at {address}; Ctrl-C ends it")

    with listener:
        work = serve_console(listener, None, stack, allow_changes=allow_changes, on_ready=ready)
        run_until_signal(work)


async def serve_console(
    listener: socket.socket,
    account: Account | None,
    stack: str,
    live: Live | None = None,
    *,
    allow_changes: bool,
    **more: Any,
) -> None:
    """Serve the console of *stack* until cancelled.

    It is in *account*; None = in the one that the command's options say. Somebody else adds what is published to
    *live*; None: nobody does, and the console listens itself.
    """
    from eventcron.console.serving import serve  # noqa: PLC0415  it takes long to import, and needs the extra

    await serve(
        listener,
        _opened(account, stack),
        live or Live(began=SystemClock().now()),
        allow_changes=allow_changes,
        listen=live is None,
        **more,
    )


class Pages(NamedTuple):
    """The console of a program that runs a stack itself."""

    allow_changes: bool
    stack: str = "eventcron"

    @asynccontextmanager
    async def served(self, account: Account, live: Live | None) -> AsyncIterator[str]:
        """Serve the console at the address, once somebody visits it. See ``serve_console``.

        Without the extra it is not served: stderr says so, and the address is "".
        """
        try:
            require_extra()
        except NoConsole as error:
            click.echo(f"eventcron: {error}", err=True)
            yield ""
            return

        def serve() -> Coroutine[Any, Any, None]:
            return serve_console(listener, account, self.stack, live, allow_changes=self.allow_changes)

        listener = listener_on(LOOPBACK, 0, known=False)
        visited = Visited(listener, serve, on_failure=lambda why: click.echo(f"eventcron: {why}", err=True))
        try:
            yield address_of(listener)
        finally:
            await visited.close()


@asynccontextmanager
async def _opened(account: Account | None, stack: str) -> AsyncIterator[Stack | str]:
    """The deployment, or why there is none."""
    from eventcron.console.site import Stack  # noqa: PLC0415  it needs the extra

    async with AsyncExitStack() as exits:
        try:
            account = account or current_account()
            opened = await exits.enter_async_context(operations(stack, account=account))
            client = await exits.enter_async_context(Client.at(account, stack=stack))
        except (NoDeployment, StaleDev) as error:
            found: Stack | str = str(error)
        else:
            where = account.endpoint or account.region or "your account"
            found = Stack(stack, where, client, opened.redrive, opened.queues)
        yield found
