"""What every ``Answers`` promises, and what is left of it on AWS afterwards: nothing."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from eventcron.adapters.aws.answers import (
    LEASE_MS,
    NAME_PREFIX,
    PROBE_SOURCE,
    RENEW_MS,
    NoAnswers,
    answers_on,
    left_behind,
    pattern,
)
from eventcron.adapters.aws.clients import aws_clients
from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.clock import SystemClock
from eventcron.adapters.memory import MemoryAnswers, MemoryEventBus
from eventcron.errors import Unavailable
from eventcron.model.events import Answer, Event
from eventcron.ports import Clock, EventBus
from eventcron.ports.answers import Answers
from eventcron.timing.instant import from_rfc3339
from tests.contract.conftest import BACKENDS
from tests.emulators import use_endpoint
from tests.resources import Admin, admin
from tests.waiting import HANG_SECONDS

_names = (f"answers-{os.getpid()}-{number}" for number in itertools.count(1))


class Rig(NamedTuple):
    """A bus, and the way to listen to it."""

    bus: EventBus
    listen: Callable[..., Any]
    aws: Admin | None
    name: str


@asynccontextmanager
async def _in_memory(bus: MemoryEventBus) -> AsyncIterator[MemoryAnswers]:
    yield MemoryAnswers(bus, SystemClock())


@pytest.fixture(params=BACKENDS)
async def rig(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, aws_session: AioSession) -> Any:
    if request.param == "memory":
        bus = MemoryEventBus(SystemClock())
        yield Rig(bus, lambda **_: _in_memory(bus), None, "")
        return
    use_endpoint(monkeypatch, request.getfixturevalue(f"{request.param}_endpoint"))
    async with aws_clients(concurrency=16, session=aws_session) as clients, admin(aws_session) as aws:
        name = next(_names)
        await aws.events.create_event_bus(Name=name)

        async def client(service: str) -> Any:
            return getattr(aws, service)

        yield Rig(
            EventBridgeBus(clients.events, name),
            lambda **options: answers_on(client, name, **{"clock": SystemClock(), **options}),
            aws,
            name,
        )


def event(detail_type: str, tenant: str = "acme", source: str = "eventcron", **detail: str) -> Event:
    return Event(
        source=source,
        detail_type=detail_type,
        detail=msgspec.json.encode({"tenant": tenant, "name": "nightly", **detail}),
        time=1_764_547_200_123,
        resources=(f"{tenant}/nightly",),
    )


async def received(answers: Answers, count: int) -> list[Answer]:
    """The next *count* answers, and whatever came with them."""
    found: list[Answer] = []
    async with asyncio.timeout(HANG_SECONDS):
        while len(found) < count:
            found += await answers.receive()
    return found


async def test_what_is_published_from_now_on_is_received(rig: Rig) -> None:
    await rig.bus.publish([event("Schedule Created", event_id="before")])

    async with rig.listen() as answers:
        await rig.bus.publish([event("Schedule Paused", event_id=str(number)) for number in range(25)])
        found = await received(answers, 25)

    assert sorted(int(answer.detail["event_id"]) for answer in found) == [*range(25)]
    assert {(answer.detail_type, answer.detail["tenant"]) for answer in found} == {("Schedule Paused", "acme")}
    assert all(from_rfc3339(answer.time) % 1000 == 0 for answer in found)


async def delivered(rig: Rig, events: Sequence[Event], count: int, **options: Any) -> list[str]:
    """The detail types of those of *events* that are received, *count* at least, and the marker that follows."""
    async with rig.listen(**options) as answers:
        await rig.bus.publish([*events, event("Schedule Deleted", event_id="last")])
        return sorted(answer.detail_type for answer in await received(answers, count + 1))


@pytest.mark.parametrize(
    ("one", "selected"),
    [
        pytest.param(event("Schedule Rejected", event_id="x"), True, id="a rejection"),
        pytest.param(event("Calendar Updated", event_id="x"), True, id="a calendar"),
        pytest.param(event("Schedule Fired", cause="run"), True, id="the fire of a run"),
        pytest.param(event("Mine", source="eventcron.fires.acme", cause="run"), True, id="under another name"),
        pytest.param(event("Schedule Fired", cause="schedule"), False, id="an ordinary fire"),
        pytest.param(event("Schedule Fired", cause="backfill"), False, id="a backfilled fire"),
        pytest.param(event("Schedule Rejected", tenant="other"), False, id="another tenant's"),
        pytest.param(event("Put Schedule", source="eventcron.tenant.acme"), False, id="a command"),
    ],
)
async def test_only_answers_to_these_tenants_cross_the_rule(rig: Rig, one: Event, selected: bool) -> None:
    if rig.aws is None:
        pytest.skip("in memory everybody hears everything")

    types = await delivered(rig, [one], int(selected), tenants=["acme", "beta"])

    assert (one.detail_type in types) is selected


async def test_or_everything_of_a_tenant(rig: Rig) -> None:
    events = [event("Schedule Fired", cause="schedule"), event("Schedule Skipped")]

    types = await delivered(rig, events, 2, tenants=["acme"], everything=True)

    assert types == ["Schedule Deleted", "Schedule Fired", "Schedule Skipped"]


async def left(rig: Rig) -> list[str]:
    assert rig.aws is not None
    rules = (await rig.aws.events.list_rules(EventBusName=rig.name))["Rules"]
    queues: list[str] = (await rig.aws.sqs.list_queues(QueueNamePrefix=NAME_PREFIX)).get("QueueUrls", [])
    return [str(rule["Name"]) for rule in rules] + queues


@pytest.mark.parametrize("error", [None, RuntimeError, asyncio.CancelledError])
async def test_nothing_is_left_behind(rig: Rig, error: type[BaseException] | None) -> None:
    if rig.aws is None:
        pytest.skip("in memory there is nothing to leave")

    async def listen() -> None:
        async with rig.listen():
            assert len(await left(rig)) == 2
            if error is not None:
                raise error

    if error is None:
        await listen()
    else:
        with pytest.raises(error):
            await listen()

    assert await left(rig) == []


class Refusing:
    """A client whose *operation* is refused with *code*, and which notes what is called.

    *entries* are what it answers to PutEvents, call by call; then it takes the probe, and the queue has it.
    """

    def __init__(
        self, operation: str = "", code: str = "AccessDenied", entries: Sequence[dict[str, Any]] | None = None
    ) -> None:
        self.calls: list[str] = []
        self.rules: list[dict[str, str]] = []
        self._refused, self._code = operation, code
        self._entries = None if entries is None else [*entries]

    def __getattr__(self, operation: str) -> Any:
        async def call(**request: Any) -> dict[str, Any]:
            self.calls.append(operation)
            if operation == self._refused:
                raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, operation)
            answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
                "put_rule": self._put_rule,
                "put_events": self._put_events,
            }
            messages: list[dict[str, str]] = []
            if operation == "receive_message" and self._entries == []:
                detail = {"channel": self.rules[-1]["Name"]}
                probe = {"source": PROBE_SOURCE, "detail-type": "Answer Probe", "time": "now", "detail": detail}
                messages = [{"ReceiptHandle": "1", "Body": msgspec.json.encode(probe).decode()}]
            answer = answers.get(operation)
            return ({} if answer is None else answer(request)) | {
                "QueueUrl": "url", "Attributes": {"QueueArn": "arn:queue"}, "RuleArn": "arn:rule", "Rules": [],
                "Messages": messages,
            }  # fmt: skip

        return call

    def _put_rule(self, request: dict[str, Any]) -> dict[str, Any]:
        self.rules.append(request)
        return {}

    def _put_events(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"FailedEntryCount": 1, "Entries": [self._entries.pop(0)]} if self._entries else {}

    def listen(self, clock: Clock) -> Any:
        async def same(_service: str) -> Any:
            return self

        return answers_on(same, "eventcron", clock=clock)


@pytest.mark.parametrize(
    "operation", ["create_queue", "put_rule", "set_queue_attributes", "put_targets", "put_events", "receive_message"]
)
async def test_a_missing_permission_is_said_and_what_was_made_is_removed(operation: str) -> None:
    client = Refusing(operation)

    with pytest.raises(NoAnswers) as caught:
        async with client.listen(SystemClock()):
            pass

    assert "AccessDenied" in str(caught.value)
    assert "docs/reference/client.md lists" in str(caught.value)
    assert client.calls[-2:] == ["delete_queue", "delete_rule"]


@pytest.mark.parametrize(
    "operation", ["create_queue", "put_rule", "set_queue_attributes", "put_targets", "put_events", "receive_message"]
)
async def test_a_service_that_throttles_is_unavailable_and_no_missing_permission(operation: str) -> None:
    client = Refusing(operation, "ThrottlingException")

    with pytest.raises(Unavailable, match="ThrottlingException"):
        async with client.listen(SystemClock()):
            pass

    assert client.calls[-2:] == ["delete_queue", "delete_rule"]


THROTTLED = {"ErrorCode": "ThrottlingException", "ErrorMessage": "too many"}


async def test_a_probe_that_is_throttled_is_put_again() -> None:
    client = Refusing(entries=[THROTTLED, {"ErrorCode": "InternalFailure"}])

    async with client.listen(Jumping()):
        assert client.calls.count("put_events") == 2  # the queue has the probe once both were refused

    assert client.calls[-1] == "delete_rule"


async def test_probes_that_are_throttled_for_good_are_unavailable() -> None:
    client = Refusing(entries=[THROTTLED] * 100)

    with pytest.raises(Unavailable, match="ThrottlingException: too many"):
        async with client.listen(Jumping()):
            pass

    assert client.calls.count("put_events") == 60


async def test_a_bus_that_takes_no_probe_for_good_is_said() -> None:
    client = Refusing(entries=[{"ErrorCode": "NotAuthorizedForSource", "ErrorMessage": "not yours"}])

    with pytest.raises(NoAnswers, match="takes no probe: not yours"):
        async with client.listen(Jumping()):
            pass


async def test_whoever_listens_for_long_says_that_the_rule_is_in_use() -> None:
    client, clock = Refusing(entries=[]), Jumping()

    async with client.listen(clock) as answers:
        for _ in range(10):
            clock.sleep_for(LEASE_MS // 10)
            await answers.receive()
            assert not left_behind(client.rules[-1], now=clock.now())

    assert len(client.rules) == 4  # once, and then at 18, 36 and 54 minutes
    assert len({rule["Name"] for rule in client.rules}) == 1
    assert left_behind(client.rules[-1], now=clock.now() + LEASE_MS + 1)


async def test_that_it_cannot_be_said_for_now_loses_no_answer() -> None:
    client, clock = Refusing(entries=[]), Jumping()

    async with client.listen(clock) as answers:
        clock.sleep_for(RENEW_MS)
        client._refused, client._code = "put_rule", "ThrottlingException"
        assert await answers.receive() == []
        client._refused = ""
        await answers.receive()

    assert len(client.rules) == 2


async def test_a_queue_that_somebody_removed_is_said() -> None:
    client = Refusing(entries=[])

    async with client.listen(Jumping()) as answers:
        client._refused, client._code = "receive_message", "AWS.SimpleQueueService.NonExistentQueue"
        with pytest.raises(NoAnswers, match="no longer"):
            await answers.receive()


class Ahead(SystemClock):
    """The clock of somebody who comes when what is made now is in use no longer."""

    def now(self) -> int:
        return super().now() + LEASE_MS + 60_000


async def test_what_a_killed_client_left_is_removed_by_the_next_one_that_listens(rig: Rig) -> None:
    if rig.aws is None:
        pytest.skip("in memory there is nothing to leave")

    async with rig.listen(), rig.listen():  # one does not remove what the other uses
        in_use = await left(rig)
        assert len(in_use) == 4
        async with rig.listen(clock=Ahead()):
            assert len(await left(rig)) == 2
            assert not {*in_use} & {*await left(rig)}

    assert await left(rig) == []


class Jumping:
    """A clock that stands where it is asked to sleep until."""

    def __init__(self) -> None:
        self._now = 0

    def now(self) -> int:
        return self._now

    async def sleep_until(self, instant: int) -> None:
        self._now = max(self._now, instant)

    def sleep_for(self, milliseconds: int) -> None:
        self._now += milliseconds


async def test_a_rule_that_selects_nothing_is_given_up() -> None:
    client = Refusing()

    with pytest.raises(NoAnswers, match="selects nothing even after 60 s"):
        async with client.listen(Jumping()):
            pass

    assert client.calls.count("put_events") == 60
    assert client.calls[-1] == "delete_rule"


def test_the_pattern_stays_within_what_a_rule_takes() -> None:
    longest = [f"{number:064}" for number in range(10)]

    assert len(pattern(longest, everything=False)) <= 2_048
    assert "tenant" not in pattern([*longest, "more"], everything=True)
    assert PROBE_SOURCE in pattern([], everything=False)
