"""Reads every event of eventcron from a queue, while the AWS that holds the queue dies and comes back."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.exceptions import HTTPClientError

from eventcron.demo.observations import Observations, QueueReader

#: Seconds until a message is visible again whose reader lost its connection.
VISIBILITY_SECONDS = 5


class Watch:
    """The events that a rule for all of eventcron's events delivered and that were read so far."""

    def __init__(self, sqs: Any) -> None:
        self.observed = Observations()
        self._sqs = sqs
        self.url = ""

    async def subscribe(self, events: Any, bus: str) -> None:
        """Create the queue and the rule."""
        attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        self.url = (await self._sqs.create_queue(QueueName="events", Attributes=attributes))["QueueUrl"]
        answer = await self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        await events.put_rule(Name="events", EventBusName=bus, EventPattern='{"source": ["eventcron"]}')
        target = {"Id": "events", "Arn": answer["Attributes"]["QueueArn"]}
        await events.put_targets(Rule="events", EventBusName=bus, Targets=[target])
        self._reader = QueueReader(self._sqs, self.url, self.observed.add_event_message)

    async def read(self) -> NoReturn:
        """Read until cancelled."""
        while True:
            try:
                await self._reader.read()
            except (HTTPClientError, NoConnectionError):
                await asyncio.sleep(0.1)  # the AWS is dead, and nothing announces its return
