"""The adapter of EventBridge's newer bus, by a real client, before a stand-in that holds it to the service model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from hypothesis import given, settings
from hypothesis import strategies as st

from eventcron.adapters.aws.clients import aws_clients
from eventcron.adapters.aws.event_bus_v2 import HOPELESS_CODES, EventBridgeV2Bus, deduplication_id, event_group
from eventcron.adapters.aws.put_events import MAX_BYTES, PutEventsBus, entry_size
from eventcron.app.delivery import Publisher
from eventcron.model.commands import Schedule
from eventcron.model.events import Event
from eventcron.model.messages import Fire
from eventcron.model.records import Record, State
from eventcron.ports import Refusal
from eventcron.testing import JumpingClock
from eventcron.wire import encode
from tests.emulators import use_endpoint
from tests.eventbridgev2 import ARN, FakeBus, Refused, fake_bus, put_events, violations

NOW = 1_764_547_200_999
SCHEDULE = Schedule(tenant="acme", name="nightly", expression="@daily")
RECORD = Record(schedule=SCHEDULE, name="nightly", tenant="acme", revision=1, state=State.ENABLED, created=0)


def fired(number: int = 0, *, attempt: int = 1) -> Event:
    fire = Fire("acme", "nightly", 1, NOW + number, NOW + number)
    return encode.fired(RECORD, fire, attempt=attempt, local_time="2025-12-01T01:00:00.999+01:00")


def numbered(count: int) -> list[Event]:
    return [fired(number) for number in range(count)]


def sized(size: int, number: int = 0) -> Event:
    """An event that EventBridge counts as *size* bytes."""
    event = Event(source="eventcron", detail_type="Fired", detail=b"", time=number)
    detail = b'"%s"' % (b"x" * (size - entry_size(event) - 2))
    return Event(source="eventcron", detail_type="Fired", detail=detail, time=number)


@pytest.fixture(scope="module", name="served")
def _served() -> Iterator[tuple[FakeBus, str]]:
    with fake_bus() as served:
        yield served


@pytest.fixture(scope="module", name="session")
def _session() -> AioSession:
    """Parses botocore's service models once."""
    return get_session()


@pytest.fixture(name="fake")
def _fake(served: tuple[FakeBus, str], monkeypatch: pytest.MonkeyPatch) -> FakeBus:
    fake, endpoint = served
    use_endpoint(monkeypatch, endpoint)
    vars(fake).update(vars(FakeBus()))
    return fake


@pytest.fixture(name="bus")
async def _bus(fake: FakeBus, session: AioSession) -> AsyncIterator[EventBridgeV2Bus]:
    async with aws_clients(concurrency=4, bus="eventbridgev2", session=session) as clients:
        yield EventBridgeV2Bus(clients.events, ARN)


@pytest.fixture(name="impatient")
async def _impatient(fake: FakeBus, session: AioSession) -> AsyncIterator[EventBridgeV2Bus]:
    """A bus whose client does not try again by itself."""
    once = AioConfig(retries={"mode": "standard", "total_max_attempts": 1})
    async with session.create_client("eventbridgev2", config=once) as client:
        yield EventBridgeV2Bus(client, ARN)


def codes(refusals: Sequence[Refusal]) -> list[tuple[int, str, bool]]:
    return [(refusal.index, refusal.code, refusal.retryable) for refusal in refusals]


async def test_an_entry_says_what_the_bus_needs(fake: FakeBus, bus: EventBridgeV2Bus) -> None:
    event = fired()

    assert await bus.publish([event]) == []

    assert fake.calls == [
        {
            "EventBusArn": ARN,
            "Entries": [
                {
                    "Time": datetime(2025, 12, 1, tzinfo=UTC),
                    "Source": "eventcron",
                    "DetailType": "Schedule Fired",
                    "Detail": event.detail.decode(),
                    "Resources": ["acme/nightly"],
                    "SystemMetadata": {"DeduplicationId": event.fire_id, "EventGroupId": "acme/nightly"},
                }
            ],
        }
    ]


async def test_a_hundred_events_go_in_one_call(fake: FakeBus, bus: EventBridgeV2Bus) -> None:
    assert await bus.publish(numbered(201)) == []

    assert sorted(len(call["Entries"]) for call in fake.calls) == [1, 100, 100]
    assert len(fake.taken) == 201


async def test_calls_are_within_the_bytes_and_the_largest_event_fits_alone(
    fake: FakeBus, bus: EventBridgeV2Bus
) -> None:
    events = [sized(MAX_BYTES // 2), sized(MAX_BYTES // 2, 1), sized(2_000, 2), sized(MAX_BYTES, 3)]

    assert await bus.publish(events) == []

    assert sorted(len(call["Entries"]) for call in fake.calls) == [1, 1, 2]


async def test_an_event_too_large_is_refused_for_good_and_the_others_are_published(
    fake: FakeBus, bus: EventBridgeV2Bus
) -> None:
    assert codes(await bus.publish([fired(0), sized(MAX_BYTES + 1), fired(2)])) == [(1, "EntryTooLarge", False)]

    assert len(fake.taken) == 2


async def test_a_fire_published_again_is_suppressed_and_counts_as_taken(fake: FakeBus, bus: EventBridgeV2Bus) -> None:
    """As when an executor publishes, dies before it records it, and another one gets the pack."""
    assert await bus.publish([fired(1), fired(2)]) == []
    assert await bus.publish([fired(1, attempt=2), fired(3)]) == []

    assert [entry["Detail"] for entry in fake.suppressed] == [fired(1, attempt=2).detail.decode()]
    assert len(fake.taken) == 3


async def test_an_answer_that_is_lost_repeats_nothing(fake: FakeBus, bus: EventBridgeV2Bus) -> None:
    """The publisher tries again, and it cannot know that the first time succeeded."""
    fake.lose_an_answer = True

    await Publisher(clock=JumpingClock(0), bus=bus, jitter=lambda: 0.5).publish(numbered(3))

    assert (len(fake.calls), len(fake.taken), len(fake.suppressed)) == (2, 3, 3)


async def test_after_five_minutes_a_repetition_comes_through_with_the_same_fire_id(
    fake: FakeBus, bus: EventBridgeV2Bus
) -> None:
    assert await bus.publish([fired()]) == []
    fake.five_minutes_pass()
    assert await bus.publish([fired(attempt=2)]) == []

    assert [event["detail"]["fire_id"] for event in fake.delivered()] == [fired().fire_id] * 2


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        pytest.param("ThrottlingException", True, id="throttled"),
        pytest.param("InternalException", True, id="internal"),
        pytest.param("InvalidStateException", True, id="bus-not-active"),
        pytest.param("SomethingNew", True, id="a-code-nobody-listed"),
        pytest.param("InvalidInputException", False, id="invalid"),
        pytest.param("AccessDeniedException", False, id="denied"),
        pytest.param("ResourceNotFoundException", False, id="no-bus"),
    ],
)
async def test_refused_entries_come_back_by_their_place(
    fake: FakeBus, bus: EventBridgeV2Bus, code: str, retryable: bool
) -> None:
    ids = {fired(3).fire_id, fired(120).fire_id}
    fake.refuse_entry = lambda entry: Refused(code) if entry["SystemMetadata"]["DeduplicationId"] in ids else None

    assert await bus.publish(numbered(130)) == [
        Refusal(index=index, code=code, message="as told", retryable=retryable) for index in (3, 120)
    ]
    assert len(fake.taken) == 128


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        pytest.param(Refused("ThrottlingException", status=429), "ThrottlingException", id="throttled"),
        pytest.param(Refused("InternalException", status=500), "InternalException", id="internal"),
        pytest.param(Refused("InvalidStateException", status=409), "InvalidStateException", id="bus-not-active"),
        pytest.param(Refused("", status=503), "503", id="in-front-of-the-service"),
    ],
)
async def test_a_call_refused_for_now_refuses_its_own_events(
    fake: FakeBus, impatient: EventBridgeV2Bus, refused: Refused, code: str
) -> None:
    fake.refuse_call = lambda request: refused if len(request["Entries"]) == 100 else None

    assert codes(await impatient.publish(numbered(130))) == [(index, code, True) for index in range(100)]
    assert len(fake.taken) == 30


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(Refused("AccessDeniedException", status=403), id="denied"),
        pytest.param(Refused("ResourceNotFoundException", status=404), id="no-bus"),
    ],
)
async def test_a_fault_of_the_deployment_rises(fake: FakeBus, bus: EventBridgeV2Bus, refused: Refused) -> None:
    fake.refuse_call = lambda _request: refused

    with pytest.raises(ClientError, match=refused.code):
        await bus.publish([fired()])


async def test_an_event_that_spoils_its_call_is_found_and_refused_alone(fake: FakeBus, bus: EventBridgeV2Bus) -> None:
    spoilt = {fired(17).detail.decode(), fired(64).detail.decode()}
    fake.refuse_call = lambda request: (
        Refused("InvalidInputException") if spoilt & {entry["Detail"] for entry in request["Entries"]} else None
    )

    assert codes(await bus.publish(numbered(100))) == [
        (17, "InvalidInputException", False),
        (64, "InvalidInputException", False),
    ]
    assert (len(fake.taken), len(fake.suppressed)) == (98, 0)
    assert len(fake.calls) < 30  # two paths down the halves, not a call for each event


async def test_what_the_model_forbids_is_refused_alone(fake: FakeBus, bus: EventBridgeV2Bus) -> None:
    """The service's own limits, which botocore does not check before it sends."""
    event = Event(source="eventcron", detail_type="x" * 129, detail=b"{}", time=0)

    [refusal] = await bus.publish([fired(), event])

    assert codes([refusal]) == [(1, "InvalidInputException", False)]
    assert "DetailType has 129, not 1 to 128" in refusal.message
    assert len(fake.taken) == 1


async def test_an_entry_without_an_answer_was_not_taken() -> None:
    class Silent:
        async def put_events(self, **_request: Any) -> dict[str, Any]:
            return {"Entries": [{"SuccessCode": "DEDUPLICATED"}, {"EventId": "x", "ErrorCode": "ThrottlingException"}]}

    assert codes(await EventBridgeV2Bus(Silent(), ARN).publish(numbered(3))) == [
        (1, "ThrottlingException", True),
        (2, "NoAnswer", True),
    ]


def test_every_error_of_the_model_is_either_hopeless_or_worth_another_try() -> None:
    errors = {shape.name: shape.metadata for shape in put_events().error_shapes}
    later = {name for name, metadata in errors.items() if "retryable" in metadata} | EventBridgeV2Bus.later_codes

    assert errors.keys() == later | HOPELESS_CODES
    assert not later & HOPELESS_CODES


def test_limits_are_the_model_s() -> None:
    entries = put_events().input_shape.members["Entries"]

    assert EventBridgeV2Bus.max_entries == entries.metadata["max"]
    assert "max" not in entries.member.members["Detail"].metadata, "it names a size now: see MAX_BYTES"


# --- What is the same, and what belongs together -----------------------------------------------------------------


def test_a_fire_is_known_by_its_fire_id_whatever_the_attempt() -> None:
    assert (
        deduplication_id(fired())
        == deduplication_id(fired(attempt=3))
        == encode.fire_id(Fire("acme", "nightly", 1, NOW, NOW))
    )


def test_a_fire_that_fails_is_not_taken_for_the_fire() -> None:
    fire = Fire("acme", "nightly", 1, NOW, NOW)
    failed = encode.failed(RECORD, fire, code="x", message="", attempts=5, now=NOW)

    assert deduplication_id(failed) != deduplication_id(fired())


def test_an_event_is_the_same_only_when_it_is_published_again() -> None:
    created = encode.created(RECORD, now=NOW)
    others = [
        encode.created(RECORD, now=NOW + 1),
        encode.updated(RECORD, now=NOW),
    ]

    assert deduplication_id(created) == deduplication_id(encode.created(RECORD, now=NOW))
    assert len({deduplication_id(event) for event in [created, *others]}) == 3


def test_events_of_a_schedule_are_in_one_group_with_its_fires() -> None:
    assert event_group(encode.paused(RECORD, now=NOW)) == event_group(fired()) == "acme/nightly"


def test_a_long_name_s_group_is_a_hash_that_is_nobody_s_name() -> None:
    longest = event_group(_about("t" * 64 + "/" + "n" * 63))
    hashed = {event_group(_about("t" * 64 + "/" + "n" * length)) for length in (64, 65, 128)}

    assert longest == "t" * 64 + "/" + "n" * 63
    assert len(hashed) == 3
    assert all(group is not None and len(group) == 32 and "/" not in group for group in hashed)


def test_what_is_about_no_schedule_is_in_no_group() -> None:
    assert event_group(Event(source="eventcron", detail_type="Fired", detail=b"{}", time=0)) is None


def _about(resource: str) -> Event:
    return Event(source="eventcron", detail_type="Fired", detail=b"{}", time=0, resources=(resource,))


_names = st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True)
_events = st.builds(
    Event,
    source=st.just("eventcron"),
    detail_type=st.text(st.characters(codec="utf-8"), min_size=1, max_size=128),
    detail=st.integers(2, 60_000).map(lambda size: b'"%s"' % (b"x" * (size - 2))),
    time=st.integers(0, 253_402_300_799_999),
    resources=st.one_of(st.just(()), st.tuples(st.builds("{}/{}".format, _names.map(lambda name: name[:64]), _names))),
    fire_id=st.one_of(st.just(""), st.from_regex(r"[0-9a-f]{32}", fullmatch=True)),
)


@settings(max_examples=settings().max_examples // 4)  # of many events each
@given(st.lists(_events, max_size=150))
async def test_every_request_is_as_the_model_wants_it_and_loses_nothing(events: list[Event]) -> None:
    calls: list[dict[str, Any]] = []

    class Client:
        async def put_events(self, **request: Any) -> dict[str, Any]:
            validate_parameters(request, put_events().input_shape)
            assert violations(request, put_events().input_shape) == []
            calls.append(request)
            return {"Entries": [{"SuccessCode": "PUBLISHED"} for _ in request["Entries"]]}

    bus: PutEventsBus = EventBridgeV2Bus(Client(), ARN)

    assert await bus.publish(events) == []
    assert sum(len(call["Entries"]) for call in calls) == len(events)
    for call in calls:
        assert sum(len(entry["Detail"]) for entry in call["Entries"]) <= MAX_BYTES
