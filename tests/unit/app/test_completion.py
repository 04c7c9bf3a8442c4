"""A schedule without an occurrence left is reported and then stored as completed, unless a command was first."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryEventBus, MemoryScheduleStore
from eventcron.app.completion import Completion
from eventcron.app.delivery import Publisher
from eventcron.errors import Unavailable
from eventcron.model.commands import Schedule
from eventcron.model.events import Event
from eventcron.model.names import Key
from eventcron.model.records import Record, State
from eventcron.ports import Refusal
from eventcron.testing import JumpingClock
from eventcron.testing.world import SETTINGS
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
KEY = Key("acme", "once")
NAMED = {"tenant": "acme", "name": "once", "expression": "at(2026-12-01T08:00:00)"}
COMPLETED: dict[str, Any] = {**NAMED, "revision": 7, "state": "COMPLETED", "timezone": "UTC"}


class Stage:
    """A completion, and a bus that refuses everything while ``refuses`` is set."""

    def __init__(self) -> None:
        self.clock = JumpingClock(NOW)
        self.store = MemoryScheduleStore(self.clock)
        self.refuses = False
        self.bus = MemoryEventBus(self.clock, refuse=self._refuse)
        self.completion = Completion(
            clock=self.clock,
            store=self.store,
            publisher=Publisher(clock=self.clock, bus=self.bus, jitter=lambda: 0.5),
            settings=replace(SETTINGS, tombstone_days=14),
        )

    def _refuse(self, index: int, _event: Event) -> Refusal | None:
        return Refusal(index=index, code="ThrottlingException") if self.refuses else None

    async def put(self, *, state: State = State.ENABLED, **schedule: Any) -> Record:
        """A schedule as revision 7 of it is stored."""
        given = msgspec.convert(NAMED | schedule, Schedule)
        record = record_of(given, revision=7, state=state)
        assert await self.store.put(record, replacing=None, added=1)
        return record

    @property
    def stored(self) -> Record:
        return self.store.records[KEY]

    @property
    def published(self) -> list[dict[str, Any]]:
        """The events that say that it is completed; there are no others."""
        assert {event.detail_type for _, event in self.bus.published} <= {"Schedule Completed"}
        return [msgspec.json.decode(event.detail) for _, event in self.bus.published]


@pytest.fixture(name="stage")
def _stage() -> Stage:
    return Stage()


async def test_it_is_reported_and_stored(stage: Stage) -> None:
    assert await stage.completion.complete(await stage.put())

    assert stage.published == [COMPLETED]
    assert (stage.stored.state, stage.stored.revision, stage.stored.expires) == (State.COMPLETED, 7, None)
    assert await stage.store.count("acme") == 1


async def test_one_that_is_to_be_deleted_stays_as_long_as_a_tombstone_and_counts_no_longer(stage: Stage) -> None:
    assert await stage.completion.complete(await stage.put(after_completion="DELETE"))

    assert stage.stored.state is State.COMPLETED
    assert stage.stored.expires == NOW // 1000 + 14 * 86_400
    assert await stage.store.count("acme") == 0


@pytest.mark.parametrize(
    "change", [{"revision": 8}, {"state": State.PAUSED}, {"state": State.DELETED, "schedule": None}]
)
async def test_a_change_that_was_first_stands(stage: Stage, change: dict[str, Any]) -> None:
    read = await stage.put()
    changed = replace(read, **change)
    assert await stage.store.put(changed, replacing=7)

    assert not await stage.completion.complete(read)

    assert stage.stored == changed


async def test_while_the_bus_refuses_the_event_nothing_is_stored(stage: Stage) -> None:
    """Else a crash in between would leave a completed schedule of which nobody hears."""
    record = await stage.put()
    stage.refuses = True

    with pytest.raises(Unavailable, match="1 of 1 events refused"):
        await stage.completion.complete(record)

    assert stage.stored == record

    stage.refuses = False
    assert await stage.completion.complete(record)
    assert stage.published == [COMPLETED]


async def test_repeated_it_says_the_same_and_changes_nothing(stage: Stage) -> None:
    record = await stage.put(after_completion="DELETE")
    await stage.completion.complete(record)
    before = stage.stored
    stage.clock.instant += 60_000

    assert not await stage.completion.complete(record)

    assert stage.published == [COMPLETED] * 2
    assert stage.stored == before


async def test_an_enabled_schedule_of_that_revision_is_completed(stage: Stage) -> None:
    await stage.completion.complete_revision(await stage.put(), 7)

    assert stage.stored.state is State.COMPLETED


@pytest.mark.parametrize(
    ("state", "revision"), [(State.ENABLED, 6), (State.ENABLED, 8), (State.PAUSED, 7), (State.COMPLETED, 7)]
)
async def test_of_a_schedule_that_a_command_has_changed_nothing_is_said(
    stage: Stage, state: State, revision: int
) -> None:
    record = await stage.put(state=state)

    await stage.completion.complete_revision(record, revision)

    assert (stage.stored, stage.published) == (record, [])


async def test_of_a_schedule_that_is_gone_nothing_is_said(stage: Stage) -> None:
    await stage.completion.complete_revision(None, 7)

    assert stage.published == []
