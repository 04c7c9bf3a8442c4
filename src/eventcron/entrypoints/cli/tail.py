"""``eventcron tail``: what eventcron publishes, as it happens."""

from __future__ import annotations

import json
import sys

import click

from eventcron.client.published import KINDS, particulars
from eventcron.entrypoints.cli.forms import form, json_option
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.schedules import connected, prefix_argument, tenant_of_prefix_option
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import one_line
from eventcron.model.events import Answer


@click.command("tail")
@prefix_argument
@tenant_of_prefix_option
@click.option("--only", "kinds", multiple=True, type=click.Choice(sorted(KINDS)), help="Only these. Repeatable.")
@click.option("--count", type=click.IntRange(1), help="End after so many events.")
@stack_option
@json_option
def command(
    prefix: str,
    *,
    tenant: str | None,
    kinds: tuple[str, ...],
    count: int | None,
    stack: str,
    as_json: bool,
) -> None:
    """Print the fires, skips, failures and answers to commands of a deployment as they are published, until Ctrl-C.

    Only those of schedules whose names begin with PREFIX, if it is given. It takes a temporary rule and queue; see the
    page on the Python client. With --json each event is one line.
    """
    if tenant is None:
        given, slash, rest = prefix.partition("/")
        if slash and not given:
            raise click.UsageError(f"{prefix!r} names no tenant; give TENANT/PREFIX")
        tenant, prefix = given or None, rest

    def wanted(event: Answer) -> bool:
        return (
            tenant in {None, event.detail.get("tenant")}
            and str(event.detail.get("name", "")).startswith(prefix)
            and (not kinds or any(KINDS[kind](event) for kind in kinds))
        )

    async def work() -> None:
        left = count
        async with connected(stack) as client:
            async for event in client.events([] if tenant is None else [tenant]):
                if not wanted(event):
                    continue
                click.echo(_document(event) if as_json else line(event))
                left = None if left is None else left - 1
                if left == 0:
                    return

    if sys.stderr.isatty():
        click.echo("eventcron: listening; Ctrl-C ends it", err=True)
    run_until_signal(work())


def _document(event: Answer) -> str:
    """One event, as a line of JSON or as a YAML document."""
    document = {"time": event.time, "detail-type": event.detail_type, "detail": event.detail}
    if form() != "yaml":
        return json.dumps(document, ensure_ascii=False)
    import yaml  # noqa: PLC0415  # only -o yaml needs it

    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, explicit_start=True)
    return text.rstrip("\n")


def line(event: Answer) -> str:
    """One event for people: when, which schedule, what, and what is particular about it."""
    detail = event.detail
    who = f"{detail.get('tenant', '?')}/{detail.get('name', '?')}"
    return one_line("  ".join(filter(None, [event.time, who, event.detail_type, particulars(event)])))
