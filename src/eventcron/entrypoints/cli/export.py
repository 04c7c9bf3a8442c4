"""``eventcron export``: write a deployment's schedules and calendars as commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from eventcron.app.export import ExportReport
from eventcron.app.restore import Line
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import operations, stack_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.entrypoints.cli.tables import counted
from eventcron.model.commands import detail_type_of
from eventcron.rules.export import Exported

#: The path that stands for standard output.
STDOUT = Path("-")

_encode = msgspec.json.Encoder().encode


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@stack_option
@click.option("--schedules-table", help="Read this table of schedules, such as a restored one, not the stack's own.")
@click.option("--ledger-table", help="Read the calendars in this ledger table, not in the stack's own.")
@json_option
def command(file: Path, *, stack: str, schedules_table: str | None, ledger_table: str | None, as_json: bool) -> None:
    """Write every schedule and calendar to FILE, as JSON Lines of the commands that make them again.

    With - for FILE they go to standard output, for `eventcron apply -f -`. Each command carries its stored revision, so
    `eventcron restore` and `eventcron apply` undo nothing newer. The command reads both tables
    once and changes nothing. Schedules that are over are left out. Exit status 1 if this release cannot read a
    schedule, which is then not in FILE.
    """
    given = {"schedules_table": schedules_table, "ledger_table": ledger_table}
    tables = {name: table for name, table in given.items() if table is not None}
    try:
        with nullcontext(sys.stdout.buffer) if file == STDOUT else file.open("wb") as opened:
            report = run_until_signal(_export(stack, tables, opened))
            opened.flush()
    except OSError as error:
        if file == STDOUT:
            raise
        raise click.FileError(str(file), error.strerror) from error
    except Stopped as stopped:
        click.echo(f"eventcron: stopped; {file} is not complete", err=True)
        sys.exit(stopped.status)
    _show(report, file, as_json=as_json)
    sys.exit(1 if report.unreadable else 0)


async def _export(stack: str, tables: dict[str, str], file: BinaryIO) -> ExportReport:
    def write(commands: Sequence[Exported]) -> None:
        file.writelines(_encode(Line(detail_type_of(one), msgspec.Raw(_encode(one)))) + b"\n" for one in commands)

    async with operations(stack, tables=tables) as (cases, *_):
        with Progress() as progress:
            return await cases.exporter.run(
                write, on_progress=lambda report: progress.show(f"{counted(report.schedules, 'schedule')} written")
            )


def _show(report: ExportReport, file: Path, *, as_json: bool) -> None:
    err = file == STDOUT  # what is read there is the export alone
    if as_json:
        document = {
            "schedules": report.schedules,
            "calendars": report.calendars,
            "left_out": report.left_out,
            "unreadable": report.unreadable,
        }
        print_document(document, err=err)
    else:
        click.echo(
            f"{counted(report.calendars, 'calendar')} and {counted(report.schedules, 'schedule')} written to {file};"
            f" {report.left_out:,} left out, because they are over or deleted",
            err=err,
        )
    for line in report.unreadable:
        click.echo(f"eventcron: this release cannot read a schedule and leaves it out: {line}", err=True)
