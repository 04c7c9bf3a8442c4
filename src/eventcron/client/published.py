"""What eventcron publishes, sorted into kinds and put for people: ``eventcron tail`` and the console show it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eventcron.model.events import EVENT_DETAILS, Answer, is_fire
from eventcron.model.history import HistoryEntry
from eventcron.timing.instant import rfc3339

#: What eventcron says about runs, the answers to reports included.
OF_RUNS = frozenset(name for name in EVENT_DETAILS if name.startswith("Run "))

#: A kind of events → whether an event is one.
KINDS: dict[str, Callable[[Answer], bool]] = {
    "fires": lambda one: is_fire(one.detail),
    "skips": lambda one: one.detail_type == "Schedule Skipped",
    "failures": lambda one: one.detail_type == "Schedule Failed",
    "rejections": lambda one: one.detail_type == "Schedule Rejected",
    "runs": lambda one: one.detail_type in OF_RUNS,
    "changes": lambda one: (
        one.detail_type in EVENT_DETAILS
        and one.detail_type not in OF_RUNS
        and one.detail_type not in {"Schedule Fired", "Schedule Skipped", "Schedule Failed", "Schedule Rejected"}
    ),
}


def kind_of(event: Answer) -> str:
    """The first of ``KINDS`` that *event* is; ``other``: none."""
    return next((kind for kind, is_one in KINDS.items() if is_one(event)), "other")


def answer_of(entry: HistoryEntry) -> Answer:
    """*entry* of a history as the event that it was, as far as it is kept."""
    return Answer(detail_type=entry.detail_type, detail=entry.detail, time=rfc3339(entry.time, millis=False))


def particulars(event: Answer) -> str:
    """What is particular about *event*, for people; "" if nothing is."""
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
    return f"{detail['backfill_id']}: {detail['state']}, {detail['fires']:,} fired"


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
