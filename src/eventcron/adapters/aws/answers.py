"""``Answers`` on AWS: a rule and a queue that exist for as long as somebody listens.

Both have the same name, which begins with ``NAME_PREFIX``. The rule's description says when it expires, and
the process that listens renews it. A process that is killed leaves both behind. The next one that listens removes
expired ones. The queue never exists without its rule, so the rules show all that is left.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from eventcron.adapters.aws.failures import RETRYABLE_CODES, mapped
from eventcron.adapters.aws.pages import pages
from eventcron.errors import EventcronError, Unavailable
from eventcron.model.events import EVENT_DETAILS, EVENT_SOURCE, FIRE_SOURCE_PREFIX, Answer
from eventcron.model.names import Instant
from eventcron.ports import Clock
from eventcron.timing.instant import from_rfc3339, rfc3339

NAME_PREFIX = "eventcron-answers-"
TARGET_ID = "answers"
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
#: Milliseconds that a rule is in use without being renewed, and after which it is renewed. The difference leaves time
#: for clocks that differ and for calls that are refused.
LEASE_MS = 3_600_000
RENEW_MS = 900_000
#: Codes with which EventBridge refuses an entry of PutTargets or PutEvents for now.
_LATER = RETRYABLE_CODES | {"ConcurrentModificationException"}
_DESCRIPTION = "Temporary: somebody waits for the answers to commands. Left behind if it is still there after "
_IN_USE_UNTIL = re.compile(re.escape(_DESCRIPTION) + r"([0-9TZ:.-]+)")


class NoAnswers(EventcronError):
    """Nobody can listen for answers here. The message says why, and what to do instead."""


class _Envelope(Struct, rename={"detail_type": "detail-type"}):
    source: str
    detail_type: str
    time: str
    detail: dict[str, Any]


_decode = msgspec.json.Decoder(_Envelope).decode


class SqsAnswers:
    """``Answers`` from the queue at *url*. *renew* says that the rule is in use still; *now* is the present time."""

    def __init__(self, sqs: Any, url: str, *, renew: Callable[[], Awaitable[None]], now: Callable[[], Instant]) -> None:
        self._sqs = sqs
        self._url = url
        self._renew = renew
        self._now = now
        self._renew_at = now() + RENEW_MS

    async def receive(self) -> list[Answer]:
        try:
            envelopes = await self.envelopes()
        except ClientError as error:
            raise NoAnswers(f"the answers can be listened for no longer: {str(error).rstrip('.')}") from error
        return [
            Answer(detail_type=envelope.detail_type, detail=envelope.detail, time=envelope.time)
            for envelope in envelopes
            if envelope.source != PROBE_SOURCE
        ]

    async def envelopes(self, *, wait_seconds: int = WAIT_SECONDS) -> list[_Envelope]:
        """The next events, probes included. They are removed from the queue."""
        if self._now() >= self._renew_at:
            with suppress(Unavailable):  # the next receive tries again
                await self._renew()
                self._renew_at = self._now() + RENEW_MS
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
    await _remove_leftovers(events, sqs, bus, now=clock.now())
    async with AsyncExitStack() as exits:
        try:
            with mapped("events"):
                selected = pattern(tenants, everything=everything)
                answers = await _made(events, sqs, name, bus=bus, selected=selected, clock=clock, exits=exits)
                await _in_force(events, bus, name, answers, clock)
        except (ClientError, BotoCoreError) as error:
            raise NoAnswers(
                f"the answers on bus {bus!r} cannot be listened for: {str(error).rstrip('.')}. It takes a rule and a"
                f" queue named {NAME_PREFIX}…, and the permissions that docs/reference/client.md lists; without them,"
                " send commands without waiting"
            ) from error
        yield answers


async def _made(
    events: Any, sqs: Any, name: str, *, bus: str, selected: str, clock: Clock, exits: AsyncExitStack
) -> SqsAnswers:
    """Make rule and queue, each removed by *exits*, even if it is not known whether it was made."""

    async def put_rule() -> str:
        description = _DESCRIPTION + rfc3339(clock.now() + LEASE_MS, millis=False)
        with mapped("events"):
            made = await events.put_rule(Name=name, EventBusName=bus, EventPattern=selected, Description=description)
        return str(made["RuleArn"])

    async def renew() -> None:
        await put_rule()

    exits.push_async_callback(_remove, events, sqs, name, bus)
    rule = await put_rule()
    attributes = {"MessageRetentionPeriod": str(RETENTION_SECONDS)}
    url: str = (await sqs.create_queue(QueueName=name, Attributes=attributes))["QueueUrl"]
    found = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    queue = found["Attributes"]["QueueArn"]
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": _policy(queue, rule)})
    put = await events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": TARGET_ID, "Arn": queue}])
    if put.get("FailedEntryCount"):
        refused = put["FailedEntries"][0]
        if refused.get("ErrorCode") in _LATER:
            raise Unavailable("events", refused["ErrorCode"], refused.get("ErrorMessage", ""))
        raise NoAnswers(f"EventBridge does not take queue {name} as a target: {refused}")
    return SqsAnswers(sqs, url, renew=renew, now=clock.now)


async def _in_force(events: Any, bus: str, name: str, answers: SqsAnswers, clock: Clock) -> None:
    """Return once an event has come through the rule: until then, answers would be lost."""
    entry = {
        "EventBusName": bus,
        "Source": PROBE_SOURCE,
        "DetailType": "Answer Probe",
        "Detail": json.dumps({"channel": name}),
    }
    until = clock.now() + PATIENCE_MS
    refused: dict[str, str] | None = None
    while clock.now() < until:
        again = clock.now() + PROBE_MS
        put = await events.put_events(Entries=[entry])
        refused = put["Entries"][0] if put.get("FailedEntryCount") else None
        if refused is not None and refused.get("ErrorCode") not in _LATER:
            raise NoAnswers(f"bus {bus!r} takes no probe: {refused.get('ErrorMessage', refused.get('ErrorCode'))}")
        received = await answers.envelopes(wait_seconds=1)
        if any(envelope.source == PROBE_SOURCE and envelope.detail.get("channel") == name for envelope in received):
            return
        await clock.sleep_until(again)
    if refused is not None:
        raise Unavailable("events", refused["ErrorCode"], refused.get("ErrorMessage", ""))
    raise NoAnswers(
        f"the rule {name} on bus {bus!r} selects nothing even after {PATIENCE_MS // 1000} s; look whether EventBridge"
        " may send to the queue of that name, or send commands without waiting"
    )


def left_behind(rule: Mapping[str, Any], *, now: Instant) -> bool:
    """Whether *rule*, an entry of ListRules, was made to listen by a process that has been killed since."""
    found = _IN_USE_UNTIL.fullmatch(rule.get("Description", "")) if rule["Name"].startswith(NAME_PREFIX) else None
    return found is not None and from_rfc3339(found[1]) < now


async def _remove_leftovers(events: Any, sqs: Any, bus: str, *, now: Instant) -> None:
    """Remove what others left behind, if the caller may."""
    with suppress(ClientError, BotoCoreError):
        there = pages(events.list_rules, "Rules", EventBusName=bus, NamePrefix=NAME_PREFIX)
        for name in [rule["Name"] async for rule in there if left_behind(rule, now=now)]:
            await _remove(events, sqs, name, bus)


async def _remove(events: Any, sqs: Any, name: str, bus: str) -> None:
    """Remove a rule and its queue, the rule last, because it shows that there is a queue."""
    # Whatever is not there is removed already. Nothing else may keep the rest from being removed too.
    with suppress(ClientError, BotoCoreError):
        await events.remove_targets(Rule=name, EventBusName=bus, Ids=[TARGET_ID])
    with suppress(ClientError, BotoCoreError):
        url = (await sqs.get_queue_url(QueueName=name))["QueueUrl"]
        await sqs.delete_queue(QueueUrl=url)
    with suppress(ClientError, BotoCoreError):
        await events.delete_rule(Name=name, EventBusName=bus)


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
