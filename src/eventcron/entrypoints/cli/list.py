"""``eventcron list``: the stored schedules, by tenant, name, label, state and next fire."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import click

from eventcron.client.stored import Stored, as_object
from eventcron.entrypoints.cli.forms import form, json_option
from eventcron.entrypoints.cli.moments import INSTANT, moment_of
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.schedules import connected, prefix_argument, tenant_of_prefix_option
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import columns, counted
from eventcron.model.names import Instant
from eventcron.timing.instant import rfc3339

#: Schedules whose lines are set in columns together. So only that many are held.
ROWS = 500
STATES = ("enabled", "paused", "completed")


@click.command("list")
@prefix_argument
@tenant_of_prefix_option
@click.option("--label", "labels", multiple=True, metavar="KEY[=TEXT]", help="Only with this label. Repeatable.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only in this state. Repeatable.")
@click.option("--next-before", type=INSTANT, help="Only those whose next fire is before: RFC 3339, a date, now+1h.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@stack_option
@json_option
def command(
    prefix: str,
    *,
    tenant: str | None,
    labels: tuple[str, ...],
    states: tuple[str, ...],
    next_before: Instant | None,
    limit: int | None,
    stack: str,
    as_json: bool,
) -> None:
    """List the stored schedules, or those of a tenant whose names begin with PREFIX, with the next fire of each.

    They are read and printed page by page, so there may be any number of them. Those of one tenant are in order of
    their names; without a tenant the command reads the whole table once.
    """
    if tenant is None:
        tenant, slash, rest = prefix.partition("/")
        tenant, prefix = tenant or None, rest
        if slash and tenant is None:
            raise click.UsageError(f"{'/' + rest!r} names no tenant; give TENANT/PREFIX")
    wanted: dict[str, Any] = {
        "prefix": prefix,
        "labels": {name: text if sign else None for name, sign, text in (one.partition("=") for one in labels)},
        "states": [state.upper() for state in states],
        "fires_before": moment_of(next_before),
        "fires": 1,
    }

    async def work() -> int:
        written = 0
        with Progress() as progress:
            async with connected(stack) as client, aclosing(_batches(client.list(tenant, **wanted), limit)) as batches:
                async for batch in batches:
                    _print(batch, first=written == 0, form=form() if as_json else "table")
                    written += len(batch)
                    progress.show(f"{counted(written, 'schedule')} listed")
        return written

    written = run_until_signal(work())
    if as_json:
        _finish(written, form())
    elif not written:
        click.echo("no schedules")


async def _batches(schedules: AsyncIterator[Stored], limit: int | None) -> AsyncGenerator[list[Stored], None]:
    """*schedules*, at most *limit* of them, by ``ROWS``."""
    batch: list[Stored] = []
    left = limit
    async for stored in schedules:
        batch.append(stored)
        left = None if left is None else left - 1
        if len(batch) == ROWS or left == 0:
            yield batch
            batch = []
        if left == 0:
            return
    if batch:
        yield batch


def _print(batch: Sequence[Stored], *, first: bool, form: str) -> None:
    """Print a part of the list; JSON and YAML as parts of one document."""
    if form == "json":
        lead = '{"schedules": [\n' if first else ",\n"
        click.echo(lead + ",\n".join(json.dumps(as_object(one), ensure_ascii=False) for one in batch), nl=False)
    elif form == "yaml":
        import yaml  # noqa: PLC0415  # only -o yaml needs it

        text = yaml.safe_dump([as_object(one) for one in batch], sort_keys=False, allow_unicode=True)
        click.echo(("schedules:\n" if first else "") + text, nl=False)
    else:
        heads = [("schedule", "state", "next fire", "expression", "timezone")] if first else []
        click.echo(columns([*heads, *_rows(batch)]))


def _finish(written: int, form: str) -> None:
    if form == "json":
        click.echo("\n]}" if written else '{"schedules": []}')
    elif not written:
        click.echo("schedules: []")


def _rows(batch: Sequence[Stored]) -> Iterator[tuple[str, ...]]:
    for one in batch:
        upcoming = rfc3339(one.next_fires[0].at) if one.next_fires else "-"
        yield str(one.key), str(one.state), upcoming, " | ".join(one.schedule.expressions), one.schedule.timezone
