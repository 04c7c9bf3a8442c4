"""Reads the schedules of GitHub Actions workflows."""

from __future__ import annotations

from typing import Any

from eventcron.errors import InvalidExpression
from eventcron.migrate.crontab import strict
from eventcron.migrate.model import Found, Imported, Origin, Timing, Unsaid, WrongFormat
from eventcron.migrate.trees import Table, documents, items, table
from eventcron.timing.cron import Cron
from eventcron.timing.notation import Notation
from eventcron.timing.notation import read as read_notation

#: Minutes. https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows#schedule
_SHORTEST_MINUTES = 5


def read(text: str, origin: Origin) -> Found:
    """Return a schedule for each cron of the workflow in *text*, named after the file as GitHub names workflows.

    Raises:
        WrongFormat: *text* is no workflow.
    """
    found: Found = []
    recognised = False
    for workflow in map(table, documents(text)):
        if "on" in workflow and "jobs" in workflow:
            recognised = True
            found += _workflow(workflow, origin)
    if not recognised:
        raise WrongFormat("no document has on and jobs", 1)
    return found


def _workflow(workflow: Table, origin: Origin) -> Found:
    found: Found = []
    for entry in items(table(workflow["on"]).get("schedule")):
        cron, line = table(entry).get("cron"), entry.line if isinstance(entry, Table) else None
        if not isinstance(cron, str):
            found.append(Unsaid(origin.stem, str(entry), "an entry of schedule has a cron", "cron: '0 4 * * *'", line))
        else:
            found += _schedule(workflow, origin, entry, cron)
    return found


def _schedule(workflow: Table, origin: Origin, entry: Table, cron: str) -> Found:
    name, title, line = origin.stem, workflow.get("name"), entry.line_of("cron")
    zone = entry.get("timezone")
    text = f"{title or name}: cron: {cron}" + (f", timezone: {zone}" if zone else "")
    try:
        strict(cron, "GitHub")
    except InvalidExpression as error:
        return [Unsaid(name, text, f"GitHub refuses it: {error.field}: got {error.given}", error.allowed, line)]
    fields: dict[str, Any] = {"input": {"workflow": origin.path.rsplit("/", 1)[-1], "schedule": cron}}
    if title:
        fields["description"] = str(title)
    timing = Timing(cron, Notation.UNIX)
    imported = Imported(name, (timing,), line, text, None if zone is None else str(zone), fields)
    return [imported._replace(timezone=imported.timezone or "UTC"), *_too_often(name, cron, line)]


def _too_often(name: str, cron: str, line: int | None) -> list[Unsaid]:
    try:
        item = read_notation(cron, Notation.UNIX)
    except InvalidExpression:  # a date that never comes, which is run by hand
        return []
    assert isinstance(item, Cron)  # noqa: S101  five fields are nothing else
    minutes = item.minutes
    gaps = [later - earlier for earlier, later in zip(minutes, [*minutes[1:], minutes[0] + 60], strict=True)]
    if min(gaps) >= _SHORTEST_MINUTES:
        return []
    reason = f"GitHub runs it once in {_SHORTEST_MINUTES} minutes at most; eventcron fires each time"
    return [Unsaid(name, f"cron: {cron}", reason, f"*/{_SHORTEST_MINUTES} * * * *", line, whole=False)]
