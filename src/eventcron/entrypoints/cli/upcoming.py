"""``eventcron upcoming``: what the schedules of a deployment are about to fire."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import click

from eventcron.adapters.clock import SystemClock
from eventcron.app.upcoming import UpcomingReport
from eventcron.entrypoints.cli.moments import read_moment
from eventcron.entrypoints.cli.operations import json_option, operations, stack_option
from eventcron.entrypoints.cli.parameters import SPAN
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.events import SkipNotice
from eventcron.model.names import Instant, Window
from eventcron.rules.upcoming import UpcomingFire
from eventcron.timing.instant import rfc3339
from eventcron.timing.trigger import local_time
from eventcron.wire.encode import fire_id

DEFAULT_SPAN_MS = 3_600_000
#: Milliseconds that --from may be past by, so that a script may hand over its own "now".
TOLERATED_MS = 60_000
#: Of the busiest tenants, and of what will not fire, how many lines the text shows.
SHOWN = 10
#: Characters of the longest bar.
BAR = 40


@click.command("upcoming")
@stack_option
@click.option("--tenant", help="Only this tenant's, which reads only its part of the table.")
@click.option("--from", "since", metavar="T", help="Only what is published at or after it, RFC 3339.  [default: now]")
@click.option("--for", "span", type=SPAN, help="How long: 90s, 30m, 24h at most.  [default: 1h]")
@click.option("--until", metavar="T", help="In place of --for: only what is published before it, RFC 3339.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(0, 100_000), help="Fires told one by one; all count."
)
@click.option("--summary", is_flag=True, help="By minute and tenant, in place of one by one: see a peak come.")
@json_option
def command(
    *,
    stack: str,
    tenant: str | None,
    since: str | None,
    span: int | None,
    until: str | None,
    limit: int,
    summary: bool,
    as_json: bool,
) -> None:
    """Say what the stored schedules of a deployment are about to fire, in UTC and in each schedule's own time.

    It is worked out from what is stored, by the planner's own code: exclusions, clock changes, bounds, pauses and
    flexible windows count. Without --tenant the whole table is read once. Exit status 1 if a schedule cannot be
    read by this release.
    """
    if span is not None and until is not None:
        raise click.UsageError("give --for or --until, not both")
    start = _start(since)
    end = start + (span or DEFAULT_SPAN_MS) if until is None else read_moment(until, "--until")
    outlook = asyncio.run(_look(stack, Window(start, end), tenant, limit=0 if summary else limit))
    if as_json:
        click.echo(json.dumps(_as_object(outlook, summary=summary), indent=2))
    else:
        click.echo("\n".join([*(by_minute(outlook) if summary else one_by_one(outlook)), *notes(outlook)]))
    for unreadable in outlook.unreadable:
        click.echo(f"eventcron: {unreadable.key} cannot be read by this release: {unreadable.reason}", err=True)
    sys.exit(1 if outlook.unreadable else 0)


def _start(since: str | None) -> Instant:
    now = SystemClock().now()
    if since is None:
        return now
    start = read_moment(since, "--from")
    if start < now - TOLERATED_MS:
        allowed = f"{_utc(now)}, now, or later; what was fired before stands in the log of facts"
        raise InvalidSchedule(RejectionCode.IN_THE_PAST, field="--from", given=_utc(start), allowed=allowed)
    return start


async def _look(stack: str, window: Window, tenant: str | None, *, limit: int) -> UpcomingReport:
    async with operations(stack) as (cases, *_):
        shown = _progress if sys.stderr.isatty() else lambda _outlook: None
        return await cases.upcoming.look(window, tenant=tenant, limit=limit, on_progress=shown)


def _progress(outlook: UpcomingReport) -> None:
    click.echo(f"\r{outlook.schedules:,} schedules read, {outlook.fires:,} fires\r", err=True, nl=False)


def one_by_one(outlook: UpcomingReport) -> list[str]:
    """The first fires, each in a line, and how many there are."""
    width = max((len(_utc(coming.at)) for coming in outlook.first), default=0)
    zone = max((len(_local(coming)) for coming in outlook.first), default=0)
    lines = [f"{_utc(one.at):<{width}}  {_local(one):<{zone}}  {one.fire.key}" for one in outlook.first]
    more = outlook.fires - len(outlook.first)
    return [
        *lines,
        *([f"… and {more:,} more: --limit shows them, --summary counts them"] if more else []),
        _all(outlook),
    ]


def by_minute(outlook: UpcomingReport) -> list[str]:
    """The fires of each minute that has any, the busiest tenants and schedules, and the peaks."""
    most = max(outlook.minutes.values(), default=1)
    lines = [
        f"{_utc(minute)}  {count:>9,}  {'#' * max(1, count * BAR // most)}"
        for minute, count in sorted(outlook.minutes.items())
    ]
    for label, counts in (("tenant", outlook.tenants), ("schedule", outlook.names)):
        if len(counts) > 1:
            lines += ["", *(f"{label:<8}  {count:>9,}  {name}" for name, count in _busiest(counts))]
    peaks = [
        f"peak      {peak[1]:>9,}  a {unit}, at {_utc(peak[0])}"
        for unit, counts in (("minute", outlook.minutes), ("second", outlook.seconds))
        if (peak := _peak(counts)) is not None
    ]
    return [*lines, *([""] if lines else []), *peaks, _all(outlook)]


def _busiest(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]


def _peak(counts: dict[Instant, int]) -> tuple[Instant, int] | None:
    """The instant with the most, the first of several."""
    return min(counts.items(), key=lambda item: (-item[1], item[0]), default=None)


def _all(outlook: UpcomingReport) -> str:
    return (
        f"{outlook.fires:,} fires of {len(outlook.names):,} schedules, from {_utc(outlook.window.start)}"
        f" until {_utc(outlook.window.end)}; {outlook.schedules:,} schedules looked at"
    )


def notes(outlook: UpcomingReport) -> list[str]:
    """What will not fire, and what fires besides."""
    lines = [_will_not(skip) for skip in outlook.skips[:SHOWN]]
    if len(outlook.skips) > SHOWN:
        lines.append(f"… and {len(outlook.skips) - SHOWN:,} more schedules skip: --json lists them all")
    return lines + [
        f"besides, backfill {one.key}, up to {one.per_minute:,} a minute: eventcron backfills show {one.key}"
        for one in outlook.backfills
    ]


def _will_not(skip: SkipNotice) -> str:
    by = f" by {skip.by}" if skip.by else ""
    times = f", {skip.count:,} times until {_utc(skip.last_due)}" if skip.count > 1 else ""
    return f"{skip.tenant}/{skip.name} will not fire at {_utc(skip.first_due)}{times}: {skip.reason}{by}"


def _as_object(outlook: UpcomingReport, *, summary: bool) -> dict[str, Any]:
    minute, second = _peak(outlook.minutes), _peak(outlook.seconds)
    told: dict[str, Any] = {
        "from": _utc(outlook.window.start),
        "until": _utc(outlook.window.end),
        "schedules": outlook.schedules,
        "fires": outlook.fires,
        "peak_per_minute": minute[1] if minute else 0,
        "peak_minute": _utc(minute[0]) if minute else None,
        "peak_per_second": second[1] if second else 0,
        "peak_second": _utc(second[0]) if second else None,
        "skipped": list(map(_skip, outlook.skips)),
        "backfills": [{"backfill": str(one.key), "per_minute": one.per_minute} for one in outlook.backfills],
        "unreadable": [{"schedule": str(one.key), "reason": one.reason} for one in outlook.unreadable],
    }
    if summary:
        told["per_minute"] = {_utc(at): count for at, count in sorted(outlook.minutes.items())}
        told["per_tenant"] = dict(sorted(outlook.tenants.items()))
        told["per_schedule"] = dict(sorted(outlook.names.items()))
    else:
        told["first"] = list(map(_fire, outlook.first))
    return told


def _fire(coming: UpcomingFire) -> dict[str, Any]:
    fire = coming.fire
    return {
        "at": _utc(coming.at),
        "local_time": _local(coming),
        "timezone": coming.timezone,
        "tenant": fire.tenant,
        "name": fire.name,
        "due": _utc(fire.due),
        "fire_id": fire_id(fire),
    }


def _skip(skip: SkipNotice) -> dict[str, Any]:
    return {
        "tenant": skip.tenant,
        "name": skip.name,
        "reason": skip.reason,
        "by": skip.by,
        "first_due": _utc(skip.first_due),
        "last_due": _utc(skip.last_due),
        "count": skip.count,
    }


def _local(coming: UpcomingFire) -> str:
    return local_time(coming.at, coming.timezone, millis=False)


def _utc(instant: Instant) -> str:
    return rfc3339(instant, millis=False)
