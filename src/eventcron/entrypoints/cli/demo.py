"""``eventcron demo``: run the whole stack on this machine and compare the fires with those that were due."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console

from eventcron.adapters.clock import SystemClock
from eventcron.demo.comparison import Lateness, Report
from eventcron.demo.run import Run
from eventcron.demo.samples import find_examples
from eventcron.demo.screen import Lines, Screen, Terminal
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.entrypoints.cli.tables import columns, counted
from eventcron.errors import EventcronError
from eventcron.local.embedded import FunctionOutput
from eventcron.local.runtime import LocalSettings, Runtime
from eventcron.model.commands import Schedule
from eventcron.preview.files import read_schedules

#: The most faults printed. ``--json`` lists all.
SHOWN = 20


@click.command("demo")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--seconds", default=60, show_default=True, type=click.IntRange(10, 150), help="How long the schedules fire."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the result to this file."
)
@click.option(
    "--port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port of the embedded AWS. 0 picks a free one.",
)
def command(files: tuple[Path, ...], *, seconds: int, json_file: Path | None, port: int) -> None:
    """Run the whole stack on this machine and compare the fires with those that were due.

    The demo puts the schedules in FILES and 30 frequent ones on an embedded AWS, by PutEvents. FILES are JSON Lines, a
    JSON array or YAML. Without FILES, the demo puts the 1,307 real schedules that ship with eventcron, sixty times as
    fast: what they do in an hour, they do in a minute. A Lambda function, a state machine and an API destination
    receive the fires. If a fire is lost, early, repeated, or published after its schedule was deleted, the demo names
    it and exits with status 1.
    """
    if json_file is not None and not json_file.parent.is_dir():
        raise click.BadParameter(f"there is no folder {json_file.parent}", param_hint="--json")
    schedules = _read(files or (find_examples(),))
    screen = Terminal(Console(stderr=True)) if sys.stderr.isatty() else Lines(_say)
    try:
        report = run_until_signal(_run(schedules, seconds=seconds, compressed=not files, port=port, screen=screen))
    except Stopped as stopped:
        sys.exit(stopped.status)
    finally:
        screen.close()
    click.echo(summary(report))
    if json_file is not None:
        try:
            json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
        except OSError as error:
            raise click.FileError(str(json_file), error.strerror) from error
    if not report.good:
        sys.exit(1)


def _read(files: Sequence[Path]) -> list[Schedule]:
    """The schedules in *files*.

    Raises:
        EventcronError: entries are wrong; says which ones and why.
    """
    entries = list(read_schedules(files))
    wrong = [str(entry) for entry in entries if entry.schedule is None]
    if wrong:
        raise EventcronError("\n".join(wrong))
    return [entry.schedule for entry in entries if entry.schedule is not None]


async def _run(schedules: Sequence[Schedule], *, seconds: int, compressed: bool, port: int, screen: Screen) -> Report:
    def show_failure(output: FunctionOutput) -> None:
        if output.error:
            screen.step(f"{output.function} failed: {output.output.strip()[-500:]}")

    runtime = Runtime(
        LocalSettings(port=port),
        on_progress=screen.step,
        on_output=show_failure,
        on_failure=lambda answer: screen.step(f"the planner failed: {answer}"),
    )
    async with runtime:
        run = Run(runtime, clock=SystemClock(), screen=screen)
        return await runtime.guard(run.report(schedules, seconds=seconds, compressed=compressed))


def summary(report: Report) -> str:
    """The text of *report*."""
    files = report.from_files
    rows = [
        ("schedules emitted", f"{report.emitted:,}"),
        ("  accepted", f"{report.accepted:,}"),
        ("  rejected", f"{report.rejected:,}"),
        *((f"    {one.schedule}", one.message) for one in report.rejections),
        ("fires due", f"{report.due:,}"),
        ("  published", f"{report.published:,}"),
        *((f"  received by {target}", f"{count:,}") for target, count in report.received.items()),
        *((f"  skipped: {reason}", f"{count:,}") for reason, count in report.skipped.items()),
        ("lateness p50, p99, max", _lateness(report.lateness_ms)),
        ("early", f"{report.early:,}"),
        ("missing", f"{report.missing:,}"),
        ("duplicates", f"{report.duplicates:,}"),
        ("after delete", f"{report.after_delete:,}"),
        ("unexpected", f"{report.unexpected:,}"),
        ("from files, schedules fired", f"{files.fired:,} of {files.emitted:,}"),
        ("  fires due", f"{files.due:,}"),
        ("  published", f"{files.published:,}"),
        *((f"  received by {target}", f"{count:,}") for target, count in files.received.items()),
        ("  lateness p50, p99, max", _lateness(files.lateness_ms)),
    ]
    faults = report.faults[:SHOWN]
    if len(report.faults) > SHOWN:
        faults.append(f"and {len(report.faults) - SHOWN:,} more: --json lists them all")
    if faults:
        verdict = click.style(f"FAIL: {counted(len(report.faults), 'fault')}", fg="red")
    else:
        verdict = click.style(f"PASS: {counted(report.published, 'fire')}, none missing, early or repeated", fg="green")
    return "\n".join(["", columns(rows), "", verdict, *faults])


def _lateness(late: Lateness) -> str:
    return f"{late.p50}, {late.p99}, {late.max} ms"


def _say(line: str) -> None:
    click.echo(line, err=True)
