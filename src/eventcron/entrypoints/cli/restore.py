"""``eventcron restore``: put what ``eventcron export`` wrote on a deployment's bus."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from eventcron.app.restore import RestoreReport, decode_line
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import operations, stack_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.entrypoints.cli.tables import counted
from eventcron.errors import EventcronError
from eventcron.rules.export import Exported

#: The most names that the text shows of what was not applied.
SHOWN = 20


class NoExport(EventcronError):
    """The file is not one that ``eventcron export`` wrote: says which line, and why."""


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@stack_option
@click.option(
    "--rate", default=200.0, show_default=True, type=click.FloatRange(1, 10_000), help="Commands a second at most."
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Put everything under the present time, so that it replaces what is there, and what was deleted comes back.",
)
@json_option
def command(file: Path, *, stack: str, rate: float, overwrite: bool, as_json: bool) -> None:
    """Put the schedules and calendars in FILE on a deployment's bus: calendars first, then schedules.

    What the deployment has already, or has newer, stays as it is. The command waits until what it has put is applied.
    Exit status 1 if something is not. It may be stopped and started again at any time.
    """
    for _ in _read(file):  # a mistake in the file is found before anything is put
        pass
    try:
        report = run_until_signal(_restore(file, stack, rate=rate, overwrite=overwrite))
    except Stopped as stopped:
        click.echo("eventcron: stopped; the same command puts what is left", err=True)
        sys.exit(stopped.status)
    if as_json:
        print_document({"put": report.put, "present": report.present, "missing": report.missing})
    else:
        click.echo(
            f"{counted(report.put, 'command')} put; {report.present:,} not needed, as the deployment has that or newer"
        )
    for name in report.missing[:SHOWN]:
        click.echo(f"eventcron: {name} was put but not applied; Schedule Rejected says why", err=True)
    if len(report.missing) > SHOWN:
        click.echo(f"eventcron: … and {len(report.missing) - SHOWN:,} more: --json lists them all", err=True)
    sys.exit(1 if report.missing else 0)


async def _restore(file: Path, stack: str, *, rate: float, overwrite: bool) -> RestoreReport:
    async with operations(stack) as deployment:
        with Progress() as progress:
            return await deployment.restorer.run(
                lambda: _read(file),
                per_second=rate,
                overwrite=overwrite,
                on_progress=lambda report: progress.show(f"{report.put:,} put, {report.present:,} not needed"),
            )


def _read(file: Path) -> Iterator[Exported]:
    """The commands in *file*.

    Raises:
        NoExport: a line is none of an export.
    """
    with file.open("rb") as lines:
        for number, text in enumerate(lines, 1):
            try:
                exported = decode_line(text)
            except EventcronError as error:
                raise NoExport(f"{file}:{number}: {error}") from error
            yield exported
