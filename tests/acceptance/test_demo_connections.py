"""The embedded AWS keeps an idle connection open for longer than a tick, so that clients can reuse it."""

from __future__ import annotations

import asyncio
import http.client
from urllib.parse import urlsplit

import pytest

from eventcron.local.embedded import EmbeddedAws
from tests.waiting import HANG_SECONDS

pytestmark = pytest.mark.embedded

#: Seconds. By default uvicorn closes an idle connection after 5, and the planner ticks every 5.
IDLE_SECONDS = 6.0


async def test_a_connection_idle_for_longer_than_a_tick_answers_again() -> None:
    async with EmbeddedAws(port=0, region="us-east-1", on_output=lambda _: None) as aws:
        connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc, timeout=HANG_SECONDS)
        connection.auto_open = 0
        await asyncio.to_thread(connection.connect)
        first = await asyncio.to_thread(_health, connection)
        await asyncio.sleep(IDLE_SECONDS)
        second = await asyncio.to_thread(_health, connection)
        connection.close()

    assert (first, second) == (200, 200)


def _health(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/_ministack/health")
    with connection.getresponse() as answer:
        answer.read()
        return answer.status
