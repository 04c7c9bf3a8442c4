"""``eventcron backfills``: which backfills run, how far each has come, and how to cancel one."""

from __future__ import annotations

import json
import shlex
from typing import Any, NamedTuple

import click

from eventcron.app.use_cases import UseCases
from eventcron.client.schedules import command as made
from eventcron.entrypoints.cli.completion import complete_tenant
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import operations, stack_option
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import columns, counted, table
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import TENANT_SOURCE_PREFIX, CancelBackfill
from eventcron.model.names import BackfillKey, Instant
from eventcron.model.records import Backfill, BackfillState
from eventcron.rules.backfill import Left, left
from eventcron.rules.planning import is_readable
from eventcron.timing.instant import rfc3339


class Status(NamedTuple):
    """A backfill as stored, and the fires it has left; None if it has ended or its trigger cannot be read."""

    backfill: Backfill
    left: Left | None
    bus_name: str
    now: Instant


@click.group("backfills")
def command() -> None:
    """Show backfills: how far each has come, at what rate, and when it ends.

    Events on the bus start and cancel backfills: Backfill Schedule and Cancel Backfill. `show` prints the aws command
    that cancels one.
    """


@command.command("list")
@stack_option
@click.option("--tenant", shell_complete=complete_tenant, help="Only the backfills of this tenant.")
@json_option
def list_backfills(stack: str, tenant: str | None, *, as_json: bool) -> None:
    """List the running backfills."""

    async def find() -> list[Status]:
        async with operations(stack) as (cases, *_):
            keys = [key for key in await cases.backfills.open() if tenant in {None, key.tenant}]
            stored = await cases.backfills.get(keys)
            running = [stored[key] for key in sorted(stored) if stored[key].state is BackfillState.RUNNING]
            return [_status(backfill, cases) for backfill in running]

    found = run_until_signal(find())
    if as_json:
        print_document({"backfills": [as_object(status) for status in found]})
    else:
        click.echo(as_table(found))


@command.command("show")
@click.argument("backfill", metavar="TENANT/NAME/ID")
@stack_option
@json_option
def show(backfill: str, stack: str, *, as_json: bool) -> None:
    """Show one backfill that runs or ended lately, and the aws command that cancels it."""
    parts = backfill.split("/", 2)
    if len(parts) < len(BackfillKey._fields) or not all(parts):
        raise _unknown(backfill, allowed="TENANT/NAME/ID, as `eventcron backfills list` prints it")
    key = BackfillKey(*parts)
    made(CancelBackfill, tenant=key.tenant, name=key.name, backfill_id=key.id)  # such a backfill may exist

    async def find() -> Status:
        async with operations(stack) as (cases, *_):
            stored = (await cases.backfills.get([key])).get(key)
            if stored is None:
                days = cases.settings.tombstone_days
                raise _unknown(
                    backfill, allowed=f"a backfill that runs or ended within the last {counted(days, 'day')}"
                )
            return _status(stored, cases)

    status = run_until_signal(find())
    if as_json:
        print_document(as_object(status))
    else:
        click.echo(in_full(status))


def _unknown(given: str, *, allowed: str) -> InvalidSchedule:
    return InvalidSchedule(RejectionCode.NOT_FOUND, field="backfill", given=repr(given), allowed=allowed)


def _status(backfill: Backfill, cases: UseCases) -> Status:
    now = cases.clock.now()
    counts = backfill.state is BackfillState.RUNNING and is_readable(backfill.trigger)
    return Status(backfill, left(backfill, now=now) if counts else None, cases.settings.bus_name, now)


def as_table(found: list[Status]) -> str:
    """A row for each backfill; a sentence if there is none."""
    if not found:
        return "no backfill is running"
    heads = ("backfill", "a minute", "fired", "left", "through", "ends")
    rows = [
        (
            str(backfill.key),
            f"{backfill.per_minute:,}",
            f"{backfill.fires:,}",
            _left(rest),
            _utc(backfill.enqueued_through),
            _ends(rest),
        )
        for backfill, rest, _, _ in found
    ]
    return table(heads, rows, right={"a minute", "fired", "left"})


def in_full(status: Status) -> str:
    """All that is known of a backfill."""
    backfill, rest, _, now = status
    rows = [("backfill", str(backfill.key)), ("state", f"{backfill.state}{_why(backfill)}")]
    if backfill.event_id:
        rows += [
            ("command", f"event {backfill.event_id}"),
            ("span", f"{_utc(backfill.span.start)} until {_utc(backfill.span.end)}"),
            ("through", _utc(backfill.enqueued_through)),
            ("rate", f"{backfill.per_minute:,} a minute"),
            ("fired", f"{backfill.fires:,}, skipped {backfill.skipped:,}"),
        ]
    if backfill.state is BackfillState.RUNNING:
        rows += [("left", _left(rest)), ("ends", _ends(rest))]
        if backfill.lease_until > now:
            rows.append(("lease", f"until {_utc(backfill.lease_until)}"))
        entries = json.dumps([_cancel(status)])
        return "\n".join(
            [columns(rows), "", "To cancel it:", f"aws events put-events --entries {shlex.quote(entries)}"]
        )
    if backfill.expires is not None:
        rows.append(("stored", f"until {_utc(backfill.expires * 1000)}"))
    return columns(rows)


def as_object(status: Status) -> dict[str, Any]:
    """*status* for programs. ``cancel`` is the PutEvents entry that cancels the backfill; null if it has ended."""
    backfill, rest, _, now = status
    known = bool(backfill.event_id)
    return {
        "tenant": backfill.tenant,
        "name": backfill.name,
        "backfill_id": backfill.id,
        "state": backfill.state.value,
        "reason": backfill.reason,
        "event_id": backfill.event_id or None,
        "from": _utc(backfill.span.start) if known else None,
        "until": _utc(backfill.span.end) if known else None,
        "through": _utc(backfill.enqueued_through) if known else None,
        "per_minute": backfill.per_minute if known else None,
        "fires": backfill.fires,
        "skipped": backfill.skipped,
        "left": None if rest is None else rest.fires,
        "left_is_more": None if rest is None else rest.more,
        "ends": None if rest is None else _utc(rest.ends),
        "held_until": _utc(backfill.lease_until) if backfill.lease_until > now else None,
        "cancel": _cancel(status) if backfill.state is BackfillState.RUNNING else None,
    }


def _why(backfill: Backfill) -> str:
    if not backfill.event_id:
        return " before it arrived"
    return {None: "", "command": " by Cancel Backfill", "deleted": " with its schedule's deletion"}[backfill.reason]


def _left(rest: Left | None) -> str:
    return "unknown" if rest is None else f"{rest.fires:,}{'+' if rest.more else ''}"


def _ends(rest: Left | None) -> str:
    return "unknown" if rest is None else f"{_utc(rest.ends)}{' or later' if rest.more else ''}"


def _cancel(status: Status) -> dict[str, str]:
    backfill = status.backfill
    detail = {"tenant": backfill.tenant, "name": backfill.name, "backfill_id": backfill.id}
    return {
        "EventBusName": status.bus_name,
        "Source": f"{TENANT_SOURCE_PREFIX}{backfill.tenant}",
        "DetailType": "Cancel Backfill",
        "Detail": json.dumps(detail),
    }


def _utc(instant: Instant) -> str:
    return rfc3339(instant, millis=False)
