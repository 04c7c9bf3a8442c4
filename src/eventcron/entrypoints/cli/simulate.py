"""``eventcron simulate``: the real registrar, planner and executor on given files of schedules, in virtual time."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from eventcron.adapters.clock import SystemClock
from eventcron.entrypoints.cli.parameters import INSTANT, SPAN
from eventcron.model.names import Instant
from eventcron.preview.simulate import Simulation, simulate
from eventcron.timing.instant import rfc3339

#: How many of the busiest schedules the text shows.
SHOWN = 10


@click.command("simulate")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--from", "start", type=INSTANT, help="First instant, RFC 3339. Default: the next whole minute.")
@click.option("--for", "span", type=SPAN, default="24h", show_default=True, help="How long: 90s, 30m, 24h, 7d.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(files: tuple[Path, ...], start: Instant | None, span: int, *, as_json: bool) -> None:
    """Tell what the schedules in FILES will fire, by running eventcron on them in virtual time.

    FILES are JSON Lines, a JSON array or YAML; each entry is the detail of Put Schedule. The schedules are put one
    second before --from. What is fired is compared with an independent computation: if the two differ, it says
    where and the exit status is 1.
    """
    now = SystemClock().now()
    first = start if start is not None else (now // 60_000 + 1) * 60_000
    result = simulate(files, start=first, end=first + span)
    click.echo(json.dumps(_as_object(result), indent=2) if as_json else _as_text(result))
    for entry in result.rejected:
        if not as_json:
            click.echo(f"eventcron: {entry['file']}:{entry['line']}: {entry['reason']}", err=True)
    if result.differences:
        for line in result.differences:
            click.echo(f"eventcron: not as computed independently: {line}", err=True)
        sys.exit(1)


def _as_object(result: Simulation) -> dict[str, Any]:
    return {
        "from": rfc3339(result.start, millis=False),
        "until": rfc3339(result.end, millis=False),
        "schedules": result.schedules,
        "due": result.due,
        "published": result.published,
        "skipped": result.skipped,
        "rejected": result.rejected,
        "peak_per_minute": result.peak_per_minute,
        "peak_minute": result.peak_minute,
        "per_schedule": result.per_schedule,
        "per_minute": result.per_minute,
        "differences": result.differences,
        "unverified": result.unverified,
    }


def _as_text(result: Simulation) -> str:
    busiest = sorted(result.per_schedule.items(), key=lambda item: (-item[1], item[0]))
    lines = [
        f"from        {rfc3339(result.start, millis=False)}",
        f"until       {rfc3339(result.end, millis=False)}",
        f"schedules   {result.schedules:,}",
        f"due         {result.due:,}",
        f"published   {result.published:,}",
        f"skipped     {sum(result.skipped.values()):,}"
        + "".join(f"  {reason}: {count:,}" for reason, count in sorted(result.skipped.items())),
        f"rejected    {len(result.rejected):,}",
        f"peak        {result.peak_per_minute:,} a minute"
        + (f", at {result.peak_minute}" if result.peak_minute else ""),
        *([f"unverified  {len(result.unverified):,}  (not computed a second time)"] if result.unverified else []),
        "",
        *(f"{count:>11,}  {name}" for name, count in busiest[:SHOWN]),
    ]
    if len(busiest) > SHOWN:
        lines.append(f"             and {len(busiest) - SHOWN:,} more: --json lists them all")
    return "\n".join(lines)
