"""Reads every fact from a queue, through the death and return of the AWS that holds it."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.exceptions import HTTPClientError

from eventcron.demo.observed import Observed

#: Seconds for which a message that was read, and whose reader was cut off, stays away.
VISIBILITY_SECONDS = 5


class Watch:
    """What a rule for all of eventcron's facts passed on, as far as it was read."""

    def __init__(self, sqs: Any) -> None:
        self.observed = Observed()
        self._sqs = sqs
        self._seen: set[str] = set()
        self.url = ""

    async def subscribe(self, events: Any, bus: str) -> None:
        """Make the queue and the rule."""
        attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        self.url = (await self._sqs.create_queue(QueueName="facts", Attributes=attributes))["QueueUrl"]
        answer = await self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        await events.put_rule(Name="facts", EventBusName=bus, EventPattern='{"source": ["eventcron"]}')
        target = {"Id": "facts", "Arn": answer["Attributes"]["QueueArn"]}
        await events.put_targets(Rule="facts", EventBusName=bus, Targets=[target])

    async def read(self) -> NoReturn:
        """Read until cancelled."""
        while True:
            try:
                await self._take()
            except (HTTPClientError, NoConnectionError):
                await asyncio.sleep(0.1)  # it is dead; that it is back is not announced

    async def _take(self) -> None:
        answer = await self._sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=20,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        messages = answer.get("Messages", [])
        for message in messages:
            # Delivered twice because its deletion was cut off, it is no repetition of what it tells.
            if message["MessageId"] not in self._seen:
                self._seen.add(message["MessageId"])
                self.observed.fact(message["Body"], at=int(message["Attributes"]["SentTimestamp"]))
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
            await self._sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
