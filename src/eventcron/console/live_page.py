"""The page Live, and the stream of events behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import islice
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from eventcron.client.published import KINDS, kind_of, particulars
from eventcron.console.live import Seen, lateness_ms
from eventcron.console.site import Site, seconds
from eventcron.model.events import Answer
from eventcron.model.names import Instant
from eventcron.timing.instant import rfc3339

#: Events that the page has at first. The script keeps as many.
SHOWN = 200
#: Streams at once: each is a connection. A browser opens one for each window.
MOST_STREAMS = 50


def routes(site: Site) -> list[Route]:
    streams: set[object] = set()

    async def live(request: Request) -> Response:
        given = _given(request)
        wanted = (seen for seen in reversed(site.live.after(0)) if _is_wanted(seen, given))
        rows = [event_row(seen) for seen in islice(wanted, SHOWN)]
        return site.page(
            request, "live.html", given=given, rows=rows, kinds=list(KINDS), number=site.live.number, shown=SHOWN
        )

    async def events(request: Request) -> Response:
        if len(streams) >= MOST_STREAMS:
            return Response("Too many pages listen.\n", 503, media_type="text/plain")
        given = _given(request)
        latest = request.headers.get("last-event-id") or request.query_params.get("after", "")
        number = int(latest) if latest.isdecimal() else site.live.number
        stream = object()

        async def parts() -> AsyncIterator[bytes]:
            streams.add(stream)
            try:
                async with aclosing(site.live.follow(number)) as following:
                    yield b": listening\n\n"
                    async for new in following:
                        wanted = [seen for seen in new if _is_wanted(seen, given)]
                        yield b"".join(map(_message, wanted)) or b": alive\n\n"
            finally:
                streams.discard(stream)

        return StreamingResponse(parts(), media_type="text/event-stream")

    return [Route("/live", live), Route("/live/events", events)]


def _given(request: Request) -> dict[str, str]:
    return {name: request.query_params.get(name, "").strip() for name in ("tenant", "prefix", "kind")}


def _is_wanted(seen: Seen, given: dict[str, str]) -> bool:
    detail = seen.event.detail
    return (
        given["tenant"] in {"", detail.get("tenant")}
        and str(detail.get("name", "")).startswith(given["prefix"])
        and (given["kind"] not in KINDS or KINDS[given["kind"]](seen.event))
    )


def row_of(event: Answer, arrived: Instant) -> dict[str, Any]:
    """An event as a page shows it."""
    return {
        "arrived": arrived,
        "kind": kind_of(event),
        "type": event.detail_type,
        "tenant": event.detail.get("tenant", ""),
        "name": event.detail.get("name", ""),
        "late": "",
        "text": particulars(event),
    }


def event_row(seen: Seen) -> dict[str, Any]:
    """An event that was heard, as the page and its script show it."""
    late = lateness_ms(seen.event, seen.arrived)
    shown = {"number": seen.number, "at": rfc3339(seen.arrived), "late": "" if late is None else seconds(late)}
    return row_of(seen.event, seen.arrived) | shown


def _message(seen: Seen) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (seen.number, msgspec.json.encode(event_row(seen)))
