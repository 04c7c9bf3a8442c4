"""``eventcron convert``: the same schedule in another dialect."""

from __future__ import annotations

import click

from eventcron.adapters.clock import SystemClock
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.errors import InvalidExpression
from eventcron.model.codes import RequestCode
from eventcron.timing.convert import WRITERS, convert
from eventcron.timing.notation import Notation
from eventcron.timing.rewrite import convert_to_eventcron

_SOURCES = click.Choice([notation.value for notation in Notation])
_TARGETS = click.Choice([notation.value for notation in WRITERS])


@click.command("convert")
@click.argument("expression")
@click.option("--from", "source", type=_SOURCES, required=True, help="The dialect of EXPRESSION.")
@click.option("--to", "target", type=_TARGETS, required=True, help="The dialect to write.")
@json_option
def command(*, expression: str, source: str, target: str, as_json: bool) -> None:
    """Write EXPRESSION in another dialect, or say why that dialect has no form for it.

    The command prints the result only if both expressions have the same occurrences for a year.
    """
    try:
        now = SystemClock().now()
        if target == Notation.EVENTCRON:
            converted = convert_to_eventcron(expression, Notation(source), checked_from=now)
        else:
            converted = convert(expression, Notation(source), Notation(target), checked_from=now)
    except InvalidExpression as error:
        if error.code != RequestCode.CANNOT_CONVERT:
            raise
        click.echo(
            f"eventcron: {expression!r} has no {target} form: {error.given} ({error.field}): {error.allowed}", err=True
        )
        click.get_current_context().exit(2)
    if as_json:
        print_document({"expression": converted, "from": source, "to": target, "given": expression})
    else:
        click.echo(converted)
    if target == Notation.UNIX and any(sign in converted for sign in "LW#"):
        click.echo("eventcron and croniter understand L, W and #; the cron of Debian does not.", err=True)
