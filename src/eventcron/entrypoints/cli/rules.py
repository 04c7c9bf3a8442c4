"""``eventcron rules``: list the rules on the bus, with their patterns, targets and states."""

from __future__ import annotations

import json

import click
import msgspec

from eventcron.adapters.aws.subscriptions import BusRule
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.subscribe import connected
from eventcron.entrypoints.cli.tables import table


@click.command("rules")
@stack_option
@json_option
def command(stack: str, *, as_json: bool) -> None:
    """List the rules on the bus: who receives what of eventcron's events."""
    found = run_until_signal(_look(stack))
    if as_json:
        print_document({"rules": [msgspec.to_builtins(rule) for rule in found]})
    else:
        rows = [(rule.name, rule.state, ", ".join(rule.targets) or "none", json.dumps(rule.pattern)) for rule in found]
        click.echo(table(("rule", "state", "targets", "pattern"), rows))


async def _look(stack: str) -> list[BusRule]:
    async with connected(stack) as subscriptions:
        return [rule async for rule in subscriptions.rules()]
