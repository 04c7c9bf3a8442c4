"""``eventcron get``: a stored schedule, its state and its next fires."""

from __future__ import annotations

import click
import msgspec

from eventcron.client.stored import Stored, as_object
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.schedules import connected, key_of, schedule_argument, tenant_option
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import columns
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.rules.upcoming import UpcomingFire
from eventcron.timing.instant import rfc3339
from eventcron.timing.trigger import local_time


@click.command("get")
@schedule_argument
@click.option(
    "--fires", default=10, show_default=True, type=click.IntRange(0, 1_000), help="How many of the next fires."
)
@tenant_option
@stack_option
@json_option
def command(schedule: str, *, fires: int, tenant: str | None, stack: str, as_json: bool) -> None:
    """Show the schedule TENANT/NAME: how it was put, its state, and when it fires next.

    The next fires are those of what is stored: a pause, bounds, `max_fires`, the window and exclusions count. Exit
    status 2 if there is no such schedule.
    """
    key = key_of(schedule, tenant)

    async def work() -> Stored | None:
        async with connected(stack) as client:
            return await client.get(key.tenant, key.name, fires=fires)

    stored = run_until_signal(work())
    if stored is None:
        raise InvalidSchedule(
            RejectionCode.NOT_FOUND, field="name", given=repr(str(key)), allowed="a schedule that exists"
        )
    if as_json:
        print_document(as_object(stored))
    else:
        click.echo("\n\n".join([_in_full(stored), *([_coming(stored)] if fires else [])]))


def _in_full(stored: Stored) -> str:
    fields = as_object(stored)["schedule"]
    rows = [
        (name, text if isinstance(text, str) else msgspec.json.encode(text).decode()) for name, text in fields.items()
    ]
    rows += [("state", str(stored.state)), ("revision", str(stored.revision)), ("created", rfc3339(stored.created))]
    return columns(rows)


def _coming(stored: Stored) -> str:
    if not stored.next_fires:
        return "next fires: none"
    return "next fires\n" + columns([(rfc3339(one.at), _local(one)) for one in stored.next_fires])


def _local(upcoming: UpcomingFire) -> str:
    late = upcoming.at - upcoming.fire.due
    return local_time(upcoming.fire.due, upcoming.timezone) + (f"  due {late / 1000:g} s earlier" if late else "")
