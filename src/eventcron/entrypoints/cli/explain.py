"""``eventcron explain``: the meaning of an expression, and its fires on the nights the clocks change."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.moments import INSTANT
from eventcron.entrypoints.cli.trigger_options import TriggerOptions, trigger_options
from eventcron.model.names import END_OF_TIME, Instant, Window
from eventcron.timing.explain import Night, clock_rule, describe_trigger, dialect_name, nights_of_year
from eventcron.timing.trigger import Trigger, is_manual, local_time, occurrences, rfc3339

COUNT = 5


@click.command("explain")
@click.argument("expressions", nargs=-1, required=True, metavar="EXPRESSION...")
@trigger_options
@click.option(
    "--from",
    "start",
    type=INSTANT,
    default="now",
    show_default=True,
    help="Only occurrences and clock changes after this: RFC 3339, a date, now+1h.",
)
@json_option
def command(*, expressions: tuple[str, ...], start: Instant, as_json: bool, **options: Any) -> None:
    """Describe EXPRESSION in English, with its next occurrences and its fires at the next clock changes."""
    given = TriggerOptions(**options)
    trigger = given.trigger(expressions, anchor=start)
    following = list(islice(occurrences(trigger, Window(start + 1, END_OF_TIME)), COUNT))
    changes = nights_of_year(trigger.shown_in(given.timezone), start)
    if as_json:
        print_document(_document(expressions, given.timezone, trigger, following, changes))
        return
    for expression in expressions:
        click.echo(f"{expression}  ({dialect_name(expression)})")
    click.echo(f"{describe_trigger(trigger)}\n{_kinds(trigger)}, time zone {given.timezone}.\n")
    if not is_manual(trigger.canonical):
        click.echo("Next:" if following else "Never fires again.")
    for instant in following:
        click.echo(f"  {rfc3339(instant, millis=False)}  {local_time(instant, given.timezone, millis=False)}")
    click.echo("\nClock changes of the next year:" if changes else "\nNo clock changes in the next year.")
    for night in changes:
        click.echo(f"  {night.change.sentence}.\n    {_capitalised(night.happens)}.")


def _kinds(trigger: Trigger) -> str:
    return _capitalised("; ".join(dict.fromkeys(clock_rule(item) for item in trigger.items)))


def _capitalised(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _document(
    expressions: tuple[str, ...], timezone: str, trigger: Trigger, following: list[Instant], changes: list[Night]
) -> dict[str, Any]:
    return {
        "expressions": [{"expression": text, "dialect": dialect_name(text)} for text in expressions],
        "description": describe_trigger(trigger),
        "timezone": timezone,
        "next": [
            {"utc": rfc3339(instant, millis=False), "local": local_time(instant, timezone, millis=False)}
            for instant in following
        ],
        "clock_changes": [
            {
                "at": rfc3339(night.change.at, millis=False),
                "kind": night.change.kind,
                "before": night.change.before.isoformat(),
                "after": night.change.after.isoformat(),
                "affected": night.affected,
                "happens": night.happens,
            }
            for night in changes
        ],
    }
