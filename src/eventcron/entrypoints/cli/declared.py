"""What `apply` and `diff` share: the files that declare schedules, and the plan as people and programs see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
from msgspec import UNSET
from msgspec.structs import replace

from eventcron.client.declared import Differences
from eventcron.entrypoints.cli.exported import exported, is_export
from eventcron.entrypoints.cli.tables import counted
from eventcron.model.commands import DeleteSchedule, PauseSchedule, PutCalendar, Schedule
from eventcron.model.names import Key
from eventcron.preview.files import Entry, read_schedules, read_text
from eventcron.rules.changes import Change, Moves
from eventcron.timing.instant import rfc3339

F = TypeVar("F", bound=Callable[..., Any])

#: The names of files that a folder is looked through for.
SUFFIXES = frozenset({".yaml", ".yml", ".json", ".jsonl", ".ndjson"})
#: Changes that the text lists, and fires of each.
SHOWN, SHOWN_FIRES = 50, 3
SIGNS = {"create": "+", "update": "~", "delete": "-"}

_utc = partial(rfc3339, millis=False)


class Declared(NamedTuple):
    """What the files declare, and the entries that declare nothing because of an error."""

    schedules: list[Schedule]
    calendars: list[PutCalendar]
    errors: list[Entry]
    #: Where each schedule is declared: file and line.
    places: dict[Key, str]

    def tenants(self, only: str | None) -> list[str]:
        """The tenants that are named, or *only* that one."""
        named = {one.tenant for one in self.schedules} | {one.tenant for one in self.calendars}
        return [only] if only else sorted(named)


def options(function: F) -> F:
    """The options that say what is declared."""
    for option in reversed(
        (
            click.option(
                "-f",
                "--file",
                "files",
                multiple=True,
                required=True,
                type=click.Path(path_type=Path),
                help="A file of schedules, a folder of such files, or - for standard input. Repeatable.",
            ),
            click.option("--tenant", help="Only this tenant's schedules."),
            click.option("--prune", is_flag=True, help="Delete what is stored and not declared, of tenants in FILES."),
        )
    ):
        function = option(function)
    return function


def read(files: Iterable[Path], *, tenant: str | None, prune: bool) -> Declared:
    """What *files* declare, of *tenant* or of all.

    Raises:
        UnreadableFile, NoExport: a file as a whole cannot be read.
        UsageError: there is nothing to prune by.
    """
    paths = [path for file in files for path in _files(file)]
    texts = {path: read_text(path) for path in paths}
    declared = Declared([], [], [], {})
    plain = [path for path in paths if not is_export(texts[path])]
    for path in paths:
        if path not in plain:
            _take_export(path, texts[path], declared)
    for entry in read_schedules(plain, texts=texts):
        if entry.schedule is None:
            declared.errors.append(entry)
        else:
            declared.schedules.append(entry.schedule)
            declared.places[entry.schedule.key] = f"{entry.file}:{entry.line}"
    if tenant is not None:
        declared = Declared(
            [one for one in declared.schedules if one.tenant == tenant],
            [one for one in declared.calendars if one.tenant == tenant],
            declared.errors,
            declared.places,
        )
    if prune and not declared.tenants(tenant):
        raise click.UsageError("--prune: FILES name no tenant, so give --tenant to delete all of one's schedules")
    return declared


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES and one.is_file())
    if not found:
        raise click.UsageError(f"{path} has no file that ends in {', '.join(sorted(SUFFIXES))}")
    return found


def _take_export(path: Path, text: str, into: Declared) -> None:
    """Take what an export puts. A pause that it orders is part of its schedule; deletions are `restore`'s."""
    places: dict[Key, int] = {}
    for command in exported(path, text.encode().splitlines()):
        if isinstance(command, Schedule):
            places[command.key] = len(into.schedules)
            into.schedules.append(command)
        elif isinstance(command, PutCalendar):
            into.calendars.append(command)
        elif isinstance(command, PauseSchedule) and command.key in places:
            place = places[command.key]
            if into.schedules[place].state is UNSET:
                into.schedules[place] = replace(into.schedules[place], state="PAUSED")


def kind_of(change: Change) -> str:
    """``create``, ``update`` or ``delete``."""
    if isinstance(change.command, DeleteSchedule):
        return "delete"
    return "update" if change.exists else "create"


def as_object(plan: Differences) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "changes": [_change(change) for change in plan.changes],
        "unchanged": plan.unchanged,
        "older": list(map(str, plan.older)),
        "rejected": [{"schedule": str(key), "code": error.code, "reason": str(error)} for key, error in plan.rejected],
        "unreadable": [{"schedule": str(one.key), "reason": one.reason} for one in plan.unreadable],
    }


def _change(change: Change) -> dict[str, Any]:
    moves = change.moves
    return {
        "kind": kind_of(change),
        "what": "calendar" if isinstance(change.command, PutCalendar) else "schedule",
        "name": str(change.command.key),
        "fields": {name: list(values) for name, values in change.fields.items()},
        "fires_added": len(moves.added),
        "fires_removed": len(moves.removed),
        "fires_moved": len(moves.moved),
        "first_added": [_utc(at) for at in moves.added[:SHOWN_FIRES]],
        "first_removed": [_utc(at) for at in moves.removed[:SHOWN_FIRES]],
    }


def as_text(plan: Differences) -> str:
    """The plan for people: each change with its fields and fires, then the sums."""
    lines = [line for change in plan.changes[:SHOWN] for line in _lines(change)]
    if len(plan.changes) > SHOWN:
        lines.append(f"… and {counted(len(plan.changes) - SHOWN, 'change')} more: --json lists them all")
    kinds = [kind_of(change) for change in plan.changes]
    sums = [f"{kinds.count(kind)} to {kind}" for kind in SIGNS if kind in kinds]
    added, removed = (sum(len(getattr(one.moves, which)) for one in plan.changes) for which in ("added", "removed"))
    fires = f"; {counted(added, 'fire')} added and {removed:,} removed within seven days" if sums else ""
    older = [f"{len(plan.older)} older than what is stored"] if plan.older else []
    rest = ", ".join([*(sums or ["nothing to change"]), f"{plan.unchanged:,} unchanged", *older])
    return "\n".join([*lines, *([""] if lines else []), rest + fires])


def _lines(change: Change) -> Iterable[str]:
    kind = kind_of(change)
    what = "calendar " if isinstance(change.command, PutCalendar) else ""
    yield f"{SIGNS[kind]} {what}{change.command.key}"
    for name, (before, after) in change.fields.items():
        yield f"    {name}: {_shown(before)} → {_shown(after)}"
    yield from map("    {}".format, _fires(change.moves))


def _fires(moves: Moves) -> Iterable[str]:
    if moves.moved:
        pairs = [f"{_utc(before)} → {_utc(after)}" for before, after in moves.moved]
        yield f"{counted(len(pairs), 'fire')} {'moves' if len(pairs) == 1 else 'move'}: {_some(pairs)}"
        return
    for verb, fires in (("added", moves.added), ("removed", moves.removed)):
        if fires:
            yield f"{counted(len(fires), 'fire')} {verb}: {_some([_utc(at) for at in fires])}"


def _some(texts: Sequence[str]) -> str:
    return ", ".join([*texts[:SHOWN_FIRES], *(["…"] if len(texts) > SHOWN_FIRES else [])])


def _shown(value: Any) -> str:
    text = "none" if value is None else value if isinstance(value, str) else repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"  # noqa: PLR2004  # a line of a terminal


def name_errors(given: Declared, plan: Differences) -> bool:
    """Say on stderr which entries declare nothing, and what the registrar would reject. Return whether any do."""
    for entry in given.errors:
        click.echo(f"eventcron: {entry.file}:{entry.line}: {entry.error}", err=True)
    for key, error in plan.rejected:
        click.echo(f"eventcron: {given.places.get(key, key)}: {error}", err=True)
    for key in plan.older:
        click.echo(f"eventcron: {key} stays: a later change was applied than the revision in the file", err=True)
    for one in plan.unreadable:
        click.echo(f"eventcron: this release cannot read {one.key}, so it stays: {one.reason}", err=True)
    return bool(given.errors or plan.rejected or plan.unreadable)
