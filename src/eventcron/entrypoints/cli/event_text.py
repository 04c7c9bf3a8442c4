"""Events for people: what is particular about each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventcron.entrypoints.cli.tables import columns, counted, one_line
from eventcron.model.events import Answer, is_fire
from eventcron.model.history import HistoryEntry
from eventcron.timing.instant import rfc3339


def particulars(event: Answer) -> str:
    """What an event says besides its detail-type."""
    detail = event.detail
    if is_fire(detail):
        return f"due {detail['due']}, {detail['cause']}, fire {detail['fire_id']}"
    say = _SAYINGS.get(event.detail_type, _of_change)
    return say(detail)


def _of_skip(detail: dict[str, Any]) -> str:
    by = f" ({detail['by']})" if "by" in detail else ""
    last = f" to {detail['last_due']}" if detail["count"] > 1 else ""
    return f"{detail['reason']}{by}: {detail['count']:,}, due {detail['first_due']}{last}"


def _of_failure(detail: dict[str, Any]) -> str:
    return f"due {detail['due']}: {detail['code']}: {detail['message']}"


def _of_rejection(detail: dict[str, Any]) -> str:
    # A history keeps no message, as it quotes what was sent.
    return f"{detail['command']}: {detail.get('message') or detail['code'] + ' in ' + detail['field']}"


def _of_backfill(detail: dict[str, Any]) -> str:
    return f"{detail['backfill_id']}: {detail['state']}, {counted(detail['fires'], 'fire')}"


def _of_run(detail: dict[str, Any]) -> str:
    said = f": {detail['message']}" if detail.get("message") else ""
    return f"due {detail['due']}, after {detail['duration_ms'] / 1000:,.1f} s, fire {detail['fire_id']}{said}"


def _of_change(detail: dict[str, Any]) -> str:
    return f"revision {detail['revision']}" if "revision" in detail else ""


_SAYINGS = {
    "Schedule Skipped": _of_skip,
    "Schedule Failed": _of_failure,
    "Schedule Rejected": _of_rejection,
    "Schedule Backfilled": _of_backfill,
    "Run Succeeded": _of_run,
    "Run Failed": _of_run,
    "Run Overdue": _of_run,
}


def rows_of(entries: Sequence[HistoryEntry]) -> str:
    """One line for each of *entries*: when it was published, what, and its particulars."""
    answers = [
        Answer(detail_type=one.detail_type, detail=one.detail, time=rfc3339(one.time, millis=False)) for one in entries
    ]
    return columns([(one.time, one.detail_type, one_line(particulars(one))) for one in answers])
