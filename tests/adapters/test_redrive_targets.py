"""Where dead letters go back to: each kind of target by its own API, with what its rule gives it of the event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from hypothesis import given
from hypothesis import strategies as st

from eventcron.adapters.aws.redrive_targets import RedriveToTarget, payload
from eventcron.errors import Unavailable, Undecodable
from eventcron.ports import DeadLetter

PREFIX = "arn:aws:{}:eu-north-1:123456789012:{}"
QUEUE = PREFIX.format("sqs", "work")
FIFO = PREFIX.format("sqs", "work.fifo")
FUNCTION = PREFIX.format("lambda", "function:planner")
TOPIC = PREFIX.format("sns", "fires")
MACHINE = PREFIX.format("states", "stateMachine:nightly")
BUS = PREFIX.format("events", "event-bus/theirs")
LOGS = PREFIX.format("logs", "log-group:/aws/events/eventcron/published")
DESTINATION = PREFIX.format("events", "api-destination/hook/0123")
RULE = PREFIX.format("events", "rule/eventcron/acme")
#: With numbers that a careless reader would change.
EVENT = (
    '{"version":"0","id":"e-1","detail-type":"Schedule Fired","source":"eventcron","account":"1","region":"r",'
    '"time":"2026-12-01T01:00:00Z","resources":["acme/nightly"],'
    '"detail":{"tenant":"acme","input":{"big":12345678901234567890,"exact":1.10,"text":"æ\\n"}}}'
)
INPUT = '{"big":12345678901234567890,"exact":1.10,"text":"æ\\n"}'
DEAD_LETTER_ID = "5c5ff1d7-7a52-4b68-9d1c-9d3d8a0f0b11"


class Aws:
    """Every service: remembers what it was asked, answers as told, fails at what it was told to with a code."""

    def __init__(self, targets: list[dict[str, Any]] | None = None, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "get_queue_url": {"QueueUrl": "https://work"},
            "put_events": {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]},
            "list_targets_by_rule": {"Targets": targets or []},
            "put_log_events": {},
            **answers,
        }
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def client(self, _service: str) -> Any:
        return self

    def __getattr__(self, operation: str) -> Any:
        async def call(**request: Any) -> Any:
            self.asked.append((operation, dict(request)))
            answer = self.answers.get(operation, {})
            if isinstance(answer, str):
                raise ClientError({"Error": {"Code": answer, "Message": "no"}}, operation)
            if isinstance(answer, Exception):
                raise answer
            return answer.pop(0) if isinstance(answer, list) else answer

        return call

    @property
    def last(self) -> tuple[str, dict[str, Any]]:
        return self.asked[-1]


def dead_letter(target: str = QUEUE, *, rule: str = "") -> DeadLetter:
    return DeadLetter(id=DEAD_LETTER_ID, receipt="r", body=EVENT, target=target, rule=rule)


async def send(aws: Aws, one: DeadLetter, *, instead: str | None = None) -> None:
    await RedriveToTarget(aws.client, instead=instead).send(one, one.body)


KINDS = [
    pytest.param(QUEUE, ("send_message", {"QueueUrl": "https://work", "MessageBody": EVENT}), id="queue"),
    pytest.param(
        FIFO,
        (
            "send_message",
            {
                "QueueUrl": "https://work",
                "MessageBody": EVENT,
                "MessageGroupId": DEAD_LETTER_ID,
                "MessageDeduplicationId": DEAD_LETTER_ID,
            },
        ),
        id="fifo",
    ),
    pytest.param(
        FUNCTION,
        ("invoke", {"FunctionName": FUNCTION, "InvocationType": "Event", "Payload": EVENT.encode()}),
        id="function",
    ),
    pytest.param(TOPIC, ("publish", {"TopicArn": TOPIC, "Message": EVENT}), id="topic"),
    pytest.param(
        MACHINE,
        ("start_execution", {"stateMachineArn": MACHINE, "name": f"redrive-{DEAD_LETTER_ID}", "input": EVENT}),
        id="machine",
    ),
    pytest.param(
        LOGS,
        (
            "put_log_events",
            {
                "logGroupName": "/aws/events/eventcron/published",
                "logStreamName": "redrive",
                "logEvents": [{"timestamp": 1_796_086_800_000, "message": EVENT}],
            },
        ),
        id="logs",
    ),
]


@pytest.mark.parametrize(("arn", "call"), KINDS)
async def test_each_kind_of_target_is_reached_by_its_own_call(arn: str, call: tuple[str, dict[str, Any]]) -> None:
    aws = Aws()
    await send(aws, dead_letter(arn))

    assert aws.last == call


@pytest.mark.parametrize(("arn", "call"), KINDS)
async def test_all_dead_letters_go_elsewhere_if_one_says_where(arn: str, call: tuple[str, dict[str, Any]]) -> None:
    aws = Aws()
    for given_one in (dead_letter("", rule=""), dead_letter(DESTINATION, rule=RULE)):
        await send(aws, given_one, instead=arn)

        assert aws.last == call
    assert "list_targets_by_rule" not in [operation for operation, _ in aws.asked], "the event goes as it is"


async def test_a_bus_gets_the_event_again() -> None:
    aws = Aws()
    await send(aws, dead_letter(BUS))
    operation, request = aws.last
    (entry,) = request["Entries"]

    assert operation == "put_events"
    assert entry["Detail"] == EVENT[EVENT.index('"detail":{') + len('"detail":') : -1]
    assert entry["Time"].isoformat() == "2026-12-01T01:00:00+00:00"
    assert {name: entry[name] for name in ("EventBusName", "Source", "DetailType", "Resources")} == {
        "EventBusName": BUS,
        "Source": "eventcron",
        "DetailType": "Schedule Fired",
        "Resources": ["acme/nightly"],
    }


async def test_the_owner_of_a_queue_is_named() -> None:
    """It may be another account's."""
    aws = Aws()
    await send(aws, dead_letter(QUEUE))

    assert aws.asked[0] == ("get_queue_url", {"QueueName": "work", "QueueOwnerAWSAccountId": "123456789012"})


async def test_a_target_gets_of_the_event_exactly_what_its_rule_gives_it() -> None:
    aws = Aws([{"Arn": QUEUE}, {"Arn": TOPIC, "InputPath": "$.detail.input"}])
    way = RedriveToTarget(aws.client)
    for _ in range(2):
        await way.send(dead_letter(TOPIC, rule=RULE), EVENT)

        assert aws.last == ("publish", {"TopicArn": TOPIC, "Message": INPUT})
    (asked,) = [request for operation, request in aws.asked if operation == "list_targets_by_rule"]
    assert asked == {"Rule": "acme", "EventBusName": "eventcron"}, "once for all dead letters"


async def test_a_rule_of_the_default_bus_and_of_many_targets_is_read_too() -> None:
    pages = [
        {"Targets": [{"Arn": QUEUE}], "NextToken": "more"},
        {"Targets": [{"Arn": FIFO, "SqsParameters": {"MessageGroupId": "acme"}}]},
    ]
    aws = Aws(list_targets_by_rule=pages)
    await send(aws, dead_letter(FIFO, rule=PREFIX.format("events", "rule/tick")))

    assert [request for operation, request in aws.asked if operation == "list_targets_by_rule"] == [
        {"Rule": "tick", "EventBusName": "default"},
        {"Rule": "tick", "EventBusName": "default", "NextToken": "more"},
    ]
    assert aws.last[1]["MessageGroupId"] == "acme"


async def test_a_dead_letter_that_is_sent_twice_starts_one_execution() -> None:
    """The process died between sending and removing it."""
    aws = Aws(start_execution="ExecutionAlreadyExists")

    await send(aws, dead_letter(MACHINE))

    assert aws.last[0] == "start_execution"


async def test_a_log_stream_that_is_there_is_written_to() -> None:
    aws = Aws(create_log_stream="ResourceAlreadyExistsException")

    await send(aws, dead_letter(LOGS + ":*"))

    assert aws.last[1]["logGroupName"] == "/aws/events/eventcron/published"


NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"
TOO_OLD = {"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1}}
ANY_RULE = "only a rule can invoke: send it to a bus with such a rule by --to and the bus's ARN"


@pytest.mark.parametrize(
    ("one", "aws", "sentence"),
    [
        pytest.param(dead_letter(""), Aws(), "it does not name its target; name one with --to ARN", id="none"),
        pytest.param(dead_letter("queue"), Aws(), "'queue' is not an ARN, such as arn:aws:sqs:", id="no-arn"),
        pytest.param(dead_letter(DESTINATION), Aws(), f"is an API destination, which {ANY_RULE}", id="destination"),
        pytest.param(
            dead_letter(PREFIX.format("firehose", "deliverystream/x")), Aws(),
            f"its target is arn:aws:firehose:eu-north-1:123456789012:deliverystream/x, which {ANY_RULE}", id="other",
        ),
        pytest.param(
            dead_letter(QUEUE), Aws(get_queue_url=NO_QUEUE),
            f"{QUEUE} does not take it: An error occurred ({NO_QUEUE})", id="queue-is-gone",
        ),
        pytest.param(
            dead_letter(TOPIC), Aws(publish=ParamValidationError(report="too long")),
            f"{TOPIC} does not take it: Parameter validation failed", id="refused-by-the-client",
        ),
        pytest.param(
            dead_letter(QUEUE, rule=RULE), Aws(list_targets_by_rule="ResourceNotFoundException"),
            f"{RULE} does not take it: An error occurred (ResourceNotFoundException)", id="rule-is-gone",
        ),
        pytest.param(
            dead_letter(QUEUE, rule=RULE), Aws([{"Arn": TOPIC}]),
            f"rule {RULE} no longer has its target, so which part of the event the target receives is not known;"
            f" --to {QUEUE} sends",
            id="target-is-gone",
        ),
        pytest.param(
            dead_letter(QUEUE, rule=RULE), Aws([{"Arn": QUEUE}, {"Arn": QUEUE, "InputPath": "$.detail"}]),
            "has its target more than once", id="ambiguous",
        ),
        pytest.param(
            dead_letter(QUEUE, rule=RULE), Aws([{"Arn": QUEUE, "InputTransformer": {"InputTemplate": "<x>"}}]),
            "has an input transformer, which only EventBridge can apply: send it to a bus", id="transformer",
        ),
        pytest.param(
            dead_letter(BUS),
            Aws(put_events={"FailedEntryCount": 1, "Entries": [{"ErrorCode": "NotAuthorizedForSource"}]}),
            f"{BUS} does not take it: NotAuthorizedForSource", id="bus-refuses-in-a-200",
        ),
        pytest.param(
            dead_letter(LOGS), Aws(put_log_events=TOO_OLD),
            f"{LOGS} does not take it: tooOldLogEventEndIndex; `redrive drop` writes it to a file", id="log-refuses",
        ),
    ],
)  # fmt: skip
async def test_what_cannot_be_sent_says_why_and_what_to_do(one: DeadLetter, aws: Aws, sentence: str) -> None:
    with pytest.raises(Undecodable) as refused:
        await send(aws, one)

    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("target", "aws"),
    [
        (QUEUE, Aws(send_message="ThrottlingException")),
        (FUNCTION, Aws(invoke="TooManyRequestsException")),
        (TOPIC, Aws(publish="Throttling")),
        (MACHINE, Aws(start_execution="ThrottlingException")),
        (LOGS, Aws(put_log_events="ServiceUnavailable")),
        (BUS, Aws(put_events="ThrottlingException")),
        (BUS, Aws(put_events={"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]})),
    ],
)
async def test_throttling_is_unavailable(target: str, aws: Aws) -> None:
    with pytest.raises(Unavailable):
        await send(aws, dead_letter(target))


@pytest.mark.parametrize("body", ["poison", "{}", '{"source": 1}'])
@pytest.mark.parametrize("target", [BUS, LOGS])
async def test_what_is_no_event_does_not_go_where_events_go(target: str, body: str) -> None:
    with pytest.raises(Undecodable, match="not an EventBridge event, which a bus or a log group needs"):
        await RedriveToTarget(Aws().client).send(dead_letter(target), body)


def test_what_is_no_arn_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(Undecodable, match="'work' is not an ARN"):
        RedriveToTarget(Aws().client, instead="work")


texts = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@given(steps=st.lists(st.from_regex(r"[a-z]{1,4}", fullmatch=True), max_size=4), value=values)
def test_a_path_gives_what_is_there(steps: list[str], value: Any) -> None:
    event = value
    for step in reversed(steps):
        event = {"other": 1, step: event}

    assert json.loads(payload({"InputPath": ".".join(["$", *steps])}, json.dumps(event))) == value


def test_the_input_of_a_target_is_what_it_gets_or_all_of_the_event() -> None:
    assert payload({"Input": "{}"}, EVENT) == "{}"
    assert payload({}, EVENT) == EVENT
    with pytest.raises(Undecodable, match=r"its rule selects \$.detail.none, which the event does not have"):
        payload({"InputPath": "$.detail.none"}, EVENT)
