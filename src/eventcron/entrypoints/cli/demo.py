"""``eventcron demo``: the whole flow on this machine, and a comparison with what was due."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console

from eventcron.adapters.clock import SystemClock
from eventcron.demo import examples
from eventcron.demo.beside import beside
from eventcron.demo.comparison import Report
from eventcron.demo.performance import Performance
from eventcron.demo.screen import Lines, Screen, Terminal
from eventcron.errors import EventcronError
from eventcron.local.embedded import FunctionOutput
from eventcron.local.runtime import LocalSettings, Runtime
from eventcron.model.commands import Schedule
from eventcron.preview.files import read_schedules

T = TypeVar("T")

#: Faults printed; ``--json`` has all.
SHOWN = 20


@click.command("demo")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--seconds", default=60, show_default=True, type=click.IntRange(10, 150), help="How long it fires.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the result there too."
)
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free one.")
def command(files: tuple[Path, ...], *, seconds: int, json_file: Path | None, port: int) -> None:
    """Run the whole flow on this machine and compare what was fired with what was due.

    Puts the schedules in FILES (JSON Lines, a JSON array or YAML; by default the 1,307 that ship with eventcron) and
    30 quick ones by PutEvents on an embedded AWS; a Lambda function, a state machine and an API destination receive
    their fires. If anything is lost, early, repeated, or fired after it was deleted, it says what, and the exit
    status is 1.
    """
    if json_file is not None and not json_file.parent.is_dir():
        raise click.BadParameter(f"there is no folder {json_file.parent}", param_hint="--json")
    schedules = _read(files or (examples.find(),))
    screen = Terminal(Console(stderr=True)) if sys.stderr.isatty() else Lines(_say)
    try:
        report = _until_signal(_run(schedules, seconds=seconds, port=port, screen=screen))
    finally:
        screen.close()
    click.echo(summary(report))
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    if not report.good:
        sys.exit(1)


def _read(files: Sequence[Path]) -> list[Schedule]:
    """The schedules in *files*.

    Raises:
        EventcronError: an entry is wrong; says which ones, and how.
    """
    entries = list(read_schedules(files))
    wrong = [str(entry) for entry in entries if entry.schedule is None]
    if wrong:
        raise EventcronError("\n".join(wrong))
    return [entry.schedule for entry in entries if entry.schedule is not None]


async def _run(schedules: Sequence[Schedule], *, seconds: int, port: int, screen: Screen) -> Report:
    def complain(output: FunctionOutput) -> None:
        if output.error:
            screen.step(f"{output.function} failed: {output.output.strip()[-500:]}")

    runtime = Runtime(
        LocalSettings(port=port),
        on_progress=screen.step,
        on_output=complain,
        on_failure=lambda answer: screen.step(f"the planner failed: {answer}"),
    )
    async with runtime:
        performance = Performance(runtime, clock=SystemClock(), screen=screen)
        return await runtime.guard(beside(performance.run(schedules, seconds=seconds), [runtime.failed()]))


def _until_signal(work: Coroutine[Any, Any, T]) -> T:
    """The result of *work*. A signal ends it, lets it clean up, and decides the exit status as a shell expects."""
    caught: list[signal.Signals] = []

    async def run() -> T:
        working = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _stop(working, caught, number))
        return await working

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        sys.exit(128 + caught[0])


def _stop(task: asyncio.Future[Any], caught: list[signal.Signals], number: signal.Signals) -> Callable[[], None]:
    def stop() -> None:
        caught.append(number)
        task.cancel()

    return stop


def summary(report: Report) -> str:
    """*report* for a person."""
    late = report.lateness_ms
    rows = [
        ("schedules emitted", f"{report.emitted:,}"),
        ("  accepted", f"{report.accepted:,}"),
        ("  rejected", f"{report.rejected:,}"),
        *((f"    {one.schedule}", one.message) for one in report.rejections),
        ("fires due", f"{report.due:,}"),
        ("  published", f"{report.published:,}"),
        *((f"  received by {target}", f"{count:,}") for target, count in report.received.items()),
        *((f"  skipped: {reason}", f"{count:,}") for reason, count in report.skipped.items()),
        ("lateness p50, p99, max", f"{late.p50}, {late.p99}, {late.max} ms"),
        ("early", f"{report.early:,}"),
        ("missing", f"{report.missing:,}"),
        ("duplicates", f"{report.duplicates:,}"),
        ("after delete", f"{report.after_delete:,}"),
        ("unexpected", f"{report.unexpected:,}"),
    ]
    width = max(len(name) for name, _ in rows if not name.startswith("    "))
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    faults = report.faults[:SHOWN]
    if len(report.faults) > SHOWN:
        faults.append(f"and {len(report.faults) - SHOWN:,} more: --json lists them all")
    verdict = "not as it must be:" if faults else "all as it must be"
    return "\n".join(["", *lines, "", click.style(verdict, fg="red" if faults else "green"), *faults])


def _say(line: str) -> None:
    click.echo(line, err=True)
