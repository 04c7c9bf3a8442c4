"""``eventcron get``: a stored schedule, its state, its next fires and its last events."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from eventcron.client.stored import Stored, as_object
from eventcron.entrypoints.cli.event_text import rows_of
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.schedules import connected, key_of, schedule_argument, tenant_option
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import columns
from eventcron.model.history import HistoryEntry
from eventcron.rules.history import HOW_TO_KEEP
from eventcron.rules.rejections import not_found
from eventcron.rules.upcoming import UpcomingFire
from eventcron.timing.instant import rfc3339
from eventcron.timing.trigger import local_time
from eventcron.wire.history import shown


@click.command("get")
@schedule_argument
@click.option(
    "--fires", default=10, show_default=True, type=click.IntRange(0, 1_000), help="How many of the next fires."
)
@click.option(
    "--events", default=5, show_default=True, type=click.IntRange(0, 1_000), help="How many of the last events."
)
@tenant_option
@stack_option
@json_option
def command(schedule: str, *, fires: int, events: int, tenant: str | None, stack: str, as_json: bool) -> None:
    """Show the schedule TENANT/NAME: how it was put, its state, when it fires next, and its last events.

    The next fires are those of what is stored: a pause, bounds, `max_fires`, the window and exclusions count. The last
    events are those of `eventcron history`, if the deployment keeps one. Exit status 2 if there is no such schedule.
    """
    key = key_of(schedule, tenant)

    async def work() -> tuple[Stored | None, list[HistoryEntry] | None]:
        async with connected(stack) as client:
            stored = await client.get(key.tenant, key.name, fires=fires)
            if not client.cases.past.is_kept:
                return stored, None
            found = client.history(key.tenant, key.name, limit=events) if events else None
            return stored, [] if found is None else [entry async for entry in found]

    stored, last = run_until_signal(work())
    if stored is None:
        raise not_found(key)
    if as_json:
        shown_last = None if last is None else [msgspec.to_builtins(shown(entry)) for entry in last]
        print_document(as_object(stored) | {"last_events": shown_last})
    else:
        coming = [_coming(stored)] if fires else []
        click.echo("\n\n".join([_in_full(stored), *coming, *([_last(last)] if events else [])]))


def _in_full(stored: Stored) -> str:
    fields = as_object(stored)["schedule"]
    rows = [
        (name, text if isinstance(text, str) else msgspec.json.encode(text).decode()) for name, text in fields.items()
    ]
    rows += [("state", str(stored.state)), ("revision", str(stored.revision)), ("created", rfc3339(stored.created))]
    return columns(rows)


def _coming(stored: Stored) -> str:
    expect = stored.schedule.expect
    if expect is not None:
        return f"next fires: none, as it expects a report within {expect.within_seconds} s of each instant"
    if not stored.next_fires:
        return "next fires: none"
    return "next fires\n" + columns([(rfc3339(one.at), _local(one)) for one in stored.next_fires])


def _last(entries: Sequence[HistoryEntry] | None) -> str:
    if entries is None:
        return f"last events: not kept; {HOW_TO_KEEP}"
    return "last events\n" + rows_of(entries) if entries else "last events: none are kept"


def _local(upcoming: UpcomingFire) -> str:
    late = upcoming.at - upcoming.fire.due
    return local_time(upcoming.fire.due, upcoming.timezone) + (f"  due {late / 1000:g} s earlier" if late else "")
