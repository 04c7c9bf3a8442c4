"""``eventcron calendars``: the days that schedules exclude by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from eventcron.client.verbs import Receipt
from eventcron.entrypoints.cli.calendar_file import read_calendar_file
from eventcron.entrypoints.cli.completion import complete_calendar, complete_tenant
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.progress import ANSWER, waiting
from eventcron.entrypoints.cli.schedules import connected, key_of, show_receipt, tenant_option, wait_option
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import table
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.records import Calendar
from eventcron.timing.calendars import read_dates

calendar_argument = click.argument("calendar", metavar="TENANT/CALENDAR", shell_complete=complete_calendar)


@click.group("calendars")
def command() -> None:
    """List, show, put and delete calendars: days that schedules exclude as calendar:NAME."""


@command.command("list")
@click.option("--tenant", metavar="TENANT", shell_complete=complete_tenant, help="Only this tenant's.")
@stack_option
@json_option
def list_calendars(stack: str, tenant: str | None, *, as_json: bool) -> None:
    """List the calendars and how many days each has. Reads the whole ledger table once."""

    async def work() -> list[Calendar]:
        async with connected(stack) as client:
            return sorted([one async for one in client.calendars(tenant)], key=lambda one: one.key)

    found = run_until_signal(work())
    if as_json:
        print_document({"calendars": [_as_object(one) for one in found]})
    elif found:
        rows = [(f"{one.tenant}/{one.name}", f"{_days(one):,}", str(one.revision)) for one in found]
        click.echo(table(("calendar", "days", "revision"), rows, right={"days"}))
    else:
        click.echo("no calendars")


@command.command("get")
@calendar_argument
@tenant_option
@stack_option
@json_option
def get(calendar: str, *, tenant: str | None, stack: str, as_json: bool) -> None:
    """Show the days of TENANT/CALENDAR, a line each. Exit status 2 if there is no such calendar."""
    key = key_of(calendar, tenant)

    async def work() -> Calendar | None:
        async with connected(stack) as client:
            return await client.get_calendar(key.tenant, key.name)

    found = run_until_signal(work())
    if found is None:
        raise InvalidSchedule(
            RejectionCode.NOT_FOUND, field="name", given=repr(str(key)), allowed="a calendar that exists"
        )
    if as_json:
        print_document(_as_object(found))
    else:
        click.echo("\n".join(found.dates or ()))


@command.command("put")
@calendar_argument
@click.argument("dates", metavar="[DATE…]", nargs=-1)
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), help="The days: .ics, or a JSON list of dates."
)
@click.option("--revision", type=int, help="Orders commands.  [default: the event's time]")
@tenant_option
@wait_option(default=True)
@stack_option
@json_option
def put(
    calendar: str,
    dates: tuple[str, ...],
    *,
    file: Path | None,
    revision: int | None,
    tenant: str | None,
    wait: bool,
    stack: str,
    as_json: bool,
) -> None:
    """Store TENANT/CALENDAR, or replace it. A DATE is 2026-12-24, or a range 2026-12-24/2026-12-26.

    Schedules that exclude it take its days over when they are put, and daily.
    """
    if bool(dates) == (file is not None):
        raise click.UsageError("give the days: DATE…, or --file FILE")
    key = key_of(calendar, tenant)
    days = [str(span) for span in read_calendar_file(file, field="--file")] if file is not None else _checked(dates)

    async def work() -> Receipt:
        async with connected(stack) as client, waiting(ANSWER):
            return await client.put_calendar(key.tenant, key.name, days, revision=revision, wait=wait)

    show_receipt(run_until_signal(work()), key, done="put", as_json=as_json)


@command.command("delete")
@calendar_argument
@click.option("--revision", type=int, help="Orders commands.  [default: the event's time]")
@tenant_option
@wait_option(default=True)
@stack_option
@json_option
def delete(calendar: str, *, revision: int | None, tenant: str | None, wait: bool, stack: str, as_json: bool) -> None:
    """Delete TENANT/CALENDAR. Schedules that exclude it keep its days until they are put again."""
    key = key_of(calendar, tenant)

    async def work() -> Receipt:
        async with connected(stack) as client, waiting(ANSWER):
            return await client.delete_calendar(key.tenant, key.name, revision=revision, wait=wait)

    show_receipt(run_until_signal(work()), key, done="deleted", as_json=as_json)


def _checked(dates: tuple[str, ...]) -> list[str]:
    read_dates(dates)
    return list(dates)


def _days(calendar: Calendar) -> int:
    return sum(span.last - span.first + 1 for span in read_dates(calendar.dates or ()))


def _as_object(calendar: Calendar) -> dict[str, Any]:
    return {
        "tenant": calendar.tenant,
        "name": calendar.name,
        "revision": calendar.revision,
        "days": _days(calendar),
        "dates": list(calendar.dates or ()),
    }
