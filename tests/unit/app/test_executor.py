"""The executor's protocol: never early, never twice knowingly, nothing refused forgotten."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from eventcron.adapters.memory import (
    MemoryBackfills,
    MemoryDeadLetters,
    MemoryEventBus,
    MemoryFireQueue,
    MemoryPublishedPacks,
    MemoryQueue,
    MemoryQuota,
    MemoryScheduleStore,
)
from eventcron.app.executor import MAX_ATTEMPTS, MAX_HOLD_MS, REREAD_MS, Report
from eventcron.app.retry import TRIES
from eventcron.app.use_cases import Ports
from eventcron.errors import Unavailable, Undecodable
from eventcron.model.commands import Misfire, MisfirePolicy, Schedule
from eventcron.model.events import Event
from eventcron.model.messages import Fire, Pack
from eventcron.model.names import Instant, Key
from eventcron.model.records import Era, Record, State
from eventcron.ports import Quota, Refusal
from eventcron.rules.packing import make_pack
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.trigger import parse
from eventcron.wire.encode import decode_pack
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
TOMBSTONE_S = SETTINGS.tombstone_days * 86_400
DUE = NOW + 2_000
HOURLY = parse("0 * * * *", anchor=NOW).canonical
SECONDLY = parse("* * * * * *", anchor=NOW).canonical


def cut(end: Instant, *, planned: Instant = DUE + 1) -> tuple[Era, ...]:
    """The era of revision 1, cut: what is due of it before *end* still fires."""
    return (Era(1, SECONDLY, NOW, end, planned_through=planned),)


class Stage:
    """An executor, with a bus that refuses as told: one list of refused detail fragments a call."""

    def __init__(self) -> None:
        self.clock = JumpingClock(NOW)
        self.store = MemoryScheduleStore(self.clock)
        self.packs = MemoryPublishedPacks()
        self.quota: Quota = MemoryQuota()
        self.queue = MemoryQueue(self.clock)
        self.refusals: deque[Refusal] = deque()
        self.refuse_only: bytes = b""
        self.bus = MemoryEventBus(self.clock, refuse=self._refuse)
        self.dead = MemoryDeadLetters()
        self.refuse_pack: Refusal | None = None
        self.backfills = MemoryBackfills()
        self.executor = self.ports().use_cases(SETTINGS).executor

    def ports(self) -> Ports:
        return memory_ports(
            self.clock,
            store=self.store,
            packs=self.packs,
            quota=self.quota,
            backfills=self.backfills,
            fire_queue=MemoryFireQueue(self.queue, refuse=lambda _index, _pack: self.refuse_pack),
            bus=self.bus,
            dead_letters=self.dead,
        )

    def _refuse(self, index: int, event: Event) -> Refusal | None:
        if not self.refusals or self.refuse_only not in event.detail or event.detail_type != "Schedule Fired":
            return None
        refusal = self.refusals.popleft()
        return Refusal(index=index, code=refusal.code, message=refusal.message, retryable=refusal.retryable)

    async def put(self, name: str = "report", **more: Any) -> Record:
        fields, tenant = more.pop("schedule", {}), more.pop("tenant", "acme")
        schedule = None if fields is None else Schedule(tenant=tenant, name=name, expression="* * * * *", **fields)
        values: dict[str, Any] = {"state": State.ENABLED, "revision": 1, "schedule": schedule, "wake": 0, "segment": 0}
        record = record_of(**{"tenant": tenant, "name": name, **values, **more})
        stored = self.store.records.get(record.key)
        assert await self.store.put(record, replacing=None if stored is None else stored.revision)
        return record

    async def execute(self, *fires: Fire, attempt: int = 1) -> Report:
        return await self.executor.execute(make_pack(fires, attempt=attempt))

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        return [(event.detail_type, msgspec.json.decode(event.detail)) for _, event in self.bus.published]

    def put_back(self) -> list[Pack]:
        self.clock.instant += 900_000
        return [decode_pack(message.body) for message in self.queue.receive()]


def fire(name: str = "report", *, due: Instant = DUE, revision: int = 1, **more: Any) -> Fire:
    return Fire(more.pop("tenant", "acme"), name, revision, due, more.pop("at", due), **more)


@pytest.fixture(name="stage")
def _stage() -> Stage:
    return Stage()


async def test_it_holds_reads_again_and_publishes_at_the_instant(stage: Stage) -> None:
    await stage.put()

    report = await stage.execute(fire())

    assert stage.clock.slept_to[:2] == [DUE - REREAD_MS, DUE]
    assert [published.at for published in stage.bus.published] == [DUE]
    assert [(done.key, done.lateness_ms) for done in report.published] == [(Key("acme", "report"), 0)]


async def test_fires_of_one_pack_go_out_each_at_its_own_millisecond(stage: Stage) -> None:
    await stage.put()

    await stage.execute(fire(due=DUE + 250), fire(due=DUE), fire(due=DUE + 999))

    assert {detail["due"][-5:] for _, detail in stage.told} == {".000Z"[-5:], "250Z"[-5:].rjust(5, "."), ".999Z"}
    assert all(published.at >= published.event.time for published in stage.bus.published)


async def test_a_pack_seen_far_too_early_goes_back_to_the_queue(stage: Stage) -> None:
    await stage.put()
    far = NOW + SETTINGS.lead_seconds * 1000 + MAX_HOLD_MS + 1

    report = await stage.execute(fire(due=far))

    assert (report.put_back, report.published, stage.clock.slept_to) == (1, [], [])
    assert [pack.at for pack in stage.put_back()] == [far]


async def test_a_pack_the_ledger_knows_is_left_alone(stage: Stage) -> None:
    await stage.put()
    await stage.execute(fire())

    report = await stage.execute(fire())

    assert report.repeated
    assert len(stage.told) == 1


@pytest.mark.parametrize(
    ("stored", "outcome"),
    [
        pytest.param({}, "published", id="same-revision"),
        pytest.param({"revision": 2, "earlier": cut(DUE)}, "dropped", id="replaced-before-it-was-due"),
        pytest.param({"revision": 2, "earlier": cut(DUE), "trigger": HOURLY}, "superseded", id="not-due-any-more"),
        pytest.param({"revision": 2, "earlier": cut(DUE), "trigger": SECONDLY}, "dropped", id="replaced-and-still-due"),
        pytest.param(
            {"revision": 2, "earlier": cut(DUE), "trigger": SECONDLY, "start": DUE + 1},
            "superseded",
            id="due-before-it-starts",
        ),
        pytest.param(
            {"revision": 2, "earlier": cut(DUE), "trigger": SECONDLY, "end": DUE},
            "superseded",
            id="due-after-it-ends",
        ),
        pytest.param(
            {"revision": 2, "earlier": cut(DUE), "trigger": HOURLY, "state": State.PAUSED},
            "superseded",
            id="paused-by-a-put-that-has-another-trigger",
        ),
        pytest.param({"revision": 2, "earlier": cut(DUE + 1)}, "published", id="due-before-the-cutover"),
        pytest.param({"revision": 2, "earlier": cut(DUE + 1, planned=DUE)}, "dropped", id="handed-over-anew"),
        pytest.param(
            {"revision": 2, "earlier": (Era(0, SECONDLY, NOW, DUE + 1, planned_through=DUE), *cut(NOW))},
            "published",
            id="left-to-the-registrar-by-the-era-before",
        ),
        pytest.param({"revision": 3, "earlier": cut(DUE + 1)}, "published", id="replaced-twice"),
        pytest.param(
            {"revision": 2, "state": State.PAUSED, "trigger": SECONDLY, "earlier": cut(NOW)},
            "dropped",
            id="the-resume-reports-it",
        ),
        pytest.param(
            {"revision": 2, "state": State.DELETED, "schedule": None, "earlier": cut(NOW)}, "dropped", id="deleted"
        ),
        pytest.param(
            {"revision": 2, "state": State.DELETED, "schedule": None, "earlier": cut(DUE + 1)},
            "deleted",
            id="deleted-after-it-was-due",
        ),
        pytest.param({"state": State.COMPLETED}, "published", id="completed-by-a-later-fire-already-out"),
        pytest.param({"revision": 0}, "dropped", id="planned-for-a-revision-that-is-not-stored"),
    ],
)
async def test_what_is_stored_at_the_last_moment_decides(stage: Stage, stored: dict[str, Any], outcome: str) -> None:
    await stage.put(**stored)

    report = await stage.execute(fire())

    assert (len(report.published), report.dropped, report.skipped) == (
        int(outcome == "published"),
        int(outcome == "dropped"),
        int(outcome in {"deleted", "superseded"}),
    )
    assert [detail["reason"] for kind, detail in stage.told if kind == "Schedule Skipped"] == (
        [outcome] if report.skipped else []
    )


async def test_a_schedule_that_is_gone_does_not_fire(stage: Stage) -> None:
    report = await stage.execute(fire())

    assert (report.dropped, stage.told) == (1, [])


async def test_a_run_fires_even_what_is_paused(stage: Stage) -> None:
    await stage.put(state=State.PAUSED, revision=9)

    await stage.execute(fire(cause="run", cause_id="r1"))

    assert [(kind, detail["cause"], detail["cause_id"]) for kind, detail in stage.told] == [
        ("Schedule Fired", "run", "r1")
    ]


async def test_a_fire_later_than_its_grace_is_skipped_with_its_reason(stage: Stage) -> None:
    await stage.put(schedule={"misfire": Misfire(policy=MisfirePolicy.FIRE_ALL, grace_seconds=120)})
    stage.clock.instant = DUE + 120_001

    report = await stage.execute(fire())

    assert (report.skipped, report.published) == (1, [])
    ((kind, detail),) = stage.told
    assert (kind, detail["reason"], detail["count"]) == ("Schedule Skipped", "misfire", 1)


async def test_only_refused_fires_are_published_again(stage: Stage) -> None:
    for number in range(12):
        await stage.put(f"n{number:02}")
    stage.refuse_only, stage.refusals = b"n07", deque([Refusal(index=0, code="InternalFailure")] * 2)

    report = await stage.execute(*(fire(f"n{number:02}") for number in range(12)))

    assert len(report.published) == 12
    assert sorted(detail["name"] for _, detail in stage.told) == [f"n{number:02}" for number in range(12)]


async def test_what_stays_refused_comes_back_as_a_smaller_pack_that_the_ledger_does_not_know(stage: Stage) -> None:
    for name in ("a", "b"):
        await stage.put(name)
    stage.refuse_only, stage.refusals = b'"name":"b"', deque([Refusal(index=0, code="ThrottlingException")] * TRIES)

    report = await stage.execute(fire("a"), fire("b"))
    (smaller,) = stage.put_back()

    assert (len(report.published), report.put_back) == (1, 1)
    assert ([f.name for f in smaller.fires], smaller.attempt) == (["b"], 2)
    again = await stage.executor.execute(smaller)
    assert (len(again.published), again.repeated) == (1, False)
    assert stage.told[-1][1]["attempt"] == 2


async def test_a_whole_pack_refused_is_not_taken_for_published(stage: Stage) -> None:
    await stage.put()
    stage.refusals = deque([Refusal(index=0, code="ThrottlingException")] * TRIES)

    await stage.execute(fire())
    (same,) = stage.put_back()

    assert len((await stage.executor.execute(same)).published) == 1


@pytest.mark.parametrize(
    ("attempt", "refusal"),
    [
        pytest.param(1, Refusal(index=0, code="EntryTooLarge", message="300 KB", retryable=False), id="hopeless"),
        pytest.param(
            MAX_ATTEMPTS, Refusal(index=0, code="ThrottlingException", message="later"), id="the-last-attempt"
        ),
    ],
)
async def test_what_is_given_up_is_dead_lettered_and_told(stage: Stage, attempt: int, refusal: Refusal) -> None:
    await stage.put()
    stage.refusals = deque([refusal] * TRIES)

    report = await stage.execute(fire(), attempt=attempt)

    assert report.failed == 1
    ((kind, detail),) = stage.told
    assert (kind, detail["code"], detail["attempts"]) == ("Schedule Failed", refusal.code, attempt)
    (buried,) = stage.dead.sent
    assert (buried.queue, buried.code) == ("fires", refusal.code)
    assert [f.name for f in decode_pack(buried.body).fires] == ["report"]


async def test_a_pack_that_cannot_be_put_back_stays_with_the_queue(stage: Stage) -> None:
    await stage.put()
    stage.refusals = deque([Refusal(index=0, code="ThrottlingException")] * TRIES)
    stage.refuse_pack = Refusal(index=0, code="InternalError")

    with pytest.raises(Unavailable, match="1 of 1 packs refused"):
        await stage.execute(fire())

    assert await stage.packs.published([make_pack([fire()]).id]) == set()


@pytest.mark.parametrize(("after", "expires"), [("KEEP", None), ("DELETE", DUE // 1000 + TOMBSTONE_S)])
async def test_the_last_fire_completes_its_schedule(stage: Stage, after: str, expires: int | None) -> None:
    await stage.put(schedule={"after_completion": after})

    await stage.execute(fire(last=True))

    record = stage.store.records[Key("acme", "report")]
    assert (record.state, record.expires) == (State.COMPLETED, expires)
    assert record.wake == 0, "a pass may have failed that owes fires of it"
    assert [kind for kind, _ in stage.told] == ["Schedule Fired", "Schedule Completed"]


class HalfReadable(MemoryScheduleStore):
    """A store with one schedule that a later release left behind."""

    async def get(self, keys: Sequence[Key]) -> dict[Key, Record]:
        if Key("acme", "newer") in keys:
            raise Undecodable("schedule acme/newer is stored in format 2; this version reads format 1")
        return await super().get(keys)


async def test_a_schedule_that_cannot_be_read_stops_no_other_and_is_tried_again(stage: Stage) -> None:
    stage.store = HalfReadable(stage.clock)
    stage.executor = stage.ports().use_cases(SETTINGS).executor
    await stage.put("readable")

    report = await stage.execute(fire(name="readable"), fire(name="newer"))

    assert ([published.key.name for published in report.published], report.put_back) == (["readable"], 1)
    (pack,) = stage.put_back()
    assert ([fire.name for fire in pack.fires], pack.attempt) == (["newer"], 2)


async def test_a_schedule_that_stays_unreadable_is_given_up_in_the_open(stage: Stage) -> None:
    stage.store = HalfReadable(stage.clock)
    stage.executor = stage.ports().use_cases(SETTINGS).executor

    report = await stage.execute(fire(name="newer", last=True), attempt=MAX_ATTEMPTS)

    assert report.failed == 1
    (letter,) = stage.dead.sent
    assert "acme/newer is stored in format 2" in letter.reason
    ((kind, detail),) = stage.told
    assert (kind, detail["code"], detail["attempts"]) == ("Schedule Failed", "Unreadable", MAX_ATTEMPTS)


async def test_the_last_fire_of_a_replaced_revision_completes_nothing(stage: Stage) -> None:
    await stage.put(revision=2, earlier=cut(DUE + 1))

    await stage.execute(fire(last=True))

    assert [kind for kind, _ in stage.told] == ["Schedule Fired"]
    assert stage.store.records[Key("acme", "report")].state is State.ENABLED


async def test_the_last_fire_completes_its_schedule_even_if_it_is_given_up(stage: Stage) -> None:
    await stage.put()
    stage.refusals = deque([Refusal(index=0, code="EntryTooLarge", retryable=False)])

    await stage.execute(fire(last=True))

    assert [kind for kind, _ in stage.told] == ["Schedule Failed", "Schedule Completed"]
