"""Backfills, told as stories on the whole system in memory, and the protocol below them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryBackfills, MemoryEventBus, MemoryFireQueue, MemoryQueue, MemoryScheduleStore
from eventcron.app.backfill import MAX_OPEN, BackfillCommands, BackfillOutcome
from eventcron.app.delivery import Publisher
from eventcron.errors import Conflict, InvalidSchedule
from eventcron.model.commands import BackfillSchedule, CancelBackfill
from eventcron.model.messages import Pack
from eventcron.model.names import BackfillKey, Key, Window
from eventcron.model.records import Backfill, BackfillState, Record
from eventcron.ports import Refusal
from eventcron.testing import JumpingClock, World, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import rfc3339
from eventcron.wire.encode import decode_pack
from tests.simulation.test_crashes import Killed as DiedThere
from tests.simulation.test_crashes import Killer

START = "2026-12-01T08:00:00Z"
ACME = {"tenant": "acme", "name": "report"}
KEY = BackfillKey("acme", "report", "november")
NIGHT = {"from": "2026-11-30T00:00:00Z", "until": "2026-11-30T08:00:00Z", "backfill_id": "november"}


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World(START) as world:
        world.emit("Put Schedule", {**ACME, "expression": "*/10 * * * *", "state": "PAUSED"})
        world.run(seconds=1)
        yield world
        assert world.failures == []


def backfill(world: World, **more: Any) -> str:
    return world.emit("Backfill Schedule", {**ACME, **NIGHT, **more})


def states(world: World) -> list[str]:
    return [event["state"] for event in world.events_of("Schedule Backfilled")]


def stored(world: World) -> Backfill:
    return world.backfills._stored[KEY]


def test_a_paused_schedule_is_backfilled_on_purpose(world: World) -> None:
    backfill(world)
    world.run(minutes=20)

    assert [fire.due for fire in world.fired] == [
        f"2026-11-30T{minute // 60:02}:{minute % 60:02}:00.000Z" for minute in range(0, 480, 10)
    ]
    assert {(fire.detail["cause"], fire.detail["cause_id"]) for fire in world.fired} == {("backfill", "november")}
    assert states(world) == ["RUNNING", "RUNNING", "COMPLETED"]


def test_its_fires_are_told_from_ordinary_ones_and_from_another_backfills(world: World) -> None:
    world.emit("Resume Schedule", ACME)
    backfill(world, **{"from": "2026-12-01T08:10:00Z", "until": "2026-12-01T08:11:00Z"})
    backfill(world, **{"from": "2026-12-01T08:10:00Z", "until": "2026-12-01T08:11:00Z"}, backfill_id="other")
    world.run(minutes=12)

    ids = {fire.detail.get("cause_id"): fire.detail["fire_id"] for fire in world.fired}
    assert [fire.due for fire in world.fired] == ["2026-12-01T08:10:00.000Z"] * 3
    assert set(ids) == {None, "november", "other"}
    assert len(set(ids.values())) == 3
    assert min(fire.lateness_ms for fire in world.fired) >= 0


def test_progress_is_on_the_bus(world: World) -> None:
    event_id = backfill(world, per_minute=1)
    world.run(minutes=61)

    events = world.events_of("Schedule Backfilled")
    assert events[0] == {
        **ACME,
        "backfill_id": "november",
        "state": "RUNNING",
        "from": "2026-11-30T00:00:00.000Z",
        "until": "2026-11-30T08:00:00.000Z",
        "through": "2026-11-30T00:00:00.000Z",
        "per_minute": 1,
        "fires": 0,
        "skipped": 0,
        "event_id": event_id,
    }
    assert [event["fires"] for event in events] == [0, 12, 17, 22, 27, 32, 37, 42, 47, 48, 48]
    assert (events[-1]["state"], events[-1]["through"]) == ("COMPLETED", "2026-11-30T08:00:00.000Z")
    assert stored(world).expires is not None


def test_it_is_complete_only_when_its_last_fire_is_published(world: World) -> None:
    backfill(world, per_minute=7)
    world.run(minutes=30)

    (completed_at,) = (
        at for at, event in world.bus.published
        if event.detail_type == "Schedule Backfilled" and b'"COMPLETED"' in event.detail
    )  # fmt: skip
    assert max(fire.published for fire in world.fired) <= completed_at < world.fired[-1].published + 300_000 + 60_000


def test_a_registrar_that_dies_anywhere_while_taking_it_starts_it_all_the_same() -> None:
    def live(killer: Killer) -> list[str]:
        with World(START, pause=killer) as world:
            world.emit("Put Schedule", {**ACME, "expression": "*/10 * * * *", "state": "PAUSED"})
            world.run(minutes=2)
            backfill(world)
            world.run(minutes=20)
            assert all(isinstance(failure, DiedThere) for failure in world.failures)
            assert "COMPLETED" in states(world)
            return sorted(fire.detail["fire_id"] for fire in world.fired)

    calm = Killer()
    ids = live(calm)
    assert len(ids) == 48
    for step in range(1, calm.steps["registrar"] + 1):
        assert live(Killer("registrar", step)) == ids, f"registrar killed at step {step}"


def test_a_cancelled_one_stops_within_a_lead_and_says_what_was_on_its_way(world: World) -> None:
    backfill(world, per_minute=2)
    world.run(minutes=8)
    world.emit("Cancel Backfill", {**ACME, "backfill_id": "november"})
    cancelled_at = world.now
    world.run(minutes=30)

    assert len(world.fired) == 7
    assert max(fire.published for fire in world.fired) < cancelled_at + SETTINGS.lead_seconds * 1000
    skips = world.events_of("Schedule Skipped")
    handed_over = world.events_of("Schedule Backfilled")[-1]
    assert {(skip["reason"], skip["cause"], skip["cause_id"]) for skip in skips} == {
        ("cancelled", "backfill", "november")
    }
    assert handed_over["reason"] == "command"
    assert len(skips) + len(world.fired) == handed_over["fires"]
    assert states(world)[-1] == "CANCELLED"
    assert len(world.fires) == 0


def test_cancelling_what_has_ended_tells_how_it_ended(world: World) -> None:
    backfill(world)
    world.run(minutes=20)
    world.emit("Cancel Backfill", {**ACME, "backfill_id": "november"})
    world.run(minutes=1)

    assert states(world)[-2:] == ["COMPLETED", "COMPLETED"]


def test_a_cancellation_that_overtakes_its_backfill_keeps_it_from_starting(world: World) -> None:
    backfill_id = {"backfill_id": "november"}
    world.emit("Cancel Backfill", {**ACME, **backfill_id})
    world.emit("Cancel Backfill", {**ACME, **backfill_id})
    world.run(seconds=1)
    backfill(world)
    world.run(minutes=20)

    assert [(event["code"], event["field"]) for event in world.events_of("Schedule Rejected")] == [
        ("not_found", "backfill_id")
    ] * 2
    (event,) = world.events_of("Schedule Backfilled")
    assert (event["state"], event["reason"], "from" in event) == ("CANCELLED", "command", False)
    assert world.fired == []


def test_the_same_again_changes_nothing_and_another_span_is_refused(world: World) -> None:
    backfill(world)
    backfill(world)
    world.run(seconds=1)
    backfill(world, until="2026-11-30T09:00:00Z")
    world.run(minutes=20)

    assert len(world.fired) == 48
    assert [event["code"] for event in world.events_of("Schedule Rejected")] == ["backfill_exists"]


def test_deleting_the_schedule_ends_its_backfills(world: World) -> None:
    backfill(world, per_minute=1)
    world.run(minutes=6)
    world.emit("Delete Schedule", ACME)
    world.run(minutes=1)
    world.emit("Put Schedule", {**ACME, "expression": "0 0 1 1 *"})
    world.run(minutes=20)

    assert states(world)[-1] == "CANCELLED"
    assert world.events_of("Schedule Backfilled")[-1]["reason"] == "deleted"
    assert stored(world).reason == "deleted"
    fired, skipped = len(world.fired), sum(event["count"] for event in world.events_of("Schedule Skipped"))
    assert (fired, fired + skipped) == (2, stored(world).fires)
    assert {event["reason"] for event in world.events_of("Schedule Skipped")} == {"deleted"}


def _rolled_back(world: World) -> Record:
    """Show the world a release before, which knows neither the trigger nor the zone; return what was stored."""
    record = world.store.records[Key("acme", "report")]
    assert record.schedule is not None
    schedule = replace(record.schedule, timezone="Mars/Olympus")
    eras = tuple(replace(era, trigger="2;UTC;shift,once;s sunrise") for era in record.eras)
    assert asyncio.run(world.store.put(replace(record, schedule=schedule, eras=eras), replacing=record.revision))
    return record


def test_a_schedule_that_this_release_cannot_read_is_backfilled_once_a_later_one_runs(world: World) -> None:
    record = _rolled_back(world)
    backfill(world)
    world.run(minutes=20)
    assert (states(world), world.fired) == (["RUNNING"], [])

    asyncio.run(world.store.put(record, replacing=record.revision))
    world.backfills._stored[KEY] = replace(stored(world), trigger=record.era.trigger)
    world.run(minutes=20)

    assert len(world.fired) == 48
    assert states(world)[-1] == "COMPLETED"
    assert world.events_of("Schedule Rejected") == []


def test_a_backfill_that_this_release_cannot_read_is_cancelled_and_stops_no_other(world: World) -> None:
    world.emit("Put Schedule", {**ACME, "name": "other", "expression": "*/10 * * * *", "state": "PAUSED"})
    world.run(seconds=1)
    _rolled_back(world)
    backfill(world)
    backfill(world, name="other")
    world.run(minutes=20)
    assert {fire.detail["name"] for fire in world.fired} == {"other"}
    assert stored(world).state is BackfillState.RUNNING

    world.emit("Cancel Backfill", {**ACME, "backfill_id": "november"})
    world.run(minutes=10)

    assert (stored(world).state, stored(world).fires) == (BackfillState.CANCELLED, 0)


def test_an_unknown_schedule_cannot_be_backfilled(world: World) -> None:
    world.emit("Backfill Schedule", {"tenant": "acme", "name": "gone", **NIGHT})
    world.run(seconds=1)

    assert [event["code"] for event in world.events_of("Schedule Rejected")] == ["not_found"]


@pytest.mark.slow
@pytest.mark.no_cover
def test_a_week_of_a_minutely_schedule_respects_its_rate() -> None:
    with World(START) as world:
        world.emit("Put Schedule", {**ACME, "expression": "* * * * *", "state": "PAUSED"})
        world.run(seconds=1)
        span = {"from": "2026-11-01T00:00:00Z", "until": "2026-11-08T00:00:00Z"}
        backfill(world, **span, per_minute=3_000)
        world.run(minutes=30)

        per_minute = Counter(fire.published // 60_000 for fire in world.fired)
        ids = {fire.detail["fire_id"] for fire in world.fired}
        assert (len(world.fired), len(ids)) == (10_080, 10_080)
        assert max(per_minute.values()) <= 3_000
        assert states(world)[-1] == "COMPLETED"
        assert world.failures == []


# --- The protocol ----------------------------------------------------------------------------------------------------

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z


class Killed(Exception):
    """The process is gone."""


class Stage:
    """A backfiller whose ports die at a chosen step."""

    def __init__(self) -> None:
        self.clock = JumpingClock(NOW)
        self.kill_at = -1
        self.steps = 0
        self.refuse: Refusal | None = None
        #: What another does when a port comes to a point, once.
        self.meanwhile: dict[str, Callable[[], Awaitable[None]]] = {}
        self.store = MemoryScheduleStore(self.clock)
        self.queue = MemoryQueue(self.clock)
        self.backfills = MemoryBackfills(pause=self._pause)
        self.bus = MemoryEventBus(self.clock, pause=self._pause)
        ports = memory_ports(
            self.clock,
            store=self.store,
            backfills=self.backfills,
            fire_queue=MemoryFireQueue(self.queue, refuse=lambda _index, _pack: self.refuse, pause=self._pause),
            bus=self.bus,
        )
        self.backfiller = ports.use_cases(SETTINGS).backfiller
        self.commands = BackfillCommands(
            clock=self.clock,
            store=self.store,
            backfills=self.backfills,
            publisher=Publisher(clock=self.clock, bus=self.bus, jitter=lambda: 0.5),
            settings=SETTINGS,
        )

    async def _pause(self, point: str) -> None:
        self.steps += 1
        if point in self.meanwhile:
            await self.meanwhile.pop(point)()
        await asyncio.sleep(0)
        if self.steps == self.kill_at:
            raise Killed

    async def open(self, world: World, **more: Any) -> None:
        """A backfill of the paused schedule in *world*."""
        for record in world.store.records.values():
            await self.store.put(record, replacing=None)
        command = msgspec.convert({**ACME, **NIGHT, **more}, BackfillSchedule)
        await self.commands.start(command, event_id="e-1")

    async def tick(self) -> list[BackfillOutcome]:
        now = self.clock.instant
        reports = await self.backfiller.run(deadline=now + 60_000)
        return [report.outcome for report in reports]

    def packs(self) -> list[Pack]:
        self.clock.instant += 900_000
        packs = []
        while messages := self.queue.receive():
            packs += [decode_pack(message.body) for message in messages]
        return packs


def test_a_crash_between_any_two_steps_repeats_a_slice_at_most_under_the_same_ids(world: World) -> None:
    async def live(kill_at: int) -> tuple[list[Pack], int]:
        stage = Stage()
        await stage.open(world, per_minute=10)
        stage.steps, stage.kill_at = 0, kill_at
        try:
            await stage.tick()
        except Killed:
            stage.clock.instant += 60_000
            assert await stage.tick() in ([BackfillOutcome.ON], [BackfillOutcome.COMPLETED])
        steps = stage.steps
        packs = stage.packs()
        return packs, steps

    calm, steps = asyncio.run(live(-1))
    dues = sorted(fire.due for pack in calm for fire in pack.fires)
    assert len(dues) == 48
    assert steps > 20
    for step in range(1, steps + 1):
        packs, _ = asyncio.run(live(step))
        repeats = [pack for pack, count in Counter(pack.id for pack in packs).items() if count > 1]
        assert sorted({fire.due for pack in packs for fire in pack.fires}) == dues, step
        assert len(repeats) <= 10, step
        by_due = {(fire.due, pack.id) for pack in packs for fire in pack.fires}
        assert len(by_due) == len(dues), f"killed at step {step}: an occurrence in two different packs"


async def test_taken_by_a_registrar_that_died_it_ends_as_deleted_with_its_schedule(world: World) -> None:
    """Stored, never entered, and the schedule is gone when the command comes again: it is not left behind."""
    stage = Stage()
    stage.meanwhile["enter_backfill.before"] = _die
    with pytest.raises(Killed):
        await stage.open(world)
    for record in list(stage.store.records.values()):
        await stage.store.put(replace(record, revision=record.revision + 1, schedule=None), replacing=record.revision)

    await stage.commands.start(msgspec.convert({**ACME, **NIGHT}, BackfillSchedule), event_id="e-1")

    assert await stage.tick() == [BackfillOutcome.CANCELLED]
    (ended,) = stage.backfills.stored.values()
    assert (ended.state, ended.reason) == (BackfillState.CANCELLED, "deleted")


async def _die() -> None:
    raise Killed


async def test_a_slice_is_counted_only_when_its_packs_were_taken(world: World) -> None:
    stage = Stage()
    await stage.open(world)
    stage.refuse = Refusal(index=0, code="InternalError")

    assert await stage.tick() == [BackfillOutcome.FAILED]
    assert stage.backfills._stored[KEY].fires == 0

    stage.refuse = None
    assert await stage.tick() == [BackfillOutcome.HELD], "the lease of the one that failed"
    stage.clock.instant += 60_000
    assert await stage.tick() == [BackfillOutcome.ON]
    assert stage.backfills._stored[KEY].fires == 48


async def test_two_planners_at_once_hand_over_one_backfill_once(world: World) -> None:
    stage = Stage()
    await stage.open(world)

    first, second = await asyncio.gather(stage.tick(), stage.tick())

    assert sorted([*first, *second]) == [BackfillOutcome.HELD, BackfillOutcome.ON]
    assert len(stage.packs()) == 48


async def test_a_cancellation_overtakes_the_slice_being_sent(world: World) -> None:
    stage = Stage()
    await stage.open(world, per_minute=5)
    command = CancelBackfill(tenant="acme", name="report", backfill_id="november")

    async def cancel() -> None:
        await stage.commands.cancel(command, event_id="cancel")

    stage.meanwhile = {"send.after": cancel}

    assert await stage.tick() == [BackfillOutcome.CANCELLED]
    assert stage.backfills._stored[KEY].state is BackfillState.CANCELLED
    assert await stage.backfills.open() == []


async def test_an_ended_one_left_on_the_list_is_struck_off(world: World) -> None:
    stage = Stage()
    await stage.open(world)
    await stage.commands.cancel(CancelBackfill(tenant="acme", name="report", backfill_id="november"), event_id="cancel")
    await stage.backfills.enter(KEY)
    await stage.backfills.enter(BackfillKey("acme", "report", "forgotten"))

    assert await stage.tick() == [BackfillOutcome.CANCELLED] * 2
    assert await stage.backfills.open() == []


async def test_near_the_deadline_it_stops_and_goes_on_with_the_next_tick(world: World) -> None:
    stage = Stage()
    await stage.open(world, per_minute=10)

    reports = await stage.backfiller.run(deadline=NOW + 1_000)
    assert [(report.outcome, report.fires) for report in reports] == [(BackfillOutcome.ON, 10)]
    assert stage.backfills._stored[KEY].lease_until == 0
    reports = await stage.backfiller.run(deadline=NOW + 60_000)
    assert [report.fires for report in reports] == [38]


async def test_a_cancellation_that_is_always_second_says_so(world: World) -> None:
    stage = Stage()
    await stage.open(world)

    async def refuse(_backfill: Backfill, *, replacing: int | None) -> bool:
        return False

    stage.backfills.put = refuse  # type: ignore[assignment]  # someone else is always first

    with pytest.raises(
        Conflict, match="backfill acme/report/november is being changed by others: not changed in 8 tries"
    ):
        await stage.commands.cancel(
            CancelBackfill(tenant="acme", name="report", backfill_id="november"), event_id="cancel"
        )


async def test_there_is_room_for_so_many_in_all(world: World) -> None:
    stage = Stage()
    for number in range(MAX_OPEN):
        await stage.backfills.enter(BackfillKey(f"t{number}", "x", "y"))

    with pytest.raises(InvalidSchedule, match="at most 10 of a tenant and 1000 in all") as caught:
        await stage.open(world)

    assert caught.value.code == "quota"


def test_spans_read_as_times(world: World) -> None:
    backfill(world)
    world.run(seconds=2)

    span: Window = stored(world).span
    assert (rfc3339(span.start, millis=False), rfc3339(span.end, millis=False)) == (NIGHT["from"], NIGHT["until"])
