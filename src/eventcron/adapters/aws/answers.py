"""``Answers`` on AWS: a rule and a queue that exist for as long as somebody listens.

Both have a name that begins with ``NAME_PREFIX``. A process that is killed leaves them behind; then they can be
deleted by hand, and nothing else uses them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from eventcron.adapters.aws.failures import mapped
from eventcron.errors import EventcronError
from eventcron.model.events import EVENT_DETAILS, EVENT_SOURCE, FIRE_SOURCE_PREFIX, Answer
from eventcron.ports import Clock

NAME_PREFIX = "eventcron-answers-"
#: The source of the event that shows that the rule is in force.
PROBE_SOURCE = "eventcron.answers"
#: What answers no command. A run is answered by its fire, which the rule selects by its ``cause``.
_NO_ANSWERS = frozenset({"Schedule Fired", "Schedule Skipped", "Schedule Failed", "Schedule Completed"})
#: Tenants that a rule names; with more it takes those of all. EventBridge's quotas, event pattern: 2,048 characters,
#: and a tenant has at most 64. It is named twice.
MAX_TENANTS = 10
#: Messages. SQS ReceiveMessage, MaxNumberOfMessages: "Valid values: 1 to 10".
BATCH = 10
#: Seconds that one receive waits. Short, because a command that is stopped waits for it at most.
WAIT_SECONDS = 2
#: Seconds until SQS forgets what nobody received: five minutes, as whoever listens receives all the time.
RETENTION_SECONDS = 300
#: Milliseconds between two probes, and after which the rule is given up. EventBridge PutRule: "When you create or
#: update a rule, incoming events might not immediately start matching to new or updated rules."
PROBE_MS = 1_000
PATIENCE_MS = 60_000


class NoAnswers(EventcronError):
    """Nobody can listen for answers here. The message says why, and what to do instead."""


class _Envelope(Struct, rename={"detail_type": "detail-type"}):
    source: str
    detail_type: str
    time: str
    detail: dict[str, Any]


_decode = msgspec.json.Decoder(_Envelope).decode


class SqsAnswers:
    """``Answers`` from the queue at *url*."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    async def receive(self) -> list[Answer]:
        return [
            Answer(detail_type=envelope.detail_type, detail=envelope.detail, time=envelope.time)
            for envelope in await self.envelopes()
            if envelope.source != PROBE_SOURCE
        ]

    async def envelopes(self, *, wait_seconds: int = WAIT_SECONDS) -> list[_Envelope]:
        """The next events, probes included. They are removed from the queue."""
        with mapped("sqs"):
            response = await self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=wait_seconds
            )
            messages = response.get("Messages", [])
            if messages:
                # What is not deleted comes twice, and that is allowed; so nobody looks at the answer.
                entries = [
                    {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
                    for place, message in enumerate(messages)
                ]
                await self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return [_decode(message["Body"]) for message in messages]


@asynccontextmanager
async def answers_on(
    client: Callable[[str], Awaitable[Any]],
    bus: str,
    *,
    clock: Clock,
    tenants: Sequence[str] = (),
    everything: bool = False,
) -> AsyncIterator[SqsAnswers]:
    """What eventcron publishes on *bus* from now on: the answers to commands, or *everything*.

    *tenants* are whose; none means all. *client* returns the client of a service. Rule and queue are removed on
    leaving, however that happens.

    Raises:
        NoAnswers: rule or queue cannot be made, or the rule selects nothing.
        Unavailable: a service refused for now.
    """
    name = NAME_PREFIX + secrets.token_hex(8)
    events, sqs = await client("events"), await client("sqs")
    async with AsyncExitStack() as exits:
        try:
            with mapped("events"):
                answers = await _made(
                    events, sqs, name, bus=bus, selected=pattern(tenants, everything=everything), exits=exits
                )
                await _in_force(events, bus, name, answers, clock)
        except (ClientError, BotoCoreError) as error:
            raise NoAnswers(
                f"the answers on bus {bus!r} cannot be listened for: {str(error).rstrip('.')}. It takes a rule and a"
                f" queue named {NAME_PREFIX}…, and the permissions that docs/reference/client.md lists; without them,"
                " send commands without waiting"
            ) from error
        yield answers


async def _made(events: Any, sqs: Any, name: str, *, bus: str, selected: str, exits: AsyncExitStack) -> SqsAnswers:
    """Make queue and rule, each removed by *exits*, even if it is not known whether it was made."""
    exits.push_async_callback(_remove_queue, sqs, name)
    attributes = {"MessageRetentionPeriod": str(RETENTION_SECONDS)}
    url: str = (await sqs.create_queue(QueueName=name, Attributes=attributes))["QueueUrl"]
    found = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    queue = found["Attributes"]["QueueArn"]
    exits.push_async_callback(_remove_rule, events, name, bus)
    description = "Temporary: somebody waits for the answers to commands. Delete it if nobody does."
    made = await events.put_rule(Name=name, EventBusName=bus, EventPattern=selected, Description=description)
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": _policy(queue, made["RuleArn"])})
    put = await events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "answers", "Arn": queue}])
    if put.get("FailedEntryCount"):
        raise NoAnswers(f"EventBridge does not take queue {name} as a target: {put['FailedEntries'][0]}")
    return SqsAnswers(sqs, url)


async def _in_force(events: Any, bus: str, name: str, answers: SqsAnswers, clock: Clock) -> None:
    """Return once an event has come through the rule: until then, answers would be lost."""
    entry = {
        "EventBusName": bus,
        "Source": PROBE_SOURCE,
        "DetailType": "Answer Probe",
        "Detail": json.dumps({"channel": name}),
    }
    until = clock.now() + PATIENCE_MS
    while clock.now() < until:
        again = clock.now() + PROBE_MS
        put = await events.put_events(Entries=[entry])
        if put.get("FailedEntryCount"):
            refused = put["Entries"][0]
            raise NoAnswers(f"bus {bus!r} takes no probe: {refused.get('ErrorMessage', refused.get('ErrorCode'))}")
        received = await answers.envelopes(wait_seconds=1)
        if any(envelope.source == PROBE_SOURCE and envelope.detail.get("channel") == name for envelope in received):
            return
        await clock.sleep_until(again)
    raise NoAnswers(
        f"the rule {name} on bus {bus!r} selects nothing even after {PATIENCE_MS // 1000} s; look whether EventBridge"
        " may send to the queue of that name, or send commands without waiting"
    )


async def _remove_rule(events: Any, name: str, bus: str) -> None:
    # Whatever is not there is removed already. Nothing else may keep the queue from being removed too.
    with suppress(ClientError, BotoCoreError):
        await events.remove_targets(Rule=name, EventBusName=bus, Ids=["answers"])
    with suppress(ClientError, BotoCoreError):
        await events.delete_rule(Name=name, EventBusName=bus)


async def _remove_queue(sqs: Any, name: str) -> None:
    with suppress(ClientError, BotoCoreError):
        url = (await sqs.get_queue_url(QueueName=name))["QueueUrl"]
        await sqs.delete_queue(QueueUrl=url)


def pattern(tenants: Sequence[str], *, everything: bool) -> str:
    """The rule's pattern: which events are answers to *tenants*, and the probe of every channel."""
    named = {"tenant": list(tenants)} if 0 < len(tenants) <= MAX_TENANTS else {}
    published: list[Any] = [EVENT_SOURCE, {"prefix": FIRE_SOURCE_PREFIX}]
    if everything:
        selected = [_selected(named, source=published)]
    else:
        answers = sorted(EVENT_DETAILS.keys() - _NO_ANSWERS)
        selected = [
            _selected(named, source=[EVENT_SOURCE], **{"detail-type": answers}),
            _selected(named | {"cause": ["run"]}, source=published),
        ]
    return json.dumps({"$or": [*selected, {"source": [PROBE_SOURCE]}]})


def _selected(detail: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    return envelope | ({"detail": detail} if detail else {})


def _policy(queue: str, rule: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
