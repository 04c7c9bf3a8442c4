"""``eventcron simulate``: what files of schedules fire, by the code of registrar and planner."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from eventcron.adapters.clock import SystemClock
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.moments import INSTANT, SPAN
from eventcron.entrypoints.cli.plot import plot_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.tables import columns
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.names import END_OF_TIME, Instant
from eventcron.preview.heat_map_picture import write
from eventcron.preview.simulate import Simulation, simulate
from eventcron.timing.fields import LAST_YEAR
from eventcron.timing.instant import rfc3339

#: The most schedules that the text lists.
SHOWN = 10


@click.command("simulate")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--from",
    "start",
    type=INSTANT,
    help="First instant: RFC 3339, a date, now.  [default: the next whole minute]",
)
@click.option(
    "--for", "span", type=SPAN, default="24h", show_default=True, help="How long to simulate: 90s, 30m, 24h, 7d."
)
@plot_option
@json_option
def command(files: tuple[Path, ...], start: Instant | None, span: int, *, plot: Path | None, as_json: bool) -> None:
    """Show what the schedules in FILES will fire, by eventcron's own registrar and planning.

    FILES are JSON Lines, a JSON array or YAML; - is standard input. Each entry is the detail of Put Schedule. The
    schedules are put one second before --from. The command compares the fires with an independent computation. If the
    two differ, or a schedule is rejected, it says which and exits with status 1.
    """
    now = SystemClock().now()
    first = start if start is not None else (now // 60_000 + 1) * 60_000
    if first + span > END_OF_TIME:
        given, allowed = repr(rfc3339(first, millis=False)), f"a span that ends with the year {LAST_YEAR}"
        raise InvalidSchedule(RejectionCode.OUT_OF_RANGE, field="--from", given=given, allowed=allowed)
    with Progress() as progress:
        result = simulate(
            files, start=first, end=first + span, on_progress=lambda percent: progress.show(f"{percent:3} % simulated")
        )
    if plot is not None:
        write(result.heat_map, plot)
    if as_json:
        print_document(_as_object(result))
    else:
        click.echo(_as_text(result))
    for entry in result.rejected:
        if not as_json:
            click.echo(f"eventcron: {entry['file']}:{entry['line']}: {entry['reason']}", err=True)
    for line in result.differences:
        click.echo(f"eventcron: differs from the independent computation: {line}", err=True)
    sys.exit(1 if result.rejected or result.differences else 0)


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
    skipped = "".join(f"  {reason}: {count:,}" for reason, count in sorted(result.skipped.items()))
    at = f", at {result.peak_minute}" if result.peak_minute else ""
    rows = [
        ("from", rfc3339(result.start, millis=False)),
        ("until", rfc3339(result.end, millis=False)),
        ("schedules", f"{result.schedules:,}"),
        ("due", f"{result.due:,}"),
        ("published", f"{result.published:,}"),
        ("skipped", f"{sum(result.skipped.values()):,}{skipped}"),
        ("rejected", f"{len(result.rejected):,}"),
        ("peak", f"{result.peak_per_minute:,} a minute{at}"),
    ]
    if result.unverified:
        rows.append(("unverified", f"{len(result.unverified):,}  (the independent computation leaves them out)"))
    busiest = sorted(result.per_schedule.items(), key=lambda item: (-item[1], item[0]))
    lines = [columns(rows)]
    if busiest:
        lines += ["", columns([(f"{count:,}", name) for name, count in busiest[:SHOWN]], right={0})]
    if len(busiest) > SHOWN:
        lines.append(f"… and {len(busiest) - SHOWN:,} more: --json lists them all")
    return "\n".join(lines)
