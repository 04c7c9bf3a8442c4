"""``eventcron convert``: the same schedule in another dialect."""

from __future__ import annotations

import click

from eventcron.adapters.clock import SystemClock
from eventcron.errors import InvalidExpression
from eventcron.timing.convert import Notation, convert

_NOTATIONS = click.Choice([notation.value for notation in Notation])


@click.command("convert")
@click.argument("expression")
@click.option("--from", "source", type=_NOTATIONS, required=True, help="The dialect EXPRESSION is in.")
@click.option("--to", "target", type=_NOTATIONS, required=True, help="The dialect wanted.")
def command(*, expression: str, source: str, target: str) -> None:
    """Write EXPRESSION in another dialect, or say why that dialect cannot.

    A year of occurrences of both is compared before anything is printed.
    """
    try:
        converted = convert(expression, Notation(source), Notation(target), checked_from=SystemClock().now())
    except InvalidExpression as error:
        if error.code != "cannot_convert":
            raise
        click.echo(
            f"eventcron: {expression!r} has no {target} form: {error.given} ({error.field}): {error.allowed}", err=True
        )
        click.get_current_context().exit(2)
    click.echo(converted)
    if target == Notation.UNIX and any(sign in converted for sign in "LW#"):
        click.echo("L, W and # are understood by eventcron and croniter, not by the cron of Debian.", err=True)
