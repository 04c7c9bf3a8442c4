"""What eventcron publishes, sorted into kinds and put for people: ``eventcron tail`` and the console show it."""

from __future__ import annotations

from collections.abc import Callable

from eventcron.model.events import EVENT_DETAILS, Answer

#: A kind of events → whether an event is one.
KINDS: dict[str, Callable[[Answer], bool]] = {
    "fires": lambda one: "fire_id" in one.detail and "input" in one.detail,
    "skips": lambda one: one.detail_type == "Schedule Skipped",
    "failures": lambda one: one.detail_type == "Schedule Failed",
    "rejections": lambda one: one.detail_type == "Schedule Rejected",
    "changes": lambda one: (
        one.detail_type in EVENT_DETAILS
        and one.detail_type not in {"Schedule Fired", "Schedule Skipped", "Schedule Failed", "Schedule Rejected"}
    ),
}


def particulars(event: Answer) -> str:
    """What is particular about *event*, for people; "" if nothing is."""
    detail = event.detail
    if KINDS["fires"](event):
        return f"due {detail['due']}, {detail['cause']}, fire {detail['fire_id']}"
    if event.detail_type == "Schedule Skipped":
        by = f" ({detail['by']})" if "by" in detail else ""
        last = f" to {detail['last_due']}" if detail["count"] > 1 else ""
        return f"{detail['reason']}{by}: {detail['count']:,}, due {detail['first_due']}{last}"
    if event.detail_type == "Schedule Failed":
        return f"due {detail['due']}: {detail['code']}: {detail['message']}"
    if event.detail_type == "Schedule Rejected":
        return f"{detail['command']}: {detail['message']}"
    if event.detail_type == "Schedule Backfilled":
        return f"{detail['backfill_id']}: {detail['state']}, {detail['fires']:,} fired"
    return f"revision {detail['revision']}" if "revision" in detail else ""
