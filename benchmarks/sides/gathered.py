"""Baseline (b): as the sequential one, with aiobotocore and ``gather``."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from benchmarks.sides.sequential import entry, message, occurrences, query, read
from benchmarks.stocks import SEGMENTS

#: Segments at once, and connections of a client: as eventcron has them by default.
AT_ONCE, CONNECTIONS = 16, 64


class Gathered:
    """A planner and an executor."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._exits = AsyncExitStack()
        self._runner.run(self._open())

    async def _open(self) -> None:
        session, config = get_session(), AioConfig(max_pool_connections=CONNECTIONS)
        self._dynamodb, self._sqs, self._events = [
            await self._exits.enter_async_context(session.create_client(name, config=config))
            for name in ("dynamodb", "sqs", "events")
        ]

    def plan(self, start: int, end: int) -> dict[str, Any]:
        """Send a message for each fire due in [*start*, *end*)."""
        self._runner.run(self._plan(start, end))
        return {}

    async def _plan(self, start: int, end: int) -> None:
        slots = asyncio.Semaphore(AT_ONCE)

        async def segment(number: int) -> None:
            async with slots:
                async for page in self._dynamodb.get_paginator("query").paginate(**query(number)):
                    sends = [
                        self._sqs.send_message(**message(item, due))
                        for item in page["Items"]
                        for due in occurrences(item["cron"]["S"], item["timezone"]["S"], start, end)
                    ]
                    await asyncio.gather(*sends)

        await asyncio.gather(*map(segment, range(SEGMENTS)))

    def execute(self, event: dict[str, Any]) -> dict[str, Any]:
        """Publish each fire at its instant if its schedule is still enabled. Returns the messages that come back."""
        taken = self._runner.run(self._execute(event["Records"]))
        again = [record["messageId"] for record, done in zip(event["Records"], taken, strict=True) if not done]
        return {"batchItemFailures": [{"itemIdentifier": one} for one in again]}

    async def _execute(self, records: list[dict[str, Any]]) -> list[bool]:
        async def publish(record: dict[str, Any]) -> bool:
            fire = json.loads(record["body"])
            item = (await self._dynamodb.get_item(**read(fire))).get("Item")
            await asyncio.sleep(max(0.0, fire["due"] / 1000 - time.time()))
            if item is None or item["state"]["S"] != "ENABLED":
                return True
            return not (await self._events.put_events(Entries=[entry(fire, item)]))["FailedEntryCount"]

        return await asyncio.gather(*map(publish, records))

    def close(self) -> None:
        self._runner.run(self._exits.aclose())
        self._runner.close()
