"""``eventcron next``: the next occurrences of an expression."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

from eventcron.entrypoints.cli.forms import form, json_option, print_document
from eventcron.entrypoints.cli.moments import INSTANT
from eventcron.entrypoints.cli.trigger_options import TriggerOptions, trigger_options
from eventcron.model.names import END_OF_TIME, Instant, Occurrence, Window
from eventcron.timing.expression import At
from eventcron.timing.fields import LAST_YEAR
from eventcron.timing.trigger import (
    Trigger,
    is_manual,
    local_time,
    next_occurrence,
    nth_occurrence,
    occurrences,
    rfc3339,
    walk,
)

DEFAULT_COUNT = 5
#: The most occurrences printed, with --until too.
MAX_COUNT = 10_000
#: The most skipped occurrences shown between two that fire.
MAX_SKIPPED = 10


@click.command("next")
@click.argument("expressions", nargs=-1, required=True, metavar="EXPRESSION...")
@trigger_options
@click.option(
    "--from",
    "start",
    type=INSTANT,
    default="now",
    show_default=True,
    help="Only occurrences after this: RFC 3339, a date, now+1h.",
)
@click.option("--until", type=INSTANT, help="Only occurrences before this: RFC 3339, a date, now+1h.")
@click.option(
    "--count",
    type=click.IntRange(1, MAX_COUNT),
    help=f"How many.  [default: {DEFAULT_COUNT}; with --until all, up to {MAX_COUNT}]",
)
@click.option("--local", is_flag=True, help="Print local time with its offset, without UTC.")
@json_option
def command(
    *,
    expressions: tuple[str, ...],
    start: Instant,
    until: Instant | None,
    count: int | None,
    local: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Print when EXPRESSION fires next, in UTC and local time.

    Several expressions fire whenever one of them matches. Intervals of rate() count from --from. JSON and YAML are an
    array of RFC 3339 times.
    """
    end = END_OF_TIME if until is None else until
    limit = count or (DEFAULT_COUNT if until is None else MAX_COUNT)
    given = TriggerOptions(**options)
    trigger = given.trigger(expressions, anchor=start)
    window = Window(start + 1, end)
    if as_json:
        times = (
            local_time(due, given.timezone, millis=False) if local else rfc3339(due, millis=False)
            for due in islice(occurrences(trigger, window), limit)
        )
        if form() == "json":
            click.echo(json.dumps(list(times)))  # one line, for people who read it too
        else:
            print_document(list(times))
        return
    if is_manual(trigger.canonical):
        click.echo("manual: never by itself, only when Run Schedule asks for it", err=True)
        return
    for line in _lines(trigger, window, given.timezone, count=limit, local=local):
        click.echo(line)
    if until is None and nth_occurrence(trigger, window.start, limit) is None:
        click.echo(f"eventcron: no other occurrence after {_utc(start)}: {_why_no_other(trigger, start)}", err=True)


def _why_no_other(trigger: Trigger, start: Instant) -> str:
    if not all(isinstance(item, At) for item in trigger.items):
        return f"every search ends with the year {LAST_YEAR}"
    return "at() fires once" if next_occurrence(trigger, start + 1) is not None else "its time is past"


def _lines(trigger: Trigger, window: Window, timezone: str, *, count: int, local: bool) -> Iterator[str]:
    """The first *count* occurrences that fire, each after the skipped occurrences before it."""
    since = window.start
    for due in islice(occurrences(trigger, window), count):
        yield from _skipped(trigger, Window(since, due), timezone, local=local)
        yield _line(Occurrence(due), timezone, local=local)
        since, count = due + 1, count - 1
    if count:
        yield from _skipped(trigger, Window(since, window.end), timezone, local=local)


def _skipped(trigger: Trigger, window: Window, timezone: str, *, local: bool) -> Iterator[str]:
    """The first skipped occurrences in a window without a fire, and a line that says whether there are more."""
    for number, occurrence in enumerate(walk(trigger, window)):
        if number == MAX_SKIPPED:
            yield "… and more skipped ones"
            return
        yield _line(occurrence, timezone, local=local)


def _line(occurrence: Occurrence, timezone: str, *, local: bool) -> str:
    columns = [_utc(occurrence.due)] if not local else []
    if local or timezone != "UTC":
        columns.append(local_time(occurrence.due, timezone, millis=False))
    if occurrence.skipped is not None:
        columns.append(f"skipped: {occurrence.skipped}" + (f" by {occurrence.by}" if occurrence.by else ""))
    return "  ".join(columns)


def _utc(instant: Instant) -> str:
    return rfc3339(instant, millis=False)
