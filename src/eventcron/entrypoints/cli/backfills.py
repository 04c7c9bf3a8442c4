"""``eventcron backfills``: which are running, how far each has come, and how to cancel one."""

from __future__ import annotations

import asyncio
import json
import shlex
from typing import Any, NamedTuple

import click

from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.cli.operations import json_option, operations, stack_option
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import CancelReason, RejectionCode
from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.model.names import BackfillKey, Instant
from eventcron.model.records import Backfill, BackfillState
from eventcron.rules.backfill import Left, left
from eventcron.timing.instant import rfc3339


class Seen(NamedTuple):
    """A backfill as stored, and what it still fires; None: nothing, as it has ended."""

    backfill: Backfill
    left: Left | None
    bus_name: str
    now: Instant


@click.group("backfills")
def command() -> None:
    """Look at backfills: how far each has come, at what rate, and when it ends.

    One is started by the command Backfill Schedule and ended by Cancel Backfill, put on the bus; `show` prints the
    latter, ready to be run.
    """


@command.command("list")
@stack_option
@click.option("--tenant", help="Only this tenant's.")
@json_option
def list_backfills(stack: str, tenant: str | None, *, as_json: bool) -> None:
    """List the backfills that are running."""

    async def find() -> list[Seen]:
        async with operations(stack) as (cases, *_):
            keys = [key for key in await cases.backfills.open() if tenant in {None, key.tenant}]
            stored = await cases.backfills.get(keys)
            running = [stored[key] for key in sorted(stored) if stored[key].state is BackfillState.RUNNING]
            return [_seen(backfill, cases) for backfill in running]

    found = asyncio.run(find())
    if as_json:
        click.echo(json.dumps({"backfills": [as_object(seen) for seen in found]}, indent=2))
    else:
        click.echo(table(found))


@command.command("show")
@click.argument("backfill", metavar="TENANT/NAME/ID")
@stack_option
@json_option
def show(backfill: str, stack: str, *, as_json: bool) -> None:
    """Show one backfill, running or ended lately, and the command that cancels it."""
    parts = backfill.split("/", 2)
    if len(parts) < len(BackfillKey._fields) or not all(parts):
        raise _unknown(backfill, allowed="TENANT/NAME/ID, as `eventcron backfills list` prints it")
    key = BackfillKey(*parts)

    async def find() -> Seen:
        async with operations(stack) as (cases, *_):
            stored = (await cases.backfills.get([key])).get(key)
            if stored is None:
                days = cases.settings.tombstone_days
                raise _unknown(backfill, allowed=f"one that is running, or that ended within {days} days")
            return _seen(stored, cases)

    seen = asyncio.run(find())
    click.echo(json.dumps(as_object(seen), indent=2) if as_json else in_full(seen))


def _unknown(given: str, *, allowed: str) -> InvalidSchedule:
    return InvalidSchedule(RejectionCode.NOT_FOUND, field="backfill", given=repr(given), allowed=allowed)


def _seen(backfill: Backfill, cases: UseCases) -> Seen:
    now = cases.clock.now()
    rest = left(backfill, now=now) if backfill.state is BackfillState.RUNNING else None
    return Seen(backfill, rest, cases.settings.bus_name, now)


def table(found: list[Seen]) -> str:
    """A line for each, below a head; a sentence if there is none."""
    if not found:
        return "no backfill is running"
    rows = [("backfill", "a minute", "fired", "left", "through", "ends")]
    for backfill, rest, _, _ in found:
        rows.append(
            (
                str(backfill.key),
                f"{backfill.per_minute:,}",
                f"{backfill.fires:,}",
                _left(rest),
                _utc(backfill.cursor),
                _ends(rest),
            )
        )
    name = max(len(row[0]) for row in rows)
    return "\n".join(
        f"{row[0]:<{name}}  {row[1]:>8}  {row[2]:>9}  {row[3]:>9}  {row[4]:<20}  {row[5]}".rstrip() for row in rows
    )


def in_full(seen: Seen) -> str:
    """All there is to say of one."""
    backfill, rest, _, now = seen
    lines = [f"backfill   {backfill.key}", f"state      {backfill.state}{_why(backfill)}"]
    if backfill.event_id:
        lines += [
            f"asked by   event {backfill.event_id}",
            f"span       {_utc(backfill.span.start)} until {_utc(backfill.span.end)}",
            f"through    {_utc(backfill.cursor)}",
            f"rate       {backfill.per_minute:,} a minute",
            f"fired      {backfill.fires:,}, skipped {backfill.skipped:,}",
        ]
    if rest is not None:
        lines += [f"left       {_left(rest)}", f"ends       {_ends(rest)}"]
        if backfill.lease_until > now:
            lines.append(f"in hand    until {_utc(backfill.lease_until)}")
        entries = json.dumps([_cancel(seen)])
        lines += ["", "To cancel it:", f"aws events put-events --entries {shlex.quote(entries)}"]
    elif backfill.expires is not None:
        lines.append(f"forgotten  after {_utc(backfill.expires * 1000)}")
    return "\n".join(lines)


def as_object(seen: Seen) -> dict[str, Any]:
    """The same for programs; ``cancel`` is the entry for PutEvents that cancels it, null where it has ended."""
    backfill, rest, _, now = seen
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
        "through": _utc(backfill.cursor) if known else None,
        "per_minute": backfill.per_minute if known else None,
        "fires": backfill.fires,
        "skipped": backfill.skipped,
        "left": None if rest is None else rest.fires,
        "left_is_more": None if rest is None else rest.more,
        "ends": None if rest is None else _utc(rest.ends),
        "held_until": _utc(backfill.lease_until) if backfill.lease_until > now else None,
        "cancel": None if rest is None else _cancel(seen),
    }


def _why(backfill: Backfill) -> str:
    if not backfill.event_id:
        return ", before it arrived"
    return {
        None: "",
        CancelReason.COMMAND: ", by Cancel Backfill",
        CancelReason.DELETED: ", as its schedule was deleted",
    }[backfill.reason]


def _left(rest: Left | None) -> str:
    return "-" if rest is None else f"{rest.fires:,}{'+' if rest.more else ''}"


def _ends(rest: Left | None) -> str:
    return "-" if rest is None else f"{_utc(rest.ends)}{' or later' if rest.more else ''}"


def _cancel(seen: Seen) -> dict[str, str]:
    backfill = seen.backfill
    detail = {"tenant": backfill.tenant, "name": backfill.name, "backfill_id": backfill.id}
    return {
        "EventBusName": seen.bus_name,
        "Source": f"{TENANT_SOURCE_PREFIX}{backfill.tenant}",
        "DetailType": "Cancel Backfill",
        "Detail": json.dumps(detail),
    }


def _utc(instant: Instant) -> str:
    return rfc3339(instant, millis=False)
