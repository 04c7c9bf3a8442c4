"""``eventcron redrive``: what could not be handled, and why; send it back, or drop it with a record."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from eventcron.app.redrive import SLOWEST, RedriveReport
from eventcron.entrypoints.cli.operations import QUEUES, json_option, operations, stack_option
from eventcron.ports import DeadLetter
from eventcron.timing.instant import rfc3339

#: Characters of a body in the text.
SHOWN_CHARS = 2_000
#: Letters that `--all` deals with at most.
ALL = 1_000_000


class _QueueType(click.ParamType[str]):
    """One of the stack's own, or the URL of another."""

    name = "queue"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text not in QUEUES and not text.startswith(("https://", "http://")):
            self.fail(f"{text!r} is not one of {', '.join(QUEUES)}, nor the URL of a queue of dead letters", param, ctx)
        return text


queue_argument = click.argument("queue", type=_QueueType(), metavar="QUEUE")
ids_argument = click.argument("ids", nargs=-1, metavar="[ID...]")
all_option = click.option("--all", "everything", is_flag=True, help="Every letter of the queue.")


@click.group("redrive")
def command() -> None:
    """Look at dead letters, send them back, or drop them.

    QUEUE is one of the stack's: commands that the registrar could not take, fires that the executor could not publish,
    plans (ranges of segments) that planners died of, where there are several, targets: events that EventBridge could
    not deliver to eventcron's own targets. Or it is the URL of another queue of dead letters, such as output
    DeadLettersUrl of a subscription.
    """


@command.command("list")
@stack_option
@json_option
def list_letters(stack: str, *, as_json: bool) -> None:
    """Say how many letters there are in each queue, about. Exit status 1 if there are any, so that a script can ask."""

    async def count() -> dict[str, int]:
        async with operations(stack) as (_, redrive, queues):
            return {queue: await redrive(queue, None).waiting() for queue in queues}

    counts = asyncio.run(count())
    click.echo(json.dumps(counts) if as_json else "\n".join(f"{queue:<9} {n:>7,}" for queue, n in counts.items()))
    sys.exit(1 if any(counts.values()) else 0)


@command.command("show")
@queue_argument
@ids_argument
@stack_option
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1_000), help="How many letters.")
@json_option
def show(queue: str, ids: tuple[str, ...], stack: str, limit: int, *, as_json: bool) -> None:
    """Show letters with their reason and payload. They stay where they are."""

    async def look() -> list[DeadLetter]:
        async with operations(stack) as (_, redrive, _):
            return await redrive(queue, None).look(limit=limit, ids=ids)

    letters = asyncio.run(look())
    if as_json:
        click.echo(json.dumps({"queue": queue, "letters": [_as_object(letter) for letter in letters]}, indent=2))
    else:
        click.echo("\n\n".join(map(_as_text, letters)) or f"no dead letters of {queue}")


@command.command("send")
@queue_argument
@ids_argument
@all_option
@stack_option
@click.option(
    "--rate", default=10.0, show_default=True, type=click.FloatRange(SLOWEST, 1_000), help="Letters a second at most."
)
@click.option(
    "--to",
    metavar="ARN",
    help="To this queue, function, topic, state machine, bus or log group instead, each event as it is.",
)
@json_option
def send(
    *, queue: str, ids: tuple[str, ...], stack: str, rate: float, to: str | None, everything: bool, as_json: bool
) -> None:
    """Send letters back to where they came from. Each is removed only once it was taken there.

    A fire that is older than its schedule's misfire grace by now is skipped, and told as such. An event for a rule's
    target goes to that target, with what the rule gives it of the event; a letter that cannot be sent from here
    stays, with the reason.
    """
    _need(ids, everything=everything)

    async def work() -> RedriveReport:
        async with operations(stack) as (_, redrive, _):
            letters = redrive(queue, to)
            # What comes back meanwhile is another letter: as many as there are now, and no more.
            limit = len(ids) or await letters.waiting()
            return await letters.send(limit=limit, ids=ids, per_second=rate, on_progress=_progress("sent"))

    _finish(asyncio.run(work()), "sent", as_json=as_json)


@command.command("drop")
@queue_argument
@ids_argument
@all_option
@stack_option
@click.option(
    "--record",
    default="dropped-letters.jsonl",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where each letter is written, one JSON object a line, before it is removed.",
)
@json_option
def drop(queue: str, ids: tuple[str, ...], stack: str, record: Path, *, everything: bool, as_json: bool) -> None:
    """Remove letters for good. Each is written to a file first, payload and reason and all."""
    _need(ids, everything=everything)

    async def work() -> RedriveReport:
        async with operations(stack) as (_, redrive, _):
            return await redrive(queue, None).drop(
                limit=len(ids) or ALL, ids=ids, record=_recorder(record, queue), on_progress=_progress("dropped")
            )

    _finish(asyncio.run(work()), "dropped", as_json=as_json)


def _need(ids: tuple[str, ...], *, everything: bool) -> None:
    if bool(ids) == everything:
        raise click.UsageError("give the ids of letters, as `eventcron redrive show` prints them, or --all")


def _recorder(path: Path, queue: str) -> Callable[[DeadLetter], None]:
    """Writes letters to *path* so that they survive this process and this machine's next power cut."""

    def write(letter: DeadLetter) -> None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"queue": queue, **_as_object(letter)}) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise click.FileError(str(path), error.strerror) from error

    return write


def _progress(done: str) -> Callable[[int], None]:
    def show_progress(count: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{count:,} {done}", err=True, nl=False)

    return show_progress


def _finish(dealt: RedriveReport, done: str, *, as_json: bool) -> None:
    if sys.stderr.isatty():
        click.echo("\r", err=True, nl=False)
    if as_json:
        click.echo(json.dumps({done: dealt.done, "failed": dealt.failed, "missing": dealt.missing}))
    else:
        click.echo(f"{dealt.done:,} {done}")
    for letter_id, reason in dealt.failed.items():
        click.echo(f"eventcron: {letter_id} stays: {reason}", err=True)
    for letter_id in dealt.missing:
        click.echo(
            f"eventcron: {letter_id} was not found; it may be in hand elsewhere, try again in two minutes", err=True
        )
    sys.exit(1 if dealt.failed or dealt.missing else 0)


def _as_object(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "sent": rfc3339(letter.sent),
        "code": letter.code,
        "reason": letter.reason,
        **({"target": letter.target} if letter.target else {}),
        **({"rule": letter.rule} if letter.rule else {}),
        "body": _payload(letter.body),
    }


def _as_text(letter: DeadLetter) -> str:
    payload = _payload(letter.body)
    body = payload if isinstance(payload, str) else json.dumps(payload, indent=2, ensure_ascii=False)
    if len(body) > SHOWN_CHARS:
        body = f"{body[:SHOWN_CHARS]}\n… {len(body) - SHOWN_CHARS:,} more characters: --json shows all"
    target = f"target  {letter.target}\n" if letter.target else ""
    target += f"rule    {letter.rule}\n" if letter.rule else ""
    return (
        f"id      {letter.id}\nsent    {rfc3339(letter.sent)}\nreason  {letter.code}: {letter.reason}\n{target}{body}"
    )


def _payload(body: str) -> Any:
    """*body* as JSON where it is JSON, else as it is."""
    try:
        return json.loads(body)
    except ValueError:
        return body
