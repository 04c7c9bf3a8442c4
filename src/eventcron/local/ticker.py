"""Ticks on time, because the embedded EventBridge checks scheduled rules only every ten seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from eventcron.model.names import Instant
from eventcron.ports import Clock


class Ticker:
    """Invokes the planner at each whole multiple of *seconds* since 1970, one invocation at a time.

    A run that takes longer than a tick skips the ticks meanwhile; the next run catches up. *on_failure* is called with
    the response of a failed run, and the ticks go on.
    """

    def __init__(
        self, aws_lambda: Any, function: str, *, seconds: int, clock: Clock, on_failure: Callable[[str], None]
    ) -> None:
        self._lambda = aws_lambda
        self._function = function
        self._every: Instant = seconds * 1000
        self._clock = clock
        self._on_failure = on_failure

    async def tick(self) -> str | None:
        """Run the planner once. Return its response if it failed, otherwise None."""
        # The fields of a scheduled rule's event that the planner reads.
        event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
        answer = await self._lambda.invoke(FunctionName=self._function, Payload=json.dumps(event).encode())
        async with answer["Payload"] as body:
            payload = await body.read()
        return payload.decode(errors="replace") if "FunctionError" in answer else None

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            now = self._clock.now()
            await self._clock.sleep_until(now - now % self._every + self._every)
            try:
                failure = await self.tick()
            except (BotoCoreError, ClientError) as error:
                # The next call may succeed, and without ticks no schedule would fire any more.
                failure = str(error)
            if failure is not None:
                self._on_failure(failure)
