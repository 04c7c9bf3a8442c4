"""Commands go out, and each finds its own answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from eventcron.app.commander import Commander, NoAnswer, NotSent, Outcome
from eventcron.model.commands import (
    BackfillSchedule,
    Command,
    DeleteCalendar,
    DeleteSchedule,
    PauseSchedule,
    PutCalendar,
    ResumeSchedule,
    RunSchedule,
    Schedule,
)
from eventcron.model.events import Answer, Event
from eventcron.ports import Refusal
from eventcron.testing import World
from eventcron.timing.instant import to_datetime
from eventcron.wire.decode import Rejected

HOURLY = Schedule(tenant="acme", name="hourly", expression="0 * * * *")


@pytest.fixture
def world() -> Iterator[World]:
    with World("2026-12-01T08:30:10Z") as world:
        yield world


def ask(
    world: World, *commands: Command, commander: Commander | None = None, patience_ms: int = 30_000
) -> list[Outcome]:
    commander = commander or Commander(clock=world.clock, bus=world, jitter=lambda: 0.5)
    return world.call(commander.ask(commands, world.answers(), patience_ms=patience_ms))


def kinds(outcomes: Sequence[Outcome]) -> list[str]:
    return [one.detail_type if isinstance(one, Answer) else type(one).__name__ for one in outcomes]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        pytest.param(HOURLY, "Schedule Unchanged", id="put again"),
        pytest.param(Schedule(tenant="acme", name="new", expression="@daily"), "Schedule Created", id="put"),
        pytest.param(Schedule(tenant="acme", name="hourly", expression="@daily"), "Schedule Updated", id="update"),
        pytest.param(PauseSchedule(tenant="acme", name="hourly"), "Schedule Paused", id="pause"),
        pytest.param(ResumeSchedule(tenant="acme", name="hourly"), "Schedule Resumed", id="resume"),
        pytest.param(DeleteSchedule(tenant="acme", name="hourly"), "Schedule Deleted", id="delete"),
        pytest.param(RunSchedule(tenant="acme", name="hourly", run_id="mine"), "Schedule Fired", id="run"),
        pytest.param(
            BackfillSchedule(
                tenant="acme", name="hourly", since=to_datetime(1_796_083_200_000), until=to_datetime(1_796_090_400_000)
            ),
            "Schedule Backfilled",
            id="backfill",
        ),
        pytest.param(PutCalendar(tenant="acme", name="c", dates=["2026-12-24"]), "Calendar Updated", id="put calendar"),
        pytest.param(DeleteCalendar(tenant="acme", name="old"), "Calendar Deleted", id="delete calendar"),
    ],
)
def test_every_command_has_its_answer(world: World, command: Command, answer: str) -> None:
    ask(world, HOURLY, PutCalendar(tenant="acme", name="old", dates=["2026-12-24"]))
    world.run(seconds=2)

    assert kinds(ask(world, command)) == [answer]


def test_each_of_many_gets_its_own_whatever_else_is_published(world: World) -> None:
    others = [Schedule(tenant="acme", name=f"job-{number}", expression="* * * * * *") for number in range(40)]
    bad = Schedule(tenant="acme", name="bad", expression="61 * * * *")

    outcomes = ask(world, *others[:20], bad, *others[20:])

    assert kinds(outcomes) == ["Schedule Created"] * 20 + ["Rejected"] + ["Schedule Created"] * 20
    assert [one.detail["name"] for one in outcomes if isinstance(one, Answer)] == [other.name for other in others]


def test_a_rejection_says_what_is_wrong(world: World) -> None:
    (rejected,) = ask(world, Schedule(tenant="acme", name="bad", expression="61 * * * *"))

    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.field, rejected.given) == ("invalid_expression", "minute", "'61'")
    assert rejected.allowed
    assert rejected.command == "Put Schedule"


def test_a_run_of_what_does_not_exist_is_rejected(world: World) -> None:
    (rejected,) = ask(world, RunSchedule(tenant="acme", name="none", run_id="mine"))

    assert isinstance(rejected, Rejected)
    assert rejected.code == "not_found"


class Bus:
    """Refuses some of what it is given, and hands the others to *world*, or to nobody."""

    def __init__(self, world: World | None, *, refusals: Sequence[Refusal | None]) -> None:
        self._world = world
        self._refusals = list(refusals)
        self.puts: list[int] = []

    async def put(self, events: Sequence[Event]) -> list[str | Refusal]:
        self.puts.append(len(events))
        outcomes: list[str | Refusal] = []
        for index, event in enumerate(events):
            refusal = self._refusals.pop(0) if self._refusals else None
            if refusal is not None:
                outcomes.append(Refusal(index=index, code=refusal.code, retryable=refusal.retryable))
            else:
                outcomes += ["lost"] if self._world is None else await self._world.put([event])
        return outcomes


def test_what_the_bus_refuses_for_now_is_put_again_and_nothing_else(world: World) -> None:
    bus = Bus(world, refusals=[None, Refusal(index=0, code="ThrottlingException"), None])
    commander = Commander(clock=world.clock, bus=bus, jitter=lambda: 0.5)
    names = ["a", "b", "c"]

    outcomes = ask(world, *(Schedule(tenant="acme", name=n, expression="@daily") for n in names), commander=commander)

    assert bus.puts == [3, 1]
    assert [one.detail["name"] for one in outcomes if isinstance(one, Answer)] == names


def test_what_it_refuses_for_good_is_said_and_the_others_are_answered(world: World) -> None:
    bus = Bus(world, refusals=[None, Refusal(index=0, code="EntryTooLarge", retryable=False), None])
    commander = Commander(clock=world.clock, bus=bus, jitter=lambda: 0.5)

    outcomes = ask(world, *(Schedule(tenant="acme", name=n, expression="@daily") for n in "abc"), commander=commander)

    assert kinds(outcomes) == ["Schedule Created", "NotSent", "Schedule Created"]
    assert isinstance(outcomes[1], NotSent)
    assert str(outcomes[1]) == "the bus did not take the command: EntryTooLarge: "


def test_an_answer_that_does_not_come_is_not_waited_for_forever(world: World) -> None:
    commander = Commander(clock=world.clock, bus=Bus(None, refusals=[]), jitter=lambda: 0.5)
    began = world.now

    (outcome,) = ask(world, HOURLY, commander=commander, patience_ms=20_000)

    assert isinstance(outcome, NoAnswer)
    assert str(outcome) == (
        "Put Schedule for acme/hourly (event lost) was not answered within 20 s; it may still be applied, so look at"
        " what is stored before you send it again"
    )
    assert world.now - began < 25_000


def test_a_platform_source_speaks_for_all(world: World) -> None:
    commander = Commander(clock=world.clock, bus=world, jitter=lambda: 0.5, source="platform")

    (rejected,) = ask(world, HOURLY, commander=commander)  # the deployment does not trust it

    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.source) == ("not_allowed", "platform")
