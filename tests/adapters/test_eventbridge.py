"""The EventBridge adapter before a bus that refuses, throttles, or says nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.put_events import MAX_BYTES, entry_size
from eventcron.model.events import Event
from eventcron.ports import Refusal
from tests.adapters.scripted import Answer, Script, refused

#: Bytes of an event of ``an_event`` but for its detail: time, source, detail type, resource.
AROUND = 14 + len("eventcron") + len("Fired") + len("é/n".encode())


def an_event(detail: bytes = b"{}") -> Event:
    return Event(source="eventcron", detail_type="Fired", detail=detail, time=1_764_547_200_999, resources=("é/n",))


def numbered(count: int) -> list[Event]:
    return [an_event(b"%d" % number) for number in range(count)]


def take_all(request: dict[str, Any]) -> Answer:
    return {"FailedEntryCount": 0, "Entries": [{"EventId": "x"} for _ in request["Entries"]]}


async def published(script: Script, events: list[Event], **options: Any) -> list[Refusal]:
    return await EventBridgeBus(script.client, "bus", **options).publish(events)


async def test_an_entry_says_what_eventbridge_needs() -> None:
    script = Script("events", take_all)

    assert await published(script, [an_event('{"naïve": "⏰"}'.encode())]) == []

    assert script.requests == [
        {
            "Entries": [
                {
                    "Time": 1764547200,
                    "Source": "eventcron",
                    "DetailType": "Fired",
                    "Detail": '{"naïve": "⏰"}',
                    "Resources": ("é/n",),
                    "EventBusName": "bus",
                }
            ]
        }
    ]


@pytest.mark.parametrize(
    ("per_tenant", "sources"),
    [
        pytest.param(False, ["eventcron"] * 3, id="one-source-for-all"),
        pytest.param(True, ["eventcron.fires.acme", "eventcron", "eventcron.fires.globex"], id="fires-by-tenant"),
    ],
)
async def test_the_source_of_a_fire_names_its_tenant_where_the_deployment_separates_them(
    per_tenant: bool, sources: list[str]
) -> None:
    fire = Event(
        source="eventcron", detail_type="Nightly", detail=b"{}", time=0, resources=("acme/n",), fire_id="0" * 32
    )
    events = [fire, an_event(), msgspec.structs.replace(fire, resources=("globex/acme",))]
    script = Script("events", take_all)

    assert await published(script, events, fires_per_tenant=per_tenant) == []
    assert [entry["Source"] for entry in script.requests[0]["Entries"]] == sources


async def test_refused_entries_come_back_by_their_place() -> None:
    codes = {
        "2": "ThrottlingException",
        "4": "MalformedDetail",
        "11": "InternalFailure",
        "12": "InvalidArgument",
    }

    def refuse_some(request: dict[str, Any]) -> Answer:
        refusals = [codes.get(entry["Detail"]) for entry in request["Entries"]]
        return {
            "FailedEntryCount": sum(code is not None for code in refusals),
            "Entries": [{"ErrorCode": code, "ErrorMessage": "no"} if code else {"EventId": "x"} for code in refusals],
        }

    assert await published(Script("events", refuse_some), numbered(13)) == [
        Refusal(index=2, code="ThrottlingException", message="no", retryable=True),
        Refusal(index=4, code="MalformedDetail", message="no", retryable=False),
        Refusal(index=11, code="InternalFailure", message="no", retryable=True),
        Refusal(index=12, code="InvalidArgument", message="no", retryable=False),
    ]


async def test_an_event_without_an_answer_was_not_taken() -> None:
    answer: Answer = {"FailedEntryCount": 0, "Entries": [{"EventId": "x"}, {}]}

    refusals = await published(Script("events", [answer]), numbered(3))

    assert [(refusal.index, refusal.code, refusal.retryable) for refusal in refusals] == [
        (1, "NoAnswer", True),
        (2, "NoAnswer", True),
    ]
    assert refusals[0].message == "EventBridge reported neither success nor failure"


async def test_a_throttled_call_refuses_its_own_events_and_is_not_repeated() -> None:
    def throttle_the_second(request: dict[str, Any]) -> Answer:
        return refused("ThrottlingException") if request["Entries"][0]["Detail"] == "10" else take_all(request)

    script = Script("events", throttle_the_second)

    refusals = await published(script, numbered(25))

    assert [(refusal.index, refusal.code, refusal.retryable) for refusal in refusals] == [
        (index, "ThrottlingException", True) for index in range(10, 20)
    ]
    assert len(script.requests) == 3


async def test_a_fault_of_the_deployment_rises_once_the_other_calls_are_made() -> None:
    def deny_the_first(request: dict[str, Any]) -> Answer:
        return refused("AccessDeniedException") if request["Entries"][0]["Detail"] == "0" else take_all(request)

    script = Script("events", deny_the_first)

    with pytest.raises(ClientError, match="AccessDeniedException"):
        await published(script, numbered(25))

    assert len(script.requests) == 3


async def test_an_event_too_large_alone_is_refused_and_the_others_are_published() -> None:
    script = Script("events", take_all)
    too_large = an_event(b"x" * (MAX_BYTES - AROUND + 1))

    assert await published(script, [an_event(b"0"), too_large, an_event(b"2")]) == [
        Refusal(
            index=1,
            code="EntryTooLarge",
            message="the entry is 262144 bytes; EventBridge takes at most 262143",
            retryable=False,
        )
    ]
    assert [entry["Detail"] for request in script.requests for entry in request["Entries"]] == ["0", "2"]


async def test_refusals_after_one_too_large_keep_their_places() -> None:
    answer: Answer = {"FailedEntryCount": 1, "Entries": [{"EventId": "x"}, {"ErrorCode": "InternalException"}]}
    too_large = an_event(b"x" * MAX_BYTES)

    refusals = await published(Script("events", [answer]), [too_large, *numbered(2)])

    assert [(refusal.index, refusal.code) for refusal in refusals] == [(0, "EntryTooLarge"), (2, "InternalException")]


async def test_the_largest_event_fits_alone() -> None:
    script = Script("events", take_all)

    assert await published(script, [an_event(b"x" * (MAX_BYTES - AROUND)), an_event()]) == []
    assert [len(request["Entries"]) for request in script.requests] == [1, 1]


async def test_calls_at_once_are_bounded() -> None:
    script = Script("events", take_all)

    assert await published(script, numbered(200), concurrency=3) == []
    assert (len(script.requests), script.most_at_once) == (20, 3)


def test_size_is_counted_as_documented() -> None:
    assert entry_size(an_event(b"{}")) == AROUND + 2


@given(st.lists(st.integers(0, 300_000), max_size=30))
async def test_calls_respect_count_and_bytes_and_lose_nothing(sizes: list[int]) -> None:
    script = Script("events", take_all)
    events = [an_event(b"x" * size) for size in sizes]

    refusals = await published(script, events)

    calls = [request["Entries"] for request in script.requests]
    for entries in calls:
        assert len(entries) <= 10
        assert sum(len(entry["Detail"]) + AROUND for entry in entries) < 256 * 1024
    assert sum(map(len, calls)) + len(refusals) == len(sizes)
