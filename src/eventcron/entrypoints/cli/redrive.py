"""``eventcron redrive``: list and show dead letters with their reasons, send them back, or drop them with a record."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from eventcron.app.redrive import SLOWEST, RedriveReport, waiting_in
from eventcron.client.dead_letters import DROPPED, append, as_object, text_of
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import QUEUES, operations, stack_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import columns, counted, table
from eventcron.ports import DeadLetter
from eventcron.timing.instant import rfc3339

#: Characters. The most that the text shows of a body.
SHOWN_CHARS = 2_000
#: The most dead letters that `drop --all` removes.
ALL = 1_000_000


class _QueueType(click.ParamType[str]):
    """The name of one of the stack's queues, or the URL of another dead-letter queue."""

    name = "queue"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text not in QUEUES and not text.startswith(("https://", "http://")):
            self.fail(f"got {text!r}; allowed: {', '.join(QUEUES)}, or the URL of a dead-letter queue", param, ctx)
        return text


queue_argument = click.argument("queue", type=_QueueType(), metavar="QUEUE")
ids_argument = click.argument("ids", nargs=-1, metavar="[ID...]")
all_option = click.option("--all", "everything", is_flag=True, help="Every dead letter of the queue.")


@click.group("redrive")
def command() -> None:
    """Show dead letters, send them back, or drop them.

    \b
    QUEUE is one of these, or the URL of another dead-letter queue:
      commands  commands that the registrar could not apply
      fires     fires that the executor could not publish
      segments  segment ranges that no planner could plan (only with several planners)
      history   events that could not be kept (only with a history)
      targets   events that EventBridge could not deliver to eventcron

    A subscription's own dead-letter queue is its output DeadLettersUrl.
    """


@command.command("list")
@stack_option
@json_option
def list_dead_letters(stack: str, *, as_json: bool) -> None:
    """Print about how many dead letters each queue has. Exit status 1 if there are any."""

    async def count() -> dict[str, int]:
        async with operations(stack) as (_, redrive, queues, _):
            return await waiting_in(queues, redrive)

    counts = run_until_signal(count())
    rows = [(queue, f"{n:,}") for queue, n in counts.items()]
    if as_json:
        print_document(counts)
    else:
        click.echo(table(("queue", "dead letters"), rows, right={"dead letters"}))
    sys.exit(1 if any(counts.values()) else 0)


@command.command("show")
@queue_argument
@ids_argument
@stack_option
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1_000), help="How many dead letters.")
@json_option
def show(queue: str, ids: tuple[str, ...], stack: str, limit: int, *, as_json: bool) -> None:
    """Show dead letters with reason and payload. They stay in the queue."""

    async def look() -> list[DeadLetter]:
        async with operations(stack) as (_, redrive, *_):
            return await (await redrive(queue, None)).look(limit=limit, ids=ids)

    dead_letters = run_until_signal(look())
    if as_json:
        print_document({"queue": queue, "dead_letters": [as_object(dead_letter) for dead_letter in dead_letters]})
    else:
        click.echo("\n\n".join(map(_as_text, dead_letters)) or f"no dead letters in {queue}")


@command.command("send")
@queue_argument
@ids_argument
@all_option
@stack_option
@click.option(
    "--rate",
    default=10.0,
    show_default=True,
    type=click.FloatRange(SLOWEST, 1_000),
    help="Dead letters a second at most.",
)
@click.option(
    "--to",
    metavar="ARN",
    help="Send to this queue, function, topic, state machine, bus or log group instead, each event unchanged.",
)
@json_option
def send(
    *, queue: str, ids: tuple[str, ...], stack: str, rate: float, to: str | None, everything: bool, as_json: bool
) -> None:
    """Send dead letters back to their queues or targets.

    The command removes each dead letter only after it has sent it, so a crash can repeat a dead letter but not lose
    it. A fire that is older than its schedule's misfire grace is skipped and reported by Schedule Skipped. An event for
    a rule's target goes to that target, transformed by the rule's Input or InputPath. A dead letter that cannot be sent
    stays, and the command prints the reason.
    """
    _need(ids, everything=everything)

    async def work() -> RedriveReport:
        async with operations(stack) as (_, redrive, *_):
            dead_letters = await redrive(queue, to)
            # A failed one returns as a new dead letter. The limit keeps it from being sent again and again.
            limit = len(ids) or await dead_letters.waiting()
            with _Count("sent") as count:
                return await dead_letters.send(limit=limit, ids=ids, per_second=rate, on_progress=count)

    _finish(run_until_signal(work()), "sent", as_json=as_json)


@command.command("drop")
@queue_argument
@ids_argument
@all_option
@stack_option
@click.option(
    "--record",
    default=DROPPED,
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The command appends each dead letter to this file, as a line of JSON, before it removes it.",
)
@json_option
def drop(queue: str, ids: tuple[str, ...], stack: str, record: Path, *, everything: bool, as_json: bool) -> None:
    """Remove dead letters for good, after writing each with payload and reason to a file."""
    _need(ids, everything=everything)

    async def work() -> RedriveReport:
        async with operations(stack) as (_, redrive, *_):
            with _Count("dropped") as count:
                return await (await redrive(queue, None)).drop(
                    limit=len(ids) or ALL, ids=ids, record=partial(_record, record, queue), on_progress=count
                )

    _finish(run_until_signal(work()), "dropped", as_json=as_json)


def _need(ids: tuple[str, ...], *, everything: bool) -> None:
    if bool(ids) == everything:
        raise click.UsageError("give the ids of dead letters, as `eventcron redrive show` prints them, or --all")


def _record(file: Path, queue: str, dead_letter: DeadLetter) -> None:
    try:
        append(file, queue, dead_letter)
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from error


class _Count(Progress):
    """Shows how many dead letters are *done*, which is ``sent`` or ``dropped``; also if the command is stopped."""

    def __init__(self, done: str) -> None:
        super().__init__()
        self._done = done
        self._count = 0

    def __call__(self, count: int) -> None:
        self._count = count
        self.show(f"{count:,} {self._done}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        if isinstance(error, asyncio.CancelledError):
            click.echo(f"eventcron: {self._count:,} {self._done}; what is left stays in the queue", err=True)


def _finish(report: RedriveReport, done: str, *, as_json: bool) -> None:
    if as_json:
        print_document({done: report.done, "failed": report.failed, "missing": report.missing})
    else:
        click.echo(f"{report.done:,} {done}")
    for dead_letter_id, reason in report.failed.items():
        click.echo(f"eventcron: {dead_letter_id} stays: {reason}", err=True)
    for dead_letter_id in report.missing:
        click.echo(
            f"eventcron: {dead_letter_id} was not found; another reader may hold it, so try again in two minutes",
            err=True,
        )
    sys.exit(1 if report.failed or report.missing else 0)


def _as_text(dead_letter: DeadLetter) -> str:
    body = text_of(dead_letter)
    if len(body) > SHOWN_CHARS:
        body = f"{body[:SHOWN_CHARS]}\n… {counted(len(body) - SHOWN_CHARS, 'more character')}: --json shows all"
    rows = [
        ("id", dead_letter.id),
        ("sent", rfc3339(dead_letter.sent)),
        ("reason", f"{dead_letter.code}: {dead_letter.reason}"),
    ]
    rows += [(name, value) for name, value in (("target", dead_letter.target), ("rule", dead_letter.rule)) if value]
    return f"{columns(rows)}\n{body}"
