"""What ``eventcron dev`` prints of fires, skips, and targets that get nothing: one line each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from eventcron.model.events import Answer, is_fire
from eventcron.model.names import Instant
from eventcron.timing.instant import from_rfc3339

#: What ministack logs about a target that it could not invoke.
_DELIVERY = re.compile(r" (?:WARNING|ERROR) \[events\] (EventBridge\b.*)$")


def line(event: Answer, *, now: Instant) -> str | None:
    """A fire or a skip that arrived at *now*, for people; None: *event* is something else."""
    detail = event.detail
    who = f"{_clock(now, now=now)}  {detail.get('tenant', '?')}/{detail.get('name', '?')}"
    if is_fire(detail):
        due = from_rfc3339(detail["due"])
        again = f", attempt {detail['attempt']}" if detail.get("attempt", 1) > 1 else ""
        cause = "" if detail["cause"] == "schedule" else f"  ({detail['cause']})"
        return f"{who}  fired  due {_clock(due, now=now)}, {_seconds(now - due)} later{again}{cause}"
    if event.detail_type == "Schedule Skipped":
        first = _clock(from_rfc3339(detail["first_due"]), now=now)
        many = f" and {detail['count'] - 1:,} more" if detail["count"] > 1 else ""
        by = f" by {detail['by']}" if "by" in detail else ""
        return f"{who}  skipped  due {first}{many}: {detail['reason']}{by}"
    return None


def undelivered(lines: Iterable[str]) -> Iterator[str]:
    """What *lines* of ministack's log say about targets that got nothing.

    >>> list(undelivered(["2026-11-26 16:57:22 WARNING [events] EventBridge → SQS: queue nowhere not found"]))
    ['EventBridge → SQS: queue nowhere not found']
    """
    for text in lines:
        found = _DELIVERY.search(text)
        if found:
            yield found[1]


def _clock(instant: Instant, *, now: Instant) -> str:
    """*instant* in local time; with its date if that is not today's."""
    local = datetime.fromtimestamp(instant / 1_000).astimezone()
    today = datetime.fromtimestamp(now / 1_000).astimezone().date()
    text = local.strftime("%H:%M:%S") + f".{instant % 1_000:03}"
    return text if local.date() == today else f"{local.date()} {text}"


def _seconds(ms: int) -> str:
    """
    >>> _seconds(31), _seconds(1_500)
    ('31 ms', '1.5 s')
    """
    return f"{ms} ms" if abs(ms) < 1_000 else f"{ms / 1_000:,.1f} s"  # noqa: PLR2004  # milliseconds of a second
