"""Where dead letters are sent back to: the queue they came from, or the target that EventBridge could not reach.

EventBridge stores the whole matched event in the dead-letter queue, with the ARNs of rule and target as attributes. The
rule defines which part of the event the target receives. Targets that only a rule can invoke, such as API
destinations, are reached through a bus with such a rule.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from eventcron.adapters.aws.arns import Arn, parts
from eventcron.adapters.aws.failures import RETRYABLE_CODES, mapped, unavailable
from eventcron.adapters.aws.json_api import Response
from eventcron.adapters.aws.pages import pages
from eventcron.errors import Unavailable, Undecodable
from eventcron.ports import DeadLetter
from eventcron.timing.instant import from_datetime

#: The log stream for events that a rule should have put into a log group.
LOG_STREAM = "redrive"


class RedriveTarget(Protocol):
    """Takes dead letters back."""

    async def send(self, dead_letter: DeadLetter, body: str) -> None:
        """Send *body* to where *dead_letter* came from. Returns once it was taken there.

        Raises:
            Undecodable: it cannot be sent there; the error says why, and what to do.
            Unavailable: the service refused for now.
        """


class QueueClient(Protocol):
    """The operation of SQS that is used."""

    async def send_message(self, **request: Any) -> Response: ...


class RedriveToQueue:
    """Sends every dead letter to the queue at *url*."""

    def __init__(self, sqs: QueueClient, url: str) -> None:
        self._sqs = sqs
        self._url = url

    async def send(self, dead_letter: DeadLetter, body: str) -> None:  # noqa: ARG002  the port's signature
        with mapped("sqs"):
            await self._sqs.send_message(QueueUrl=self._url, MessageBody=body)


class _Event(Struct, rename={"detail_type": "detail-type"}):
    source: str
    detail_type: str
    detail: msgspec.Raw
    time: datetime
    resources: list[str] = []


#: Delivers one payload to a target: ARN, dead letter, payload, the target as its rule defines it.
Delivery = Callable[[Arn, DeadLetter, str, Mapping[str, Any]], Awaitable[None]]


class RedriveToTarget:
    """Sends each dead letter to the target that it names, or all of them to the target with the ARN *instead*.

    A named target receives the part of the event that its rule selects. The target *instead* receives the whole event.
    *client* returns the client of a service, the same one each time.
    """

    def __init__(self, client: Callable[[str], Awaitable[Any]], *, instead: str | None = None) -> None:
        self._client = client
        self._instead = None if instead is None else _arn(instead)
        #: The targets of each rule, as they were when they were first needed.
        self._rules: dict[str, list[Response]] = {}

    async def send(self, dead_letter: DeadLetter, body: str) -> None:
        if self._instead is not None:
            await self._delivery(self._instead)(self._instead, dead_letter, body, {})
            return
        if not dead_letter.target:
            raise Undecodable("it does not name its target; name one with --to ARN")
        arn = _arn(dead_letter.target)
        deliver = self._delivery(arn)
        definition = await self._definition(dead_letter) if dead_letter.rule else {}
        await deliver(arn, dead_letter, payload(definition, body), definition)

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
            f"its target is {what} only a rule can invoke: send it to a bus with such a rule by --to and the bus's ARN,"
            " such as output RedriveBusArn of infra/examples/api-destination.yaml"
        )

    async def _definition(self, dead_letter: DeadLetter) -> Response:
        """The target of *dead_letter* as its rule defines it."""
        if dead_letter.rule not in self._rules:
            self._rules[dead_letter.rule] = await self._targets(_arn(dead_letter.rule))
        found = [target for target in self._rules[dead_letter.rule] if target["Arn"] == dead_letter.target]
        inputs = {msgspec.json.encode({name: target.get(name) for name in _INPUTS}) for target in found}
        if len(inputs) != 1:
            problem = "no longer has its target" if not found else "has its target more than once"
            raise Undecodable(
                f"rule {dead_letter.rule} {problem}, so which part of the event the target receives is not known;"
                f" --to {dead_letter.target} sends the whole event"
            )
        return found[0]

    async def _targets(self, rule: Arn) -> list[Response]:
        events = await self._client("events")
        bus, _, name = rule.resource.removeprefix("rule/").rpartition("/")
        request = {"Rule": name, "EventBusName": bus or "default"}
        with _refused(rule.text, "events"):
            return [target async for target in pages(events.list_targets_by_rule, "Targets", **request)]

    async def _to_queue(self, arn: Arn, dead_letter: DeadLetter, body: str, definition: Mapping[str, Any]) -> None:
        sqs = await self._client("sqs")
        group = definition.get("SqsParameters", {}).get("MessageGroupId", dead_letter.id)
        fifo = (
            {"MessageGroupId": group, "MessageDeduplicationId": dead_letter.id}
            if arn.resource.endswith(".fifo")
            else {}
        )
        with _refused(arn.text, "sqs"):
            where = await sqs.get_queue_url(QueueName=arn.resource, QueueOwnerAWSAccountId=arn.account)
            await sqs.send_message(QueueUrl=where["QueueUrl"], MessageBody=body, **fifo)

    async def _to_function(self, arn: Arn, _dead_letter: DeadLetter, body: str, _definition: Mapping[str, Any]) -> None:
        function = await self._client("lambda")
        with _refused(arn.text, "lambda"):
            await function.invoke(FunctionName=arn.text, InvocationType="Event", Payload=body.encode())

    async def _to_topic(self, arn: Arn, _dead_letter: DeadLetter, body: str, _definition: Mapping[str, Any]) -> None:
        sns = await self._client("sns")
        with _refused(arn.text, "sns"):
            await sns.publish(TopicArn=arn.text, Message=body)

    async def _to_state_machine(
        self, arn: Arn, dead_letter: DeadLetter, body: str, _definition: Mapping[str, Any]
    ) -> None:
        """The dead letter's id names the execution, so that a dead letter sent twice starts one execution."""
        states = await self._client("stepfunctions")
        with _refused(arn.text, "states"):
            try:
                await states.start_execution(stateMachineArn=arn.text, name=f"redrive-{dead_letter.id}", input=body)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                    raise

    async def _to_bus(self, arn: Arn, _dead_letter: DeadLetter, body: str, _definition: Mapping[str, Any]) -> None:
        """As a new event: EventBridge gives it another id."""
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

    async def _to_log_group(
        self, arn: Arn, _dead_letter: DeadLetter, body: str, _definition: Mapping[str, Any]
    ) -> None:
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
            raise Undecodable(
                f"{arn.text} does not take it: {', '.join(rejected)}; `redrive drop` writes it to a file and removes it"
            )


#: The fields of a target that select the part of the event that it receives.
_INPUTS = ("Input", "InputPath", "InputTransformer")


def payload(definition: Mapping[str, Any], event: str) -> str:
    """The text that a target defined by *definition* receives of *event*, byte for byte.

    Raises:
        Undecodable: the rule uses an input transformer, which only EventBridge can apply, or selects a part that the
            event does not have.
    """
    if "Input" in definition:
        return str(definition["Input"])
    if "InputTransformer" in definition:
        raise Undecodable(
            "its rule has an input transformer, which only EventBridge can apply: send it to a bus with such a rule by"
            " --to and the bus's ARN"
        )
    path = definition.get("InputPath", "$")
    found = msgspec.Raw(event.encode())
    for step in path.split(".")[1:]:
        try:
            found = msgspec.json.decode(found, type=dict[str, msgspec.Raw])[step]
        except (msgspec.DecodeError, KeyError):
            raise Undecodable(
                f"its rule selects {path}, which the event does not have or is not a plain path"
            ) from None
    return bytes(found).decode()


def _event(body: str) -> _Event:
    try:
        return msgspec.json.decode(body, type=_Event)
    except msgspec.DecodeError as error:
        raise Undecodable(f"not an EventBridge event, which a bus or a log group needs: {error}") from error


def _arn(text: str) -> Arn:
    arn = parts(text)
    if not arn.resource:
        raise Undecodable(f"{text!r} is not an ARN, such as arn:aws:sqs:eu-north-1:123456789012:name")
    return arn


@contextmanager
def _refused(what: str, service: str) -> Iterator[None]:
    """Turn what *service* refuses for good into ``Undecodable`` about *what*, so that other dead letters go on."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise unavailable(service, error) or Undecodable(f"{what} does not take it: {error}") from error
