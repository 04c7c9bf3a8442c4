"""The client's verbs, on a whole eventcron in memory."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple, Self

import pytest

from eventcron import Client
from eventcron.adapters.memory import MemoryAnswers
from eventcron.app.commander import Commander, NoAnswer, NotSent
from eventcron.client.blocking import Blocking
from eventcron.client.schedules import Schedule
from eventcron.client.verbs import Receipt, Verbs
from eventcron.errors import InvalidSchedule, Unavailable
from eventcron.model.commands import (
    BackfillSchedule,
    CancelBackfill,
    Command,
    DeleteCalendar,
    DeleteSchedule,
    PauseSchedule,
    PutCalendar,
    ResumeSchedule,
    RunSchedule,
)
from eventcron.model.events import Answer, Event
from eventcron.ports import Refusal
from eventcron.ports.answers import Answers
from eventcron.testing import World
from eventcron.wire.decode import Rejected


class Rig(NamedTuple):
    world: World
    verbs: Verbs
    #: The tenants that were listened for, one entry for each time.
    heard: list[Sequence[str]]

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.world.call(work)

    def put(self, name: str, expression: str = "0 2 * * *", **fields: Any) -> Receipt:
        receipt: Receipt = self.do(
            self.verbs.put(
                Schedule(tenant=fields.pop("tenant", "acme"), name=name, expression=expression, **fields), wait=True
            )
        )
        return receipt

    def listed(self, *arguments: Any, **options: Any) -> list[str]:
        async def work() -> list[str]:
            return [str(stored.key) async for stored in self.verbs.list(*arguments, **options)]

        found: list[str] = self.do(work())
        return found


@pytest.fixture(name="rig")
def _rig() -> Iterator[Rig]:
    heard: list[Sequence[str]] = []
    with World("2026-12-01T08:30:10Z") as world:

        @asynccontextmanager
        async def listen(tenants: Sequence[str], *, everything: bool = False) -> AsyncIterator[Answers]:
            heard.append(tenants)
            try:
                yield world.answers()
            finally:
                heard.append(["closed"])

        cases = world.ports.use_cases(world.settings)
        commander = Commander(clock=world.clock, bus=world, jitter=lambda: 0.5)
        yield Rig(world, Verbs(cases, commander, listen, patience_ms=10_000), heard)


def test_a_put_is_answered_and_read_back(rig: Rig) -> None:
    receipt = rig.put("nightly", timezone="Europe/Oslo", input={"report": "leads"}, labels={"team": "a"})
    stored = rig.do(rig.verbs.get("acme", "nightly", fires=3))

    assert (receipt.event, receipt.detail["name"], receipt.event_id) == (
        "Schedule Created", "nightly", receipt.detail["event_id"]
    )  # fmt: skip
    assert (stored.state, bytes(stored.schedule.input)) == ("ENABLED", b'{"report":"leads"}')
    assert [fire.at for fire in stored.next_fires] == [
        1_796_173_200_000 + day * 86_400_000 for day in range(3)
    ]  # 01:00 UTC
    assert rig.do(rig.verbs.get("acme", "none")) is None


def test_without_waiting_nothing_is_listened_for(rig: Rig) -> None:
    receipt = rig.do(rig.verbs.put(Schedule(tenant="acme", name="a", expression="@daily")))

    assert (receipt.event_id, receipt.event, rig.heard) == ("00000000-0000-0000-0000-000000000001", "", [])


def test_a_rejection_is_raised_with_what_is_wrong(rig: Rig) -> None:
    with pytest.raises(Rejected) as caught:
        rig.put("late", "at(2020-01-01T00:00:00)")

    assert (caught.value.code, caught.value.field, caught.value.tenant) == ("in_the_past", "expression", "acme")


def test_a_mistake_is_raised_before_anything_is_sent(rig: Rig) -> None:
    with pytest.raises(InvalidSchedule):
        rig.do(rig.verbs.backfill("acme", "a", since="yesterday", until="today"))

    assert len(rig.world.commands) == 0


def test_each_verb_does_what_it_is_called(rig: Rig) -> None:
    rig.put("job", "* * * * *")
    verbs = rig.verbs
    day = datetime(2026, 11, 30, tzinfo=UTC)
    work = [
        verbs.pause("acme", "job", wait=True),
        verbs.resume("acme", "job", missed="fire_all", wait=True),
        verbs.run("acme", "job", wait=True),
        verbs.backfill("acme", "job", since=day, until=day.replace(hour=1), backfill_id="b", wait=True),
        verbs.cancel_backfill("acme", "job", "b", wait=True),
        verbs.put_calendar("acme", "norway", ["2026-12-24/2026-12-26"], wait=True),
        verbs.delete_calendar("acme", "norway", wait=True),
        verbs.delete("acme", "job", wait=True),
    ]

    assert [rig.do(one).event for one in work] == [
        "Schedule Paused",
        "Schedule Resumed",
        "Schedule Fired",
        "Schedule Backfilled",
        "Schedule Backfilled",
        "Calendar Updated",
        "Calendar Deleted",
        "Schedule Deleted",
    ]
    assert rig.do(verbs.get("acme", "job")) is None


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        (Verbs.delete, DeleteSchedule),
        (Verbs.pause, PauseSchedule),
        (Verbs.resume, ResumeSchedule),
        (Verbs.run, RunSchedule),
        (Verbs.backfill, BackfillSchedule),
        (Verbs.cancel_backfill, CancelBackfill),
        (Verbs.put_calendar, PutCalendar),
        (Verbs.delete_calendar, DeleteCalendar),
    ],
)
def test_a_verb_takes_every_field_of_its_command(verb: Any, kind: type[Command]) -> None:
    fields = {{"from": "since"}.get(name, name) for name in kind.__struct_encode_fields__}

    assert fields - set(inspect.signature(verb).parameters) == set()


def test_a_resume_catches_up_as_fast_as_it_says(rig: Rig) -> None:
    rig.put("job", "* * * * *")
    rig.do(rig.verbs.pause("acme", "job", wait=True))
    rig.world.run(minutes=5)

    rig.do(rig.verbs.resume("acme", "job", missed="fire_all", per_minute=1, wait=True))
    resumed = rig.world.now
    rig.world.run(minutes=6)

    caught_up = [fire for fire in rig.world.fired if fire.due_at < resumed]
    assert len(caught_up) == 5
    assert min(later.published - fire.published for fire, later in pairwise(caught_up)) == 60_000


def test_a_run_shows_its_fire(rig: Rig) -> None:
    rig.put("job", "manual", input=[1])

    receipt = rig.do(rig.verbs.run("acme", "job", run_id="mine", wait=True))

    assert (receipt.detail["cause_id"], receipt.detail["input"]) == ("mine", [1])


def test_calendars_are_read(rig: Rig) -> None:
    for tenant, name in (("acme", "a"), ("acme", "b"), ("beta", "c")):
        rig.do(rig.verbs.put_calendar(tenant, name, ["2026-12-24"], wait=True))
    rig.do(rig.verbs.delete_calendar("acme", "b", wait=True))

    async def names() -> list[str]:
        return sorted([str(calendar.key) async for calendar in rig.verbs.calendars("acme")])

    assert rig.do(names()) == ["acme/calendar:a"]
    assert rig.do(rig.verbs.get_calendar("acme", "a")).dates == ("2026-12-24",)
    assert rig.do(rig.verbs.get_calendar("acme", "b")) is None


def test_upcoming_counts(rig: Rig) -> None:
    rig.put("job", "*/10 * * * *")
    since = datetime(2026, 12, 1, 9, tzinfo=UTC)

    report = rig.do(rig.verbs.upcoming(since, since.replace(hour=10), tenant="acme"))

    assert report.fires == 6


@pytest.mark.parametrize(
    ("options", "names"),
    [
        pytest.param({}, ["acme/night-a", "acme/night-b", "acme/soon", "beta/soon"], id="all"),
        pytest.param({"tenant": "acme"}, ["acme/night-a", "acme/night-b", "acme/soon"], id="a tenant's"),
        pytest.param({"prefix": "night"}, ["acme/night-a", "acme/night-b"], id="by prefix"),
        pytest.param({"labels": {"team": "a"}}, ["acme/night-a"], id="by label"),
        pytest.param({"labels": {"team": None}}, ["acme/night-a", "acme/night-b"], id="any label"),
        pytest.param({"states": ["PAUSED"]}, ["acme/night-b"], id="by state"),
        pytest.param(
            {"fires_before": datetime(2026, 12, 1, 9, tzinfo=UTC)}, ["acme/soon", "beta/soon"], id="by next fire"
        ),
    ],
)
def test_a_list_is_what_passes_the_filters(rig: Rig, options: dict[str, Any], names: list[str]) -> None:
    rig.put("night-a", labels={"team": "a"})
    rig.put("night-b", labels={"team": "b"}, state="PAUSED")
    rig.put("soon", "*/5 * * * *")
    rig.put("soon", "*/5 * * * *", tenant="beta")
    rig.put("gone")
    rig.do(rig.verbs.delete("acme", "gone", wait=True))

    assert sorted(rig.listed(**options)) == names


def test_many_are_sent_at_once_and_each_is_said(rig: Rig) -> None:
    good = [Schedule(tenant="acme", name=f"job-{number}", expression="@daily") for number in range(25)]
    late = Schedule(tenant="acme", name="late", expression="at(2020-01-01T00:00:00)")
    known: list[int] = []

    results = rig.do(rig.verbs.send([*good, late], wait=True, on_outcome=lambda index, _: known.append(index)))

    assert [type(result).__name__ for result in results] == ["Receipt"] * 25 + ["Rejected"]
    assert sorted(known) == [*range(26)]


def test_two_that_wait_at_once_do_not_take_each_others_answers(rig: Rig) -> None:
    async def both() -> list[Receipt]:
        return await asyncio.gather(
            *(rig.verbs.put(Schedule(tenant="acme", name=name, expression="@daily"), wait=True) for name in "ab")
        )

    assert [receipt.detail["name"] for receipt in rig.do(both())] == ["a", "b"]


def test_it_listens_once_for_the_same_tenants(rig: Rig) -> None:
    rig.put("a")
    rig.put("b")
    rig.put("c", tenant="beta")
    rig.put("d")

    assert rig.heard == [["acme"], ["closed"], ["acme", "beta"]]


def test_events_are_followed_and_nothing_is_left_open_by_leaving_early(rig: Rig) -> None:
    async def first_fires() -> list[str]:
        found: list[str] = []
        async for event in rig.verbs.events(["acme"]):
            if event.detail_type == "Schedule Fired":
                found.append(event.detail["due"])
            if len(found) == 2:
                break
        await rig.verbs.close()
        return found

    rig.do(rig.verbs.put(Schedule(tenant="acme", name="job", expression="* * * * *")))

    assert [due[11:16] for due in rig.do(first_fires())] == ["08:31", "08:32"]
    assert rig.heard == [["acme"], ["closed"]]


def test_events_are_followed_over_a_throttled_receive(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [Unavailable("sqs", "ThrottlingException"), Unavailable("sqs", "RequestThrottled")]
    receive = MemoryAnswers.receive

    async def throttled(self: MemoryAnswers) -> list[Answer]:
        if refusals:
            raise refusals.pop()
        return await receive(self)

    async def first() -> str:
        async for event in rig.verbs.events(["acme"]):
            return event.detail_type
        return ""

    monkeypatch.setattr(MemoryAnswers, "receive", throttled)
    rig.do(rig.verbs.put(Schedule(tenant="acme", name="job", expression="* * * * *")))

    assert rig.do(first()) == "Schedule Fired"
    assert refusals == []


class Silent:
    """A bus that answers as it is told."""

    def __init__(self, outcome: str | Refusal) -> None:
        self._outcome = outcome

    async def put(self, events: Sequence[Event]) -> list[str | Refusal]:
        return [self._outcome] * len(events)


@pytest.mark.parametrize(
    ("outcome", "error"), [("lost", NoAnswer), (Refusal(index=0, code="TooLarge", retryable=False), NotSent)]
)
def test_what_is_not_taken_or_not_answered_is_an_error(
    rig: Rig, outcome: str | Refusal, error: type[Exception]
) -> None:
    commander = Commander(clock=rig.world.clock, bus=Silent(outcome), jitter=lambda: 0.5)
    rig.verbs._commander = commander

    with pytest.raises(error):
        rig.put("a")


def test_a_client_that_is_not_open_says_so() -> None:
    with pytest.raises(AttributeError, match="the client is not open; enter it first"):
        _ = Client().cases


class Inner:
    """Something asynchronous."""

    answer = 42

    def __init__(self) -> None:
        self.events: list[str] = []

    async def __aenter__(self) -> Self:
        self.events.append("in")
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.events.append("out")

    async def double(self, number: int) -> int:
        await asyncio.sleep(0)
        if number < 0:
            raise ValueError(number)
        return number * 2

    async def count(self, end: int) -> AsyncIterator[int]:
        for number in range(end):
            yield number

    def plain(self) -> str:
        return "plain"


def test_the_blocking_face_runs_the_same_coroutines() -> None:
    inner = Inner()
    with Blocking(inner) as blocking:
        assert blocking.double(21) == 42
        assert list(blocking.count(3)) == [0, 1, 2]
        assert (blocking.answer, blocking.plain()) == (42, "plain")
        with pytest.raises(ValueError, match="-1"):
            blocking.double(-1)

    assert inner.events == ["in", "out"]


async def _fail() -> None:
    raise RuntimeError("no")


def _raises_on_entering() -> Any:
    @asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        await _fail()
        yield

    return failing()


def test_a_blocking_client_that_cannot_open_leaves_no_thread() -> None:
    blocking = Blocking(_raises_on_entering())
    with pytest.raises(RuntimeError, match="no"):
        blocking.__enter__()

    assert not blocking._thread.is_alive()
