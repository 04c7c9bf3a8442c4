"""What became of a schedule: its history, and why it did or did not fire."""

from __future__ import annotations

from itertools import islice
from typing import Any, NamedTuple

from eventcron.app.why import Why
from eventcron.client.published import answer_of
from eventcron.console.live_page import event_row, row_of
from eventcron.console.site import Site, utc_moment
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.history import HistoryEntry
from eventcron.model.names import Instant, Key
from eventcron.model.why import Verdict
from eventcron.timing.instant import from_datetime

#: Events of one schedule that are listed.
MOST_EVENTS = 50


class Past(NamedTuple):
    """The latest events of a schedule, the latest first."""

    rows: list[dict[str, Any]]
    #: Whether the deployment keeps them; otherwise they are those that this console has heard.
    kept: bool


async def past_of(site: Site, key: Key) -> Past:
    """The history of *key*, or what was published about it since the console began."""
    client = site.stack.client
    if client.cases.past.is_kept:
        entries = client.history(key.tenant, key.name, limit=MOST_EVENTS)
        return Past([_row(entry) async for entry in entries], kept=True)
    seen = (
        one
        for one in reversed(site.live.after(0))
        if (one.event.detail.get("tenant"), one.event.detail.get("name")) == key
    )
    return Past([event_row(one) for one in islice(seen, MOST_EVENTS)], kept=False)


def _row(entry: HistoryEntry) -> dict[str, Any]:
    return row_of(answer_of(entry), entry.time) | {"tenant": entry.tenant, "name": entry.name}


async def why(site: Site, key: Key, text: str) -> Verdict:
    """Why *key* did or did not fire at *text*; "" = when it was due last.

    Raises:
        InvalidSchedule: *text* is no instant.
    """
    stack = site.stack
    queues = {name: await stack.redrive(name, None) for name in ("fires", "commands") if name in stack.queues}
    return await Why(stack.client.cases).at(key, _instant(text) if text else None, **queues)


def _instant(text: str) -> Instant:
    try:
        return from_datetime(utc_moment(text))
    except ValueError as error:
        raise InvalidSchedule(
            RejectionCode.INVALID_TIME, field="why", given=repr(text), allowed="date and time, such as 2026-12-01T08:30"
        ) from error
