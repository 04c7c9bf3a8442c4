"""``eventcron why``: why a schedule did or did not fire at an instant, or since one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from eventcron.app.why import Why
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.moments import INSTANT
from eventcron.entrypoints.cli.operations import operations, stack_option
from eventcron.entrypoints.cli.schedules import key_of, schedule_argument, tenant_option
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import one_line
from eventcron.model.names import Instant, Key
from eventcron.model.why import Verdict
from eventcron.timing.instant import rfc3339
from eventcron.timing.trigger import local_time
from eventcron.wire.history import shown


@click.command("why")
@schedule_argument
@click.option("--at", type=INSTANT, help="The instant in question. Default: the last one at which it was due.")
@click.option("--since", type=INSTANT, help="In place of --at: every instant since this one at which it was due.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 200), help="How many with --since, the last ones."
)
@tenant_option
@stack_option
@json_option
def command(
    schedule: str,
    *,
    at: Instant | None,
    since: Instant | None,
    limit: int,
    tenant: str | None,
    stack: str,
    as_json: bool,
) -> None:
    """Say why the schedule TENANT/NAME did or did not fire, and what became of it.

    The answer comes from the stored schedule, the history (if the deployment keeps one), the dead letters and how far
    the planner is. What is not kept is named, with how to keep it. Exit status 0 whatever the answer is.
    """
    if at is not None and since is not None:
        raise click.UsageError("give --at or --since, not both")
    key = key_of(schedule, tenant)

    async def work() -> list[Verdict]:
        async with operations(stack) as (cases, redrive, *_):
            asker = Why(cases)
            queues = {"fires": await redrive("fires", None), "commands": await redrive("commands", None)}
            if since is None:
                return [await asker.at(key, at, **queues)]
            return await asker.since(key, since, limit=limit, **queues)

    verdicts = run_until_signal(work())
    if as_json:
        print_document({"schedule": str(key), "answers": [as_object(verdict) for verdict in verdicts]})
    else:
        click.echo(_in_full(key, verdicts))


def as_object(verdict: Verdict) -> dict[str, Any]:
    """*verdict* as JSON."""
    zone = verdict.timezone
    return {
        "at": rfc3339(verdict.at),
        "local_time": local_time(verdict.at, zone) if zone else None,
        "because": str(verdict.because),
        "due": verdict.due,
        "fired": verdict.fired,
        "says": verdict.says,
        "due_before": None if verdict.before is None else rfc3339(verdict.before),
        "due_after": None if verdict.after is None else rfc3339(verdict.after),
        "events": [msgspec.to_builtins(shown(entry)) for entry in verdict.entries],
        "unknown": list(verdict.unknown),
    }


def _in_full(key: Key, verdicts: Sequence[Verdict]) -> str:
    lines = []
    for verdict in verdicts:
        zone = verdict.timezone
        local = f" ({local_time(verdict.at, zone, millis=False)} {zone})" if zone not in {"", "UTC"} else ""
        lines.append(f"{key} at {rfc3339(verdict.at, millis=False)}{local}: {verdict.says}")
    # What is unknown is often the same for each.
    lines += dict.fromkeys(sentence for verdict in verdicts for sentence in verdict.unknown)
    return "\n".join(map(one_line, lines))
