"""Waiting for what gives no signal. A guard only ends a hang: no test asserts how long something takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

#: Seconds after which what is waited for will not come. Nothing takes as long, on however busy a machine.
HANG_SECONDS = 120
#: Seconds. The longest that SQS waits in one call.
LONG_POLL_SECONDS = 20

T = TypeVar("T")


async def until(condition: Callable[[], Awaitable[T | None]], *, every: float = 0.2) -> T:
    """What *condition* returns once that is true. It is asked again *every* so many seconds.

    Raises:
        TimeoutError: it never is.
    """
    async with asyncio.timeout(HANG_SECONDS):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(every)  # neither SQS, DynamoDB nor CloudFormation tells when something changes


async def received(sqs: Any, url: str, *, at_most: int = 1) -> list[dict[str, Any]]:
    """The next *at_most* messages of the queue at *url*, taken off it; waits for the first.

    Raises:
        TimeoutError: none ever comes.
    """

    async def next_messages() -> list[dict[str, Any]]:
        answer = await sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=LONG_POLL_SECONDS, MaxNumberOfMessages=at_most, MessageAttributeNames=["All"]
        )
        return list(answer.get("Messages", []))

    messages = await until(next_messages)
    for message in messages:
        await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return messages
