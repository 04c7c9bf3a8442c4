"""Where dead letters are sent back to: the queue they came from, or the target that EventBridge could not reach.

EventBridge puts the event as it was matched among the dead letters, with rule and target beside it; what the target
takes of the event stands in the rule. API destinations, and what else only a rule can invoke, are reached through a
bus that has such a rule.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from eventcron.adapters.aws.clients import Response
from eventcron.adapters.aws.failures import RETRYABLE_CODES, mapped, unavailable
from eventcron.errors import Unavailable, Undecodable
from eventcron.ports import DeadLetter
from eventcron.timing.instant import from_datetime

#: What an ARN has between colons: arn, partition, service, Region, account, resource.
ARN_PARTS = 6
#: The log stream that events go to which a rule should have put in a log group.
LOG_STREAM = "redrive"


class WayBack(Protocol):
    """The way back of a dead letter."""

    async def send(self, letter: DeadLetter, body: str) -> None:
        """Send *body* to where *letter* came from; returns only once it was taken there.

        Raises:
            Undecodable: it cannot be sent there; says why, and what to do.
            Unavailable: later it may.
        """


class QueueClient(Protocol):
    """What is used of SQS."""

    async def send_message(self, **request: Any) -> Response: ...


class ToQueue:
    """Back to the queue at *url*."""

    def __init__(self, sqs: QueueClient, url: str) -> None:
        self._sqs = sqs
        self._url = url

    async def send(self, letter: DeadLetter, body: str) -> None:  # noqa: ARG002  it is the same for every letter
        with mapped("sqs"):
            await self._sqs.send_message(QueueUrl=self._url, MessageBody=body)


class Arn(NamedTuple):
    """An ARN in parts."""

    text: str
    service: str
    account: str
    resource: str


class _Event(Struct, rename={"detail_type": "detail-type"}):
    source: str
    detail_type: str
    detail: msgspec.Raw
    time: datetime
    resources: list[str] = []


#: Delivers one payload of a letter to a target.
Delivery = Callable[[Arn, DeadLetter, str, Mapping[str, Any]], Awaitable[None]]


class ToTarget:
    """Back to the target that each letter names, or all to the one whose ARN is *instead*.

    A target gets what its rule says it takes of the event; one given *instead* gets the event as it is. *client* is
    the client of a service, the same each time.
    """

    def __init__(self, client: Callable[[str], Awaitable[Any]], *, instead: str | None = None) -> None:
        self._client = client
        self._instead = None if instead is None else _arn(instead)
        #: Targets of a rule as they were when they were asked for.
        self._rules: dict[str, list[Response]] = {}

    async def send(self, letter: DeadLetter, body: str) -> None:
        if self._instead is not None:
            await self._delivery(self._instead)(self._instead, letter, body, {})
            return
        if not letter.target:
            raise Undecodable("it does not name its target; say where it is to go with --to ARN")
        arn = _arn(letter.target)
        deliver = self._delivery(arn)
        definition = await self._definition(letter) if letter.rule else {}
        await deliver(arn, letter, payload(definition, body), definition)

    def _delivery(self, arn: Arn) -> Delivery:
        """How to deliver to *arn*.

        Raises:
            Undecodable: only a rule can invoke it.
        """
        kind = f"{arn.service}:{arn.resource.partition('/')[0]}" if arn.service == "events" else arn.service
        deliveries: dict[str, Delivery] = {
            "events:event-bus": self._to_bus,
            "lambda": self._to_function,
            "logs": self._to_log_group,
            "sns": self._to_topic,
            "sqs": self._to_queue,
            "states": self._to_state_machine,
        }
        if kind in deliveries:
            return deliveries[kind]
        what = "an API destination, which" if kind == "events:api-destination" else f"{arn.text}, which"
        raise Undecodable(
            f"its target is {what} only a rule can invoke: send it to a bus that has such a rule, with --to and the"
            " bus's ARN, as output RedriveBusArn of infra/examples/api-destination.yaml"
        )

    async def _definition(self, letter: DeadLetter) -> Response:
        """The target of *letter* as its rule has it."""
        if letter.rule not in self._rules:
            self._rules[letter.rule] = await self._targets(_arn(letter.rule))
        found = [target for target in self._rules[letter.rule] if target["Arn"] == letter.target]
        inputs = {msgspec.json.encode({name: target.get(name) for name in _INPUTS}) for target in found}
        if len(inputs) != 1:
            told = "no longer has its target" if not found else "has its target more than once"
            raise Undecodable(
                f"rule {letter.rule} {told}, so what it takes of an event is not known; --to {letter.target} sends the"
                " event as it is"
            )
        return found[0]

    async def _targets(self, rule: Arn) -> list[Response]:
        events = await self._client("events")
        bus, _, name = rule.resource.removeprefix("rule/").rpartition("/")
        request = {"Rule": name, "EventBusName": bus or "default"}
        targets: list[Response] = []
        with _refused(rule.text, "events"):
            while True:
                page = await events.list_targets_by_rule(**request)
                targets += page["Targets"]
                if "NextToken" not in page:
                    return targets
                request["NextToken"] = page["NextToken"]

    async def _to_queue(self, arn: Arn, letter: DeadLetter, body: str, definition: Mapping[str, Any]) -> None:
        sqs = await self._client("sqs")
        group = definition.get("SqsParameters", {}).get("MessageGroupId", letter.id)
        fifo = {"MessageGroupId": group, "MessageDeduplicationId": letter.id} if arn.resource.endswith(".fifo") else {}
        with _refused(arn.text, "sqs"):
            where = await sqs.get_queue_url(QueueName=arn.resource, QueueOwnerAWSAccountId=arn.account)
            await sqs.send_message(QueueUrl=where["QueueUrl"], MessageBody=body, **fifo)

    async def _to_function(self, arn: Arn, _letter: DeadLetter, body: str, _definition: Mapping[str, Any]) -> None:
        function = await self._client("lambda")
        with _refused(arn.text, "lambda"):
            await function.invoke(FunctionName=arn.text, InvocationType="Event", Payload=body.encode())

    async def _to_topic(self, arn: Arn, _letter: DeadLetter, body: str, _definition: Mapping[str, Any]) -> None:
        sns = await self._client("sns")
        with _refused(arn.text, "sns"):
            await sns.publish(TopicArn=arn.text, Message=body)

    async def _to_state_machine(self, arn: Arn, letter: DeadLetter, body: str, _definition: Mapping[str, Any]) -> None:
        """Under the letter's own name, so that a letter that is sent twice starts one execution."""
        states = await self._client("stepfunctions")
        with _refused(arn.text, "states"):
            try:
                await states.start_execution(stateMachineArn=arn.text, name=f"redrive-{letter.id}", input=body)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                    raise

    async def _to_bus(self, arn: Arn, _letter: DeadLetter, body: str, _definition: Mapping[str, Any]) -> None:
        """As another event: EventBridge gives it an id of its own."""
        event = _event(body)
        entry = {
            "EventBusName": arn.text,
            "Source": event.source,
            "DetailType": event.detail_type,
            "Detail": bytes(event.detail).decode(),
            "Time": event.time,
            "Resources": event.resources,
        }
        events = await self._client("events")
        with _refused(arn.text, "events"):
            answer = await events.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            (refusal,) = answer["Entries"]
            code, message = refusal["ErrorCode"], refusal.get("ErrorMessage", "")
            if code in RETRYABLE_CODES:
                raise Unavailable("events", code, message)
            raise Undecodable(f"{arn.text} does not take it: {code}: {message}")

    async def _to_log_group(self, arn: Arn, _letter: DeadLetter, body: str, _definition: Mapping[str, Any]) -> None:
        logs = await self._client("logs")
        group = arn.resource.removeprefix("log-group:").removesuffix(":*")
        entry = {"timestamp": from_datetime(_event(body).time), "message": body}
        where = {"logGroupName": group, "logStreamName": LOG_STREAM}
        with _refused(arn.text, "logs"):
            try:
                await logs.create_log_stream(**where)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                    raise
            answer = await logs.put_log_events(**where, logEvents=[entry])
        if rejected := answer.get("rejectedLogEventsInfo"):
            raise Undecodable(f"{arn.text} does not take it: {', '.join(rejected)}; drop it, which keeps a record")


#: What of a target says what it takes of an event.
_INPUTS = ("Input", "InputPath", "InputTransformer")


def payload(definition: Mapping[str, Any], event: str) -> str:
    """What a target so defined gets of *event*, to the letter.

    Raises:
        Undecodable: an input transformer makes it, which is EventBridge's own, or the event does not have it.
    """
    if "Input" in definition:
        return str(definition["Input"])
    if "InputTransformer" in definition:
        raise Undecodable(
            "its rule makes what the target gets by an input transformer, which only a rule can: send it to a bus"
            " that has such a rule, with --to and the bus's ARN"
        )
    path = definition.get("InputPath", "$")
    found = msgspec.Raw(event.encode())
    for step in path.split(".")[1:]:
        try:
            found = msgspec.json.decode(found, type=dict[str, msgspec.Raw])[step]
        except (msgspec.DecodeError, KeyError):
            raise Undecodable(
                f"its rule gives the target {path}, which the event does not have or is no plain path"
            ) from None
    return bytes(found).decode()


def _event(body: str) -> _Event:
    try:
        return msgspec.json.decode(body, type=_Event)
    except msgspec.DecodeError as error:
        raise Undecodable(f"not an event, as a bus or a log of events needs: {error}") from error


def _arn(text: str) -> Arn:
    parts = text.split(":", ARN_PARTS - 1)
    if len(parts) != ARN_PARTS or parts[0] != "arn":
        raise Undecodable(f"{text!r} is not an ARN, such as arn:aws:sqs:eu-north-1:123456789012:name")
    return Arn(text, parts[2], parts[4], parts[5])


@contextmanager
def _refused(what: str, service: str) -> Iterator[None]:
    """Raise what *service* refuses for good as a sentence about *what*, so that other letters go on."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise unavailable(service, error) or Undecodable(f"{what} does not take it: {error}") from error
