"""What a change leaves to the registrar is sent once, also while the bus takes no event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import pytest

from eventcron.errors import Unavailable
from eventcron.model.events import Event
from eventcron.model.names import Key
from eventcron.model.records import State
from eventcron.ports import Refusal
from eventcron.testing import World

ACME = {"tenant": "acme", "name": "report"}
THROTTLED = "ThrottlingException"


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World("2026-12-01T08:00:00Z") as world:
        yield world


@pytest.fixture(name="sent")
def _sent(world: World, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each pack was sent to the fire queue, by its id."""
    sent: Counter[str] = Counter()
    put: Callable[..., str] = world.fires.put

    def count(body: str, *, delay_seconds: int = 0) -> str:
        sent[msgspec.json.decode(body)["id"]] += 1
        return put(body, delay_seconds=delay_seconds)

    monkeypatch.setattr(world.fires, "put", count)
    return sent


def refuse(world: World, *kinds: str) -> None:
    """Let the bus refuse, from now on, events of these *kinds* and no others."""

    def answer(index: int, event: Event) -> Refusal | None:
        return Refusal(index=index, code=THROTTLED) if event.detail_type in kinds else None

    world.bus._refuse = answer


def resume_in_an_outage(world: World, sent: Counter[str]) -> None:
    """A resume has a notice to publish, which the bus refuses; other commands come after it."""
    world.emit("Put Schedule", {**ACME, "expression": "* * * * *"})
    world.run(minutes=2, seconds=30)
    world.emit("Pause Schedule", ACME)
    world.run(minutes=10)
    sent.clear()
    refuse(world, "Schedule Skipped")
    world.emit("Resume Schedule", ACME)
    world.run(seconds=10)
    world.emit("Pause Schedule", ACME)
    world.emit("Put Schedule", {**ACME, "expression": "*/2 * * * *"})
    world.run(minutes=1)


def test_fires_that_were_sent_are_not_sent_with_each_try(world: World, sent: Counter[str]) -> None:
    resume_in_an_outage(world, sent)

    failed = [error for error in world.failures if isinstance(error, Unavailable)]
    assert len(failed) == len(world.failures) > 3, "several commands tried, some of them twice"
    assert set(sent.values()) == {1}


def test_the_notice_and_the_commands_after_it_are_there_once_the_bus_is(world: World, sent: Counter[str]) -> None:
    resume_in_an_outage(world, sent)
    refuse(world)
    world.run(minutes=5)

    # Two commands that come back at the same time both find it pending: then it comes twice, as any event may.
    skips = [skip for skip in world.events_of("Schedule Skipped") if skip["count"] > 1]
    assert {(skip["first_due"][11:16], skip["last_due"][11:16], skip["count"]) for skip in skips} == {
        ("08:03", "08:12", 10)
    }
    record = world.store.records[Key("acme", "report")]
    assert record.schedule is not None
    assert (record.state, record.schedule.expression, record.pending) == (State.PAUSED, "*/2 * * * *", None)


def test_fires_are_sent_again_if_nobody_noted_that_they_were(
    world: World, sent: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object, **__: object) -> None:
        raise Unavailable("dynamodb", THROTTLED, "the ledger takes nothing")

    with monkeypatch.context() as broken:
        broken.setattr(world.packs, "record", dies)
        resume_in_an_outage(world, sent)

    assert min(sent.values()) > 1
