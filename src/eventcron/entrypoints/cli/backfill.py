"""``eventcron backfill``: fire what was due in a span, on purpose; or cancel that."""

from __future__ import annotations

import secrets
import sys
from typing import Any

import click

from eventcron.client.verbs import Receipt, Verbs
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.moments import INSTANT
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.progress import ANSWER, Progress, waiting
from eventcron.entrypoints.cli.schedules import (
    connected,
    key_of,
    schedule_argument,
    show_receipt,
    tenant_option,
    wait_option,
)
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.entrypoints.cli.tables import counted
from eventcron.model.names import Instant, Key
from eventcron.model.records import Backfill, BackfillState
from eventcron.timing.instant import rfc3339, to_datetime


@click.command("backfill")
@schedule_argument
@click.option("--from", "since", type=INSTANT, help="First due instant: RFC 3339, a date, now-1d.")
@click.option("--until", type=INSTANT, help="Last due instant, exclusive; at most 366 days after the first.")
@click.option("--per-minute", type=int, help="Fires a minute.  [default: 60]")
@click.option("--id", "backfill_id", help="Names it: the same id again changes nothing.  [default: a new one]")
@click.option("--cancel", metavar="ID", help="Cancel this backfill in place of starting one.")
@tenant_option
@wait_option(default=False)
@stack_option
@json_option
def command(
    schedule: str,
    *,
    since: Instant | None,
    until: Instant | None,
    per_minute: int | None,
    backfill_id: str | None,
    cancel: str | None,
    tenant: str | None,
    wait: bool,
    stack: str,
    as_json: bool,
) -> None:
    """Fire every occurrence of TENANT/NAME from --from until before --until, whether or not it fired before.

    With --wait the command stays until the backfill has ended, and says how many occurrences fired. Ctrl-C ends the
    command and not the backfill. Exit status 1 if the backfill was cancelled meanwhile.
    """
    key = key_of(schedule, tenant)
    options: dict[str, Any] = {"backfill_id": backfill_id, "per_minute": per_minute}
    if cancel is not None:
        if since is not None or until is not None or any(value is not None for value in options.values()):
            raise click.UsageError("--cancel ID stands alone; it starts no backfill")
        _cancel(key, cancel, stack, wait=wait, as_json=as_json)
        return
    if since is None or until is None:
        raise click.UsageError("give --from and --until, or --cancel ID")
    backfill_id = backfill_id or secrets.token_hex(16)  # so that it can be named, whether or not it is waited for
    options |= {"since": to_datetime(since), "until": to_datetime(until), "backfill_id": backfill_id}
    try:
        receipt, ended = run_until_signal(_start(key, stack, options, wait=wait))
    except Stopped as stopped:
        click.echo("eventcron: stopped; a backfill that has begun goes on, see `eventcron backfills list`", err=True)
        sys.exit(stopped.status)
    if ended is None:
        show_receipt(receipt, key, done=f"asked for backfill {backfill_id}", as_json=as_json)
        return
    _show(ended, as_json=as_json)
    if ended.state is not BackfillState.COMPLETED:
        sys.exit(1)


async def _start(key: Key, stack: str, options: dict[str, Any], *, wait: bool) -> tuple[Receipt, Backfill | None]:
    async with connected(stack) as client, waiting(ANSWER):
        receipt = await client.backfill(key.tenant, key.name, wait=wait, **options)
        return receipt, await _ended(client, key, str(receipt.detail["backfill_id"])) if wait else None


async def _ended(client: Verbs, key: Key, backfill_id: str) -> Backfill | None:
    with Progress() as progress:
        async for backfill in client.follow_backfill(key.tenant, key.name, backfill_id):
            progress.show(f"{counted(backfill.fires, 'fire')}, through {rfc3339(backfill.enqueued_through)}")
            if backfill.state is not BackfillState.RUNNING:
                return backfill
    return None


def _cancel(key: Key, backfill_id: str, stack: str, *, wait: bool, as_json: bool) -> None:
    async def work() -> Receipt:
        async with connected(stack) as client, waiting(ANSWER):
            return await client.cancel_backfill(key.tenant, key.name, backfill_id, wait=wait)

    show_receipt(run_until_signal(work()), key, done="asked to cancel", as_json=as_json)


def _show(ended: Backfill, *, as_json: bool) -> None:
    if as_json:
        state = {"state": str(ended.state), "fires": ended.fires, "skipped": ended.skipped}
        print_document({"tenant": ended.tenant, "name": ended.name, "backfill_id": ended.id, **state})
        return
    reason = f", by {ended.reason}" if ended.reason else ""
    click.echo(
        f"{ended.tenant}/{ended.name}: backfill {ended.id} {ended.state.lower()}{reason}:"
        f" {counted(ended.fires, 'fire')}, {ended.skipped:,} skipped"
    )
