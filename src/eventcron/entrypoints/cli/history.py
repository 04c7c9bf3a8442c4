"""``eventcron history``: what became of a schedule: its fires, skips, outcomes and changes."""

from __future__ import annotations

import click
import msgspec

from eventcron.entrypoints.cli.event_text import rows_of
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.moments import INSTANT, moment_of
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.schedules import connected, key_of, schedule_argument, tenant_option
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.model.history import HistoryEntry, KeepHistory
from eventcron.model.names import Instant
from eventcron.timing.instant import rfc3339
from eventcron.wire.history import shown


@click.command("history")
@schedule_argument
@click.option("--since", type=INSTANT, help="Only what is about this instant or a later one.")
@click.option("--until", type=INSTANT, help="Only what is about an earlier instant.")
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many, the latest first."
)
@tenant_option
@stack_option
@json_option
def command(
    schedule: str,
    *,
    since: Instant | None,
    until: Instant | None,
    limit: int,
    tenant: str | None,
    stack: str,
    as_json: bool,
) -> None:
    """Show what became of the schedule TENANT/NAME, the latest first: fires, skips, failures, outcomes and changes.

    Each line begins with when the event was published. They are ordered by the instants that they are about. A history
    is kept if the deployment's parameter KeepHistory says so; of a deleted schedule too. Exit status 2 if none is.
    """
    key = key_of(schedule, tenant)

    async def work() -> tuple[KeepHistory, list[HistoryEntry]]:
        async with connected(stack) as client:
            # One more than is shown tells whether there are more.
            found = client.history(
                key.tenant, key.name, since=moment_of(since), until=moment_of(until), limit=limit + 1
            )
            return client.cases.past.keeps, [entry async for entry in found]

    keeps, found = run_until_signal(work())
    entries, more = found[:limit], len(found) > limit
    if as_json:
        print_document(
            {
                "schedule": str(key),
                "kept": str(keeps),
                "entries": [msgspec.to_builtins(shown(entry)) for entry in entries],
                "more": more,
            }
        )
        return
    click.echo(rows_of(entries) if entries else f"nothing is kept about {key}{_only(keeps)}")
    if more:
        click.echo(f"eventcron: there are earlier ones; --until {rfc3339(entries[-1].at)} or --limit", err=True)


def _only(keeps: KeepHistory) -> str:
    return "" if keeps is KeepHistory.ALL else "; this deployment keeps tracked fires only (KeepHistory=TRACKED)"
