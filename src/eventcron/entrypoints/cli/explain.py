"""``eventcron explain``: what an expression means, and what happens on the nights the clocks change."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import click

from eventcron.adapters.clock import SystemClock
from eventcron.entrypoints.cli.moments import read_moment
from eventcron.entrypoints.cli.trigger_options import TriggerOptions, trigger_options
from eventcron.model.names import Instant, Window
from eventcron.timing.daylight import LATEST
from eventcron.timing.explain import Night, clock_rule, describe_trigger, dialect_name, nights
from eventcron.timing.trigger import Trigger, local_time, occurrences, rfc3339

COUNT = 5
#: Milliseconds: 366 days, so that each yearly change is in it.
YEAR_MS = 366 * 86_400_000


@click.command("explain")
@click.argument("expressions", nargs=-1, required=True, metavar="EXPRESSION...")
@trigger_options
@click.option("--from", "since", metavar="T", help="Explain what comes after it, RFC 3339.  [default: now]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(*, expressions: tuple[str, ...], since: str | None, as_json: bool, **options: Any) -> None:
    """Say in words what EXPRESSION means, its next occurrences, and what the coming clock changes do to it."""
    start = SystemClock().now() // 1000 * 1000 if since is None else read_moment(since, "--from")
    given = TriggerOptions(**options)
    trigger = given.trigger(expressions, anchor=start)
    following = list(islice(occurrences(trigger, Window(start + 1, LATEST * 1000)), COUNT))
    changes = nights(_in_zone(trigger, given), Window(start + 1, start + YEAR_MS))
    if as_json:
        click.echo(json.dumps(_document(expressions, given.timezone, trigger, following, changes), indent=2))
        return
    for expression in expressions:
        click.echo(f"{expression}  ({dialect_name(expression)})")
    click.echo(f"{describe_trigger(trigger)}\n{_kinds(trigger)}, time zone {given.timezone}.\n")
    click.echo("Next:" if following else "Never fires again.")
    for instant in following:
        click.echo(f"  {local_time(instant, given.timezone, millis=False)}  {rfc3339(instant, millis=False)}")
    click.echo("\nClock changes of the next year:" if changes else "\nNo clock changes in the next year.")
    for night in changes:
        click.echo(f"  {night.change.sentence}.\n    {_capitalised(night.happens)}.")


def _in_zone(trigger: Trigger, given: TriggerOptions) -> Trigger:
    """The trigger with the zone that was asked about: ``rate()`` alone has none."""
    return Trigger(trigger.canonical, trigger.items, given.timezone, trigger.policy, trigger.exclusions)


def _kinds(trigger: Trigger) -> str:
    return _capitalised("; ".join(dict.fromkeys(clock_rule(item) for item in trigger.items)))


def _capitalised(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _document(
    expressions: tuple[str, ...], timezone: str, trigger: Trigger, following: list[Instant], changes: list[Night]
) -> dict[str, Any]:
    return {
        "expressions": [{"expression": text, "dialect": dialect_name(text)} for text in expressions],
        "words": describe_trigger(trigger),
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
