"""The ``eventcron`` command: a group whose subcommands are imported only when asked for."""

from __future__ import annotations

import importlib
import sys

import click

from eventcron import __version__
from eventcron.errors import EventcronError

#: Subcommand → the module of this package that has it as ``command``.
COMMANDS = {
    "backfills": "backfills",
    "convert": "convert",
    "demo": "demo",
    "dev": "dev",
    "explain": "explain",
    "export": "export",
    "limits": "limits",
    "next": "next",
    "redrive": "redrive",
    "restore": "restore",
    "segments": "segments",
    "simulate": "simulate",
    "upcoming": "upcoming",
}


class LazyGroup(click.Group):
    """Imports a subcommand's module when it is used, so that ``next`` does not import what ``demo`` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(f"eventcron.entrypoints.cli.{module}").command
        return command


def _version(ctx: click.Context, _param: click.Parameter, *, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version  # noqa: PLC0415  # only --version needs it

    click.echo(f"eventcron {__version__} (tzdata {version('tzdata')}, Python {sys.version.split()[0]})")
    ctx.exit()


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=lambda c, p, value: _version(c, p, value=value),
    help="Print the releases of eventcron, its time zone rules and Python.",
)
def cli() -> None:
    """A multi-tenant scheduler for AWS: put schedules by PutEvents, receive their fires at the exact instant."""


def main(argv: list[str] | None = None) -> None:
    """Run the command; a user's mistake is one sentence on stderr and exit status 2, never a traceback."""
    try:
        cli.main(args=argv, prog_name="eventcron")
    except EventcronError as error:
        click.echo(f"eventcron: {error}", err=True)
        sys.exit(2)
