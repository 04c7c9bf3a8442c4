"""``eventcron subscribe``: send the fires of a tenant's schedules to a target, or take that back."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import click

from eventcron.adapters.aws.deployment import deployment
from eventcron.adapters.aws.subscriptions import NotSubscribed, Subscriptions
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import CONNECTIONS, current_account, stack_option
from eventcron.entrypoints.cli.progress import waiting
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import columns
from eventcron.rules.subscribing import Subscription, subscription, template


@asynccontextmanager
async def connected(stack: str) -> AsyncIterator[Subscriptions]:
    """The subscriptions to the bus of *stack*.

    Raises:
        NoDeployment, StaleDev: there is no such stack, or it cannot be reached.
    """
    async with deployment(stack, concurrency=CONNECTIONS, account=current_account()) as opened:
        yield Subscriptions(opened.client, bus=opened.settings.bus_name)


@click.command("subscribe")
@click.argument("which", metavar="TENANT/PATTERN")
@click.option(
    "--to", required=True, metavar="TARGET", help="lambda:ARN, stepfunctions:ARN, sqs:ARN, bus:ARN or https://…"
)
@click.option(
    "--api-key",
    metavar="HEADER=VALUE",
    envvar="EVENTCRON_API_KEY",
    show_envvar=True,
    help="What an https target asks for.",
)
@click.option("--remove", is_flag=True, help="Take the subscription back, and its dead letters.")
@click.option("--dry-run", is_flag=True, help="Show the plan only.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@stack_option
@json_option
def command(which: str, to: str, api_key: str | None, stack: str, *, as_json: bool, **how: bool) -> None:
    """Send the fires of the schedules TENANT/PATTERN to TARGET. * in PATTERN stands for any characters.

    Makes a CloudFormation stack: a rule, a dead-letter queue and what the rule needs to reach the target. Shows it
    first. The same command again changes nothing.
    """
    subscription("any", which, to)  # a mistake needs no deployment to be seen
    key = None if how["remove"] or how["dry_run"] else _key(to, api_key)
    try:
        done = run_until_signal(_subscribe(which, to, key, stack, as_json=as_json, **how))
    except NotSubscribed as error:
        click.echo(f"eventcron: {error}", err=True)
        sys.exit(1)
    if as_json:
        print_document(done)
    else:
        click.echo(_sentence(done))


async def _subscribe(
    which: str,
    to: str,
    key: tuple[str, str] | None,
    stack: str,
    *,
    as_json: bool,
    remove: bool,
    dry_run: bool,
    yes: bool,
) -> dict[str, Any]:
    """What was done, or would be."""
    async with connected(stack) as subscriptions:
        one = subscription(subscriptions.bus, which, to)
        there = await subscriptions.exists(one)
        made = template(one)["Resources"]
        plan = [{"resource": name, "type": resource["Type"]} for name, resource in made.items()]
        done = {"subscription": one.name, "plan": plan if there == remove else []}
        if there != remove:
            return done | {"done": "unchanged"}
        if not as_json:
            click.echo(_plan(one, made, remove=remove))
        if dry_run:
            return done | {"done": "nothing"}
        _agree(yes=yes)
        async with waiting("CloudFormation is at work"):
            if remove:
                await subscriptions.remove(one)
                return done | {"done": "removed"}
            return done | {"done": "created", "dead_letters": await subscriptions.add(one, key=key)}


def _key(to: str, api_key: str | None) -> tuple[str, str] | None:
    """The header and value that an https target asks for.

    Raises:
        UsageError: it is missing, or of another form.
    """
    if not to.startswith("https://"):
        return None
    header, _, value = (api_key or "").partition("=")
    if not header or not value:
        raise click.UsageError(
            "an https target needs --api-key HEADER=VALUE, such as X-Api-Key=secret: EventBridge always sends one"
        )
    return header, value


def _agree(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        message = "this is no terminal, so nobody can be asked: give --yes to do it, or --dry-run to see the plan only"
        raise click.UsageError(message)
    click.confirm("Do it?", abort=True, err=True)


def _plan(one: Subscription, resources: dict[str, Any], *, remove: bool) -> str:
    sign = "-" if remove else "+"
    rows = [(sign, resource["Type"], name) for name, resource in resources.items()]
    pattern = json.dumps(resources["Rule"]["Properties"]["EventPattern"])
    return f"stack {one.name} on bus {one.bus}\n{columns(rows)}\npattern  {pattern}\ntarget   {one.target}"


def _sentence(done: dict[str, Any]) -> str:
    match done["done"]:
        case "created":
            return f"subscribed; what cannot be delivered is in {done['dead_letters']}"
        case "removed":
            return "subscription removed"
        case "nothing":
            return "nothing done, as --dry-run asks"
        case _:
            return f"nothing to do: {done['subscription']} is as asked for"
