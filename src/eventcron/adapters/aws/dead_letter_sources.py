"""Finds out whether a queue is anybody's dead-letter queue, before its messages are sent somewhere or dropped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from eventcron.adapters.aws.dead_letter_queue import MOST
from eventcron.adapters.aws.failures import mapped
from eventcron.adapters.aws.pages import pages
from eventcron.errors import EventcronError

#: What SQS answers to the URL of no queue, in its two protocols.
_NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"})
#: Attributes that EventBridge, Lambda and eventcron give their dead letters.
_MARKS = frozenset({"ERROR_CODE", "ErrorCode", "code"})


class NotADeadLetterQueue(EventcronError):
    """There is no queue at the URL, or nobody sends dead letters to it."""


async def require_dead_letter_queue(client: Callable[[str], Awaitable[Any]], url: str, *, bus: str) -> None:
    """Return if the queue at *url* is somebody's dead-letter queue. *client* returns the client of a service.

    It is if the redrive policy of a queue, the target of a rule, or a function names it, or if a message in it carries
    what a dead letter carries. Rules of *bus* are looked at first.

    Raises:
        NotADeadLetterQueue: it is not, or there is no such queue.
        Unavailable: AWS refused for now.
    """
    sqs = await client("sqs")
    with _explained(url):
        asked = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arn = asked["Attributes"]["QueueArn"]
        if (
            (await sqs.list_dead_letter_source_queues(QueueUrl=url))["queueUrls"]
            or await _of_a_rule(await client("events"), arn, bus)
            or await _of_a_function(await client("lambda"), arn)
            or await _holds_dead_letters(sqs, url)
        ):
            return
    raise NotADeadLetterQueue(
        f"{url} is nobody's dead-letter queue: no queue's redrive policy, no rule's target and no function names it,"
        " and no message in it looks like a dead letter; give the dead-letter queue of a subscription, as its output"
        " DeadLettersUrl has it"
    )


async def _of_a_rule(events: Any, arn: str, bus: str) -> bool:
    buses = [found["Name"] async for found in pages(events.list_event_buses, "EventBuses")]
    for name in sorted(buses, key=lambda name: name != bus):
        async for rule in pages(events.list_rules, "Rules", EventBusName=name):
            where = {"EventBusName": name, "Rule": rule["Name"]}
            async for target in pages(events.list_targets_by_rule, "Targets", **where):
                if target.get("DeadLetterConfig", {}).get("Arn") == arn:
                    return True
    return False


async def _of_a_function(aws_lambda: Any, arn: str) -> bool:
    async for function in pages(aws_lambda.list_functions, "Functions", given="Marker", answered="NextMarker"):
        if function.get("DeadLetterConfig", {}).get("TargetArn") == arn:
            return True
    return False


async def _holds_dead_letters(sqs: Any, url: str) -> bool:
    """Look at some messages, which are visible again at once."""
    looking = {"QueueUrl": url, "MaxNumberOfMessages": MOST, "VisibilityTimeout": 0, "MessageAttributeNames": ["All"]}
    messages = (await sqs.receive_message(**looking)).get("Messages", [])
    return any(_MARKS & message.get("MessageAttributes", {}).keys() for message in messages)


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        with mapped("aws"):
            yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _NO_QUEUE:
            raise NotADeadLetterQueue(
                f"there is no queue {url}; AWS_DEFAULT_REGION, AWS_PROFILE and AWS_ENDPOINT_URL say where to look"
            ) from error
        raise NotADeadLetterQueue(f"whether {url} is a dead-letter queue cannot be found out: {error}") from error
