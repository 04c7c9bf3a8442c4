"""What ``eventcron apply`` and ``eventcron diff`` share: reading files, planning, showing the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.cli.completion import complete_tenant
from eventcron.entrypoints.cli.moments import SPAN
from eventcron.entrypoints.cli.tables import columns, counted
from eventcron.model.names import Key
from eventcron.preview.declared import Change, Comparison, Difference
from eventcron.preview.files import STDIN, Declared, read_declared
from eventcron.rules.diff import Moves
from eventcron.timing.instant import rfc3339

F = TypeVar("F", bound=Callable[..., Any])

#: The most changes, and the most fires, that the text shows.
SHOWN = 20
#: Endings of the files that are read in a folder.
ENDINGS = (".yaml", ".yml", ".jsonl", ".ndjson", ".json")
#: What the planning is shown as.
COMPARING = "comparing with what is stored"
_SIGNS = {"create": "+", "update": "~", "delete": "-"}


def declared_options(command: F) -> F:
    """The options that say what is compared."""
    for option in (
        click.option(
            "--within", "span", type=SPAN, default="7d", show_default=True, help="Compare fires so far ahead."
        ),
        click.option("--prune", is_flag=True, help="Delete what a tenant has stored and the files do not have."),
        click.option(
            "--tenant",
            shell_complete=complete_tenant,
            help="Only this tenant's entries.  [default: all tenants in the files]",
        ),
        click.option(
            "-f",
            "--file",
            "files",
            multiple=True,
            required=True,
            type=click.Path(path_type=Path, allow_dash=True, exists=True),
            help="YAML, JSON Lines or an export; a folder: all such files in it; - is standard input. Repeatable.",
        ),
    ):
        command = option(command)
    return command


def read_files(files: Sequence[Path], *, tenant: str | None, prune: bool) -> list[Declared]:
    """What the files declare, of *tenant* or of all.

    Raises:
        UnreadableFile: a file cannot be read.
        UsageError: nothing is declared, so that ``--prune`` would delete everything, and no tenant is named.
    """
    paths = [path for file in files for path in _paths(file)]
    declared = [
        one for one in read_declared(paths) if tenant is None or one.command is None or one.command.tenant == tenant
    ]
    if not declared and not (prune and tenant is not None):
        allowed = (
            "name its tenant by --tenant to delete all that it has" if prune else "give a file that has a schedule"
        )
        raise click.UsageError(f"{', '.join(map(str, files))}: declares nothing; {allowed}")
    return declared


def _paths(file: Path) -> Iterator[Path]:
    if file == STDIN or not file.is_dir():
        yield file
    else:
        yield from sorted(path for path in file.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())


async def plan_of(
    cases: UseCases, declared: Sequence[Declared], *, tenant: str | None, prune: bool, span: int
) -> Difference:
    """The plan that makes the deployment of *cases* equal to what is *declared*."""
    named = {one.command.tenant for one in declared if one.command is not None}
    planner = Comparison(store=cases.store, calendars=cases.calendars, settings=cases.settings)
    tenants = ({tenant} if tenant is not None else named) if prune else set()
    return await planner.plan(declared, now=cases.clock.now(), span=span, prune=tenants)


def show(plan: Difference) -> None:
    """Print *plan*: what changes, which fires move, what is rejected."""
    for change in plan.changes[:SHOWN]:
        click.echo(_line(change))
    _more(len(plan.changes), "changes")
    if plan.pruned:
        click.echo(f"what the files do not have is deleted of: {', '.join(plan.pruned)}")
    count = {action: sum(one.action == action for one in plan.changes) for action in _SIGNS}
    click.echo(
        f"{count['create']:,} to create, {count['update']:,} to update, {count['delete']:,} to delete,"
        f" {plan.unchanged:,} unchanged"
    )
    for name in plan.newer[:SHOWN]:
        click.echo(f"newer in the deployment, and stays: {name}")
    _more(len(plan.newer), "newer")
    if plan.changes:
        _show_moves(plan)
    for reason in plan.rejected:
        click.echo(f"eventcron: {reason}", err=True)


def _line(change: Change) -> str:
    fields = "; ".join(map(str, change.fields)) or f"{change.action}d"
    kind = "calendar " if change.kind == "calendar" else ""
    return f"{_SIGNS[change.action]} {kind}{change.name}  {fields}"


def _show_moves(plan: Difference) -> None:
    totals = [sum(len(part[index]) for part in plan.moves.values()) for index in range(len(Moves._fields))]
    added, removed, moved = totals
    until = rfc3339(plan.until, millis=False)
    click.echo(f"fires until {until}: {added:,} added, {removed:,} removed, {moved:,} moved")
    rows = sorted(row for key, found in plan.moves.items() for row in _rows(key, found))
    if rows:
        click.echo(columns([row[1:] for row in rows[:SHOWN]]))
    _more(len(rows), "fires")


def _rows(key: Key, found: Moves) -> Iterator[tuple[str, str, str, str]]:
    """An instant to sort by, and a row of the table, for the first fires of one schedule."""
    name = str(key)
    for at in found.added:
        yield rfc3339(at), "+", rfc3339(at, millis=False), name
    for at in found.removed:
        yield rfc3339(at), "-", rfc3339(at, millis=False), name
    for before, after in found.moved:
        yield rfc3339(before), "~", f"{rfc3339(before, millis=False)} → {rfc3339(after, millis=False)}", name


def _more(number: int, what: str) -> None:
    if number > SHOWN:
        click.echo(f"… and {number - SHOWN:,} more {what}: --json lists them all")


def as_object(plan: Difference) -> dict[str, Any]:
    """*plan* for ``--json``."""
    return {
        "changes": [
            {
                "action": one.action,
                "kind": one.kind,
                "name": one.name,
                "fields": [field._asdict() for field in one.fields],
            }
            for one in plan.changes
        ],
        "unchanged": plan.unchanged,
        "newer": plan.newer,
        "rejected": plan.rejected,
        "pruned_tenants": plan.pruned,
        "fires_until": rfc3339(plan.until, millis=False),
        "fires": {str(key): _fires(found) for key, found in plan.moves.items()},
    }


def _fires(found: Moves) -> dict[str, Any]:
    return {
        "added": [rfc3339(at) for at in found.added],
        "removed": [rfc3339(at) for at in found.removed],
        "moved": [{"from": rfc3339(before), "to": rfc3339(after)} for before, after in found.moved],
    }


def summary(plan: Difference, put: int) -> str:
    """What was done of *plan*."""
    return f"{put:,} of {counted(len(plan.commands), 'command')} put"
