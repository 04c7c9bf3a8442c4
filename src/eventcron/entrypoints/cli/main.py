"""The ``eventcron`` command: a group whose subcommands are imported only when asked for."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import click

from eventcron import __version__
from eventcron.entrypoints.cli.signals import Stopped
from eventcron.entrypoints.cli.start import INTERRUPTED
from eventcron.errors import EventcronError

#: Subcommand → the module of this package that has it as ``command``.
COMMANDS = {
    "apply": "apply",
    "backfill": "backfill",
    "backfills": "backfills",
    "calendars": "calendars",
    "console": "console",
    "convert": "convert",
    "cost": "cost",
    "delete": "delete",
    "demo": "demo",
    "dev": "dev",
    "diff": "diff",
    "doctor": "doctor",
    "explain": "explain",
    "export": "export",
    "get": "get",
    "history": "history",
    "import": "importing",
    "init": "init",
    "limits": "limits",
    "list": "list",
    "next": "next",
    "pause": "pause",
    "put": "put",
    "redrive": "redrive",
    "restore": "restore",
    "resume": "resume",
    "rules": "rules",
    "run": "run",
    "segments": "segments",
    "simulate": "simulate",
    "subscribe": "subscribe",
    "tail": "tail",
    "upcoming": "upcoming",
    "why": "why",
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        """Write what each command does: its module's first line says it, and importing all modules takes a second."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(module)) for name, module in sorted(COMMANDS.items())])


def _summary(module: str) -> str:
    """What the command of *module* does. The first line of its source says so, after the name and a colon."""
    with Path(__file__).with_name(f"{module}.py").open(encoding="utf-8") as source:
        sentence = source.readline().strip().strip('"').partition(": ")[2].replace("``", "`")
    return sentence[:1].upper() + sentence[1:]


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


#: What the system answers when standard output takes no more: a full disk, a quota, a broken or a closed file.
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def main(argv: list[str] | None = None) -> None:
    """Run the command. Whatever stops it is one sentence on stderr and an exit status, never a traceback.

    The status is 2 for a user's mistake, 1 if the output cannot be written, and 128 + its number for a signal.
    """
    try:
        status = cli.main(args=argv, prog_name="eventcron", standalone_mode=False)
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        status = error.exit_code
    except click.Abort:  # click's word for Ctrl-C
        status = _say("stopped", INTERRUPTED)
    except Stopped as stopped:
        status = _say("stopped", stopped.status)
    except EventcronError as error:
        status = _say(str(error), 1 if error.retryable else 2)
    except UnicodeEncodeError as error:  # Python reads bytes that are no UTF-8 as lone surrogates
        if not any("\ud800" <= sign <= "\udfff" for sign in error.object):
            raise
        status = _say(f"{error.object[:80]!a} is no text in UTF-8", 2)
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            raise
        _discard(sys.stdout)
        status = _say(f"the output cannot be written: {os.strerror(error.errno).lower()}", 1)
    try:
        sys.stderr.flush()
    except OSError:  # where stderr is full too, the status has to do
        _discard(sys.stderr)
    sys.exit(status)


def _say(sentence: str, status: int) -> int:
    with suppress(OSError):
        click.echo(f"eventcron: {sentence}", err=True)
    return status


def _discard(stream: TextIO) -> None:
    """Let what *stream* still holds go nowhere. Python would fail on it once more as it exits, with its own status."""
    with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
