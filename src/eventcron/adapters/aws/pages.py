"""Reads a list that AWS answers in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from eventcron.adapters.aws.json_api import Response


async def pages(
    operation: Callable[..., Awaitable[Response]],
    items: str,
    *,
    given: str = "NextToken",
    answered: str = "NextToken",
    **request: str,
) -> AsyncIterator[Response]:
    """Each of *items* in all pages of *operation*. *given* and *answered* are its names of the page."""
    while True:
        page = await operation(**request)
        for item in page[items]:
            yield item
        if not page.get(answered):
            return
        request[given] = page[answered]
