"""The executor's protocol: never early, never twice knowingly, nothing refused forgotten."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest

from eventcron.adapters.memory import (
    MemoryBackfills,
    MemoryDeadLetterQueue,
    MemoryDeadLetters,
    MemoryEventBus,
    MemoryFireQueue,
    MemoryPublishedPacks,
    MemoryQueue,
    MemoryQuota,
    MemoryScheduleStore,
)
from eventcron.app.executor import MAX_ATTEMPTS, MAX_HOLD_MS, READ_AT_ONCE, REREAD_MS
from eventcron.app.pack_report import Report
from eventcron.app.redrive import Redrive
from eventcron.app.retry import TRIES
from eventcron.app.use_cases import Ports
from eventcron.errors import Unavailable, Undecodable
from eventcron.model.commands import Misfire, MisfirePolicy, Schedule
from eventcron.model.events import Event
from eventcron.model.messages import Fire, Pack
from eventcron.model.names import Instant, Key
from eventcron.model.records import Era, Record, State
from eventcron.model.tracking import Expect
from eventcron.ports import Quota, Refusal
from eventcron.rules.misfire import LATE_MS
from eventcron.rules.packing import make_pack, pack_fires
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.trigger import parse
from eventcron.wire.encode import decode_pack, encode_pack, fire_id
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
        return await self.executor.execute(msgspec.structs.replace(make_pack(fires), attempt=attempt))

    @property
    def reported(self) -> list[tuple[str, dict[str, Any]]]:
        return [(event.detail_type, msgspec.json.decode(event.detail)) for _, event in self.bus.published]

    def oversleep(
        self,
        late_ms: int,
        monkeypatch: pytest.MonkeyPatch,
        *,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Let the executor wake so late from its sleep until ``DUE``."""
        sleep_until = self.clock.sleep_until

        async def oversleep(instant: Instant) -> None:
            if instant == DUE > self.clock.instant and meanwhile is not None:
                await meanwhile()
            await sleep_until(instant + late_ms if instant == DUE else instant)

        monkeypatch.setattr(self.clock, "sleep_until", oversleep)

    def put_back(self) -> list[Pack]:
        self.clock.instant += 900_000
        received = self.queue.receive()
        for message in received:
            self.queue.delete(message.id)
        return [decode_pack(message.body) for message in received]


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
    assert [(done.fire.key, done.lateness_ms) for done in report.published] == [(Key("acme", "report"), 0)]


async def test_fires_of_one_pack_go_out_each_at_its_own_millisecond(stage: Stage) -> None:
    await stage.put()

    await stage.execute(fire(due=DUE + 250), fire(due=DUE), fire(due=DUE + 999))

    assert {detail["due"][-5:] for _, detail in stage.reported} == {".000Z"[-5:], "250Z"[-5:].rjust(5, "."), ".999Z"}
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
    assert len(stage.reported) == 1


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

    assert (len(report.published), report.dropped, len(report.skips)) == (
        int(outcome == "published"),
        int(outcome == "dropped"),
        int(outcome in {"deleted", "superseded"}),
    )
    assert [detail["reason"] for kind, detail in stage.reported if kind == "Schedule Skipped"] == (
        [outcome] if report.skips else []
    )


async def test_a_schedule_that_is_gone_does_not_fire(stage: Stage) -> None:
    report = await stage.execute(fire())

    assert (report.dropped, stage.reported) == (1, [])


async def test_a_run_fires_even_what_is_paused(stage: Stage) -> None:
    await stage.put(state=State.PAUSED, revision=9)

    await stage.execute(fire(cause="run", cause_id="r1"))

    assert [(kind, detail["cause"], detail["cause_id"]) for kind, detail in stage.reported] == [
        ("Schedule Fired", "run", "r1")
    ]


async def test_a_fire_later_than_its_grace_is_skipped_with_its_reason(stage: Stage) -> None:
    await stage.put(schedule={"misfire": Misfire(policy=MisfirePolicy.FIRE_ALL, grace_seconds=120)})
    stage.clock.instant = DUE + 120_001

    report = await stage.execute(fire())

    assert (len(report.skips), report.published) == (1, [])
    ((kind, detail),) = stage.reported
    assert (kind, detail["reason"], detail["count"]) == ("Schedule Skipped", "misfire", 1)


@pytest.mark.parametrize(
    ("late_ms", "detail_type"), [(1_000, "Schedule Fired"), (1_001, "Schedule Skipped")], ids=["timely", "missed"]
)
async def test_a_fire_whose_executor_oversleeps_is_judged_by_when_it_wakes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, late_ms: int, detail_type: str
) -> None:
    """It was judged once already, when its schedule was read."""
    await stage.put(schedule={"misfire": Misfire(policy=MisfirePolicy.SKIP, grace_seconds=1)})
    stage.oversleep(late_ms, monkeypatch)

    await stage.execute(fire())

    assert [kind for kind, _ in stage.reported] == [detail_type]


async def test_an_executor_that_oversleeps_reads_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing fires more than a second after its deletion, and what was read is older than that."""
    await stage.put()

    async def delete() -> None:
        await stage.put(schedule=None, state=State.DELETED, revision=2)

    stage.oversleep(1_001, monkeypatch, meanwhile=delete)

    report = await stage.execute(fire())

    assert (report.dropped, report.published) == (1, [])


async def test_what_a_resume_caught_up_on_early_in_its_flexible_window_is_not_late_within_it(stage: Stage) -> None:
    window_seconds = 600
    meant = DUE + flexible_offset_ms(Key("acme", "job"), window_seconds)
    misfire = Misfire(policy=MisfirePolicy.SKIP)
    await stage.put("job", schedule={"misfire": misfire, "flexible_window_seconds": window_seconds})
    assert meant > DUE + LATE_MS
    stage.clock.instant = meant

    report = await stage.execute(fire("job", due=DUE, at=DUE))

    assert (len(report.published), report.skips) == (1, [])


@pytest.mark.parametrize("policy", MisfirePolicy)
async def test_what_a_resume_asked_for_is_published_within_the_grace_whatever_the_policy_of_the_schedule(
    stage: Stage, policy: MisfirePolicy
) -> None:
    await stage.put(schedule={"misfire": Misfire(policy=policy, grace_seconds=3_600)})
    stage.clock.instant = DUE + 3_600_000
    report = await stage.execute(fire(cause_id="resume:7"))
    assert (len(report.published), report.skips) == (1, [])

    await stage.execute(fire(due=DUE - 1_000, cause_id="resume:7"))
    assert stage.reported[-1][1]["reason"] == "misfire"


async def test_only_refused_fires_are_published_again(stage: Stage) -> None:
    for number in range(12):
        await stage.put(f"n{number:02}")
    stage.refuse_only, stage.refusals = b"n07", deque([Refusal(index=0, code="InternalFailure")] * 2)

    report = await stage.execute(*(fire(f"n{number:02}") for number in range(12)))

    assert len(report.published) == 12
    assert sorted(detail["name"] for _, detail in stage.reported) == [f"n{number:02}" for number in range(12)]


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
    assert stage.reported[-1][1]["attempt"] == 2


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
    await stage.put(schedule={"labels": {"team": "data"}})
    stage.refusals = deque([refusal] * TRIES)

    report = await stage.execute(fire(), attempt=attempt)

    assert report.failed == 1
    ((kind, detail),) = stage.reported
    assert (kind, detail["code"], detail["attempts"]) == ("Schedule Failed", refusal.code, attempt)
    assert detail["labels"] == {"team": "data"}
    (dead_letter,) = stage.dead.sent
    assert (dead_letter.queue, dead_letter.code) == ("fires", refusal.code)
    assert [f.name for f in decode_pack(dead_letter.body).fires] == ["report"]


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param({}, id="a-schedule"),
        pytest.param({"cause": "run", "cause_id": "r1"}, id="a-run"),
        pytest.param({"cause": "backfill", "cause_id": "b1"}, id="a-backfill"),
    ],
)
@pytest.mark.parametrize("rounds", [1, 2, 3, MAX_ATTEMPTS])
async def test_a_pack_sent_back_from_the_dead_letters_is_known_to_no_ledger_in_any_round(
    stage: Stage, cause: dict[str, Any], rounds: int
) -> None:
    """It went so many rounds in its first life, and the bus still refuses when it is sent back."""
    await stage.put(schedule={"misfire": Misfire(policy=MisfirePolicy.FIRE_ALL)})
    stage.refusals = deque([Refusal(index=0, code="ThrottlingException")] * (TRIES * (rounds + 1)))
    pack, dead = make_pack([fire(**cause)]), MemoryDeadLetterQueue(stage.clock)
    for _ in range(rounds - 1):
        assert not (await stage.executor.execute(pack)).repeated
        (pack,) = stage.put_back()
    if rounds == MAX_ATTEMPTS:
        await stage.executor.execute(pack)
        pack = decode_pack(stage.dead.sent[-1].body)
    dead.send_to_dlq(encode_pack(pack))
    await Redrive(clock=stage.clock, queue=dead, name="fires").send(limit=1, per_second=1)

    (again,) = map(decode_pack, dead.sent)
    while stage.refusals:
        assert not (await stage.executor.execute(again)).repeated
        (again,) = stage.put_back()
    report = await stage.executor.execute(again)

    assert (len(report.published), report.repeated) == (1, False)
    assert stage.reported[-1][1]["fire_id"] == fire_id(fire(**cause))


async def test_a_fire_given_up_is_published_whoever_sends_its_pack_back(stage: Stage) -> None:
    """As the SQS console does: without a new id."""
    await stage.put(schedule={"misfire": Misfire(policy=MisfirePolicy.FIRE_ALL)})
    stage.refusals = deque([Refusal(index=0, code="EntryTooLarge", retryable=False)])
    await stage.execute(fire())

    report = await stage.executor.execute(decode_pack(stage.dead.sent[0].body))

    assert len(report.published) == 1


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param({"schedule": {"timezone": "Moon/Tranquility"}}, id="a-zone"),
        pytest.param({"trigger": "c9;new", "revision": 2, "earlier": cut(DUE)}, id="a-trigger-in-force"),
        pytest.param(
            {"schedule": {"timezone": "Moon/Tranquility"}, "state": State.COMPLETED}, id="of-what-is-completed"
        ),
        pytest.param({"trigger": "c9;new", "start": NOW - 600_000}, id="a-trigger-that-may-have-a-later-one"),
    ],
)
async def test_a_schedule_that_this_release_cannot_judge_stops_no_other_and_is_tried_again(
    stage: Stage, stored: dict[str, Any]
) -> None:
    await stage.put("readable", schedule={"misfire": Misfire(policy=MisfirePolicy.FIRE_ALL)})
    await stage.put("newer", **stored)
    stage.clock.instant += 120_000

    report = await stage.execute(fire("readable"), fire("newer"))

    assert ([published.fire.key.name for published in report.published], report.put_back) == (["readable"], 1)
    (pack,) = stage.put_back()
    assert ([fire.name for fire in pack.fires], pack.attempt) == (["newer"], 2)


async def test_a_zone_that_stays_unreadable_is_given_up_in_the_open(stage: Stage) -> None:
    await stage.put(schedule={"timezone": "Moon/Tranquility"})

    report = await stage.execute(fire(), attempt=MAX_ATTEMPTS)

    assert report.failed == 1
    assert "Moon/Tranquility" in stage.dead.sent[0].reason
    assert [(kind, detail["code"]) for kind, detail in stage.reported] == [("Schedule Failed", "Unreadable")]


def eras_of(*cuts: Instant, triggers: Sequence[str], **more: Any) -> tuple[Era, ...]:
    """Eras that follow each other, each with its trigger; *more* is of the last one."""
    starts, ends = [NOW, *cuts], [*cuts, None]
    eras = [
        Era(number, trigger, start, end, planned_through=end)
        for number, (trigger, start, end) in enumerate(zip(triggers, starts, ends, strict=True), start=1)
    ]
    return (*eras[:-1], msgspec.structs.replace(eras[-1], **more))


#: Ten minutes before LATER, and LATER itself, when the fires of the next test are judged.
EARLIER, LATER = NOW + 3_000_000, NOW + 3_600_000 - 1


@pytest.mark.parametrize(
    ("eras", "more", "outcome"),
    [
        pytest.param(eras_of(triggers=[SECONDLY]), {}, "misfire", id="a-later-one-is-due"),
        pytest.param(eras_of(triggers=[HOURLY]), {"due": NOW}, "published", id="no-later-one-is-due"),
        pytest.param(eras_of(triggers=[SECONDLY]), {"due": LATER // 1000 * 1000 - 59_000}, "published", id="not-late"),
        pytest.param(eras_of(triggers=[SECONDLY], end=EARLIER + 1), {}, "published", id="its-era-ended-with-it"),
        pytest.param(eras_of(EARLIER + 1, triggers=[SECONDLY] * 2, paused=True), {}, "published", id="then-paused"),
        pytest.param(eras_of(EARLIER + 1, triggers=[HOURLY, SECONDLY]), {}, "misfire", id="the-next-era-has-one"),
        pytest.param(eras_of(LATER - 9_000, triggers=[SECONDLY, HOURLY]), {}, "misfire", id="the-era-before-has-one"),
        pytest.param(
            (Era(1, SECONDLY, NOW, LATER, planned_through=LATER), Era(2, HOURLY, NOW)),
            {"revision": 2, "due": NOW + 1},
            "published",
            id="an-earlier-definition-does-not-stand-for-it",
        ),
        pytest.param(
            (Era(1, SECONDLY, NOW, LATER, planned_through=NOW), Era(2, HOURLY, LATER)),
            {"revision": 2},
            "misfire",
            id="left-by-the-era-before-that-has-a-later-one",
        ),
        pytest.param(eras_of(LATER - 9_000, triggers=[SECONDLY, ""]), {}, "deleted", id="deleted"),
        pytest.param(eras_of(triggers=[SECONDLY]), {"cause_id": "resume:1"}, "published", id="a-resume-asked-for-it"),
        pytest.param(eras_of(triggers=[SECONDLY]), {"cause": "run", "cause_id": "r"}, "published", id="a-run"),
        pytest.param(
            eras_of(triggers=[SECONDLY]), {"cause": "backfill", "cause_id": "b"}, "published", id="a-backfill"
        ),
    ],
)
async def test_once_means_the_latest_whoever_was_behind(
    stage: Stage, eras: Sequence[Era], more: dict[str, Any], outcome: str
) -> None:
    stage.clock.instant = LATER
    deleted = not eras[-1].trigger
    record = await stage.put(schedule=None if deleted else {}, revision=eras[-1].revision)
    assert await stage.store.put(msgspec.structs.replace(record, eras=tuple(eras)), replacing=record.revision)

    report = await stage.execute(fire(**{"due": EARLIER, **more}))

    assert len(report.published) == (outcome == "published")
    reasons = [detail["reason"] for kind, detail in stage.reported if kind == "Schedule Skipped"]
    assert reasons == ([] if outcome == "published" else [outcome])


@pytest.mark.slow
async def test_executors_an_hour_behind_fire_the_latest_and_what_is_less_late_than_a_minute(stage: Stage) -> None:
    """``rate(10 seconds)`` with an hour of fires in the queue: 353 of them would be late."""
    trigger = parse("rate(10 seconds)", anchor=NOW).canonical
    await stage.put(trigger=trigger, start=NOW)
    dues = range(NOW, NOW + 3_600_000, 10_000)
    stage.clock.instant = NOW + 3_600_000 - 1

    for pack in pack_fires([fire(due=due) for due in dues], size=200):
        await stage.executor.execute(pack)

    fired = [detail["due"] for kind, detail in stage.reported if kind == "Schedule Fired"]
    skipped = [detail["reason"] for kind, detail in stage.reported if kind == "Schedule Skipped"]
    assert (len(fired), fired[-1]) == (6, "2026-12-01T08:59:50.000Z")
    assert skipped == ["misfire"] * 354


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
    assert record.wake == 0, "a failed pass may have left fires of it"
    assert [kind for kind, _ in stage.reported] == ["Schedule Fired", "Schedule Completed"]


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

    assert ([published.fire.key.name for published in report.published], report.put_back) == (["readable"], 1)
    (pack,) = stage.put_back()
    assert ([fire.name for fire in pack.fires], pack.attempt) == (["newer"], 2)


class ReadsFew(MemoryScheduleStore):
    """A store whose answers hold two records, as if they were large. Knows how many are asked for at once."""

    def __init__(self, clock: JumpingClock) -> None:
        super().__init__(clock)
        self.asked: list[int] = []

    async def get_to_fire(self, keys: Sequence[Key]) -> tuple[dict[Key, Record], frozenset[Key]]:
        self.asked.append(len(keys))
        return await self.get(keys[:2]), frozenset(keys[2:])


@pytest.mark.parametrize("attempt", [1, 2])
async def test_what_an_answer_leaves_is_read_once_the_others_are_published(stage: Stage, attempt: int) -> None:
    stage.store = store = ReadsFew(stage.clock)
    stage.executor = stage.ports().use_cases(SETTINGS).executor
    names = [f"report-{number}" for number in range(5)]
    for name in names:
        await stage.put(name)

    report = await stage.execute(*map(fire, names), attempt=attempt)

    assert [published.fire.key.name for published in report.published] == names
    assert store.asked[-3:] == [5, 3, 1]


async def test_a_hundred_schedules_of_which_one_cannot_be_read_are_read_a_few_at_a_time(stage: Stage) -> None:
    stage.store = HalfReadable(stage.clock)
    stage.executor = stage.ports().use_cases(SETTINGS).executor
    names = [f"report-{number}" for number in range(READ_AT_ONCE - 1)]
    for name in names:
        await stage.put(name)

    report = await stage.execute(fire("newer"), *map(fire, names))

    assert (len(report.published), report.put_back) == (len(names), 1)


async def test_an_expected_report_that_cannot_be_judged_holds_up_no_other_fire(stage: Stage) -> None:
    """A later release put the era in force; the fire is of the era before."""
    await stage.put()
    newer = "9 of a later release"
    await stage.put(
        "backup",
        revision=2,
        trigger=newer,
        start=DUE + 1,
        earlier=cut(DUE + 1),
        schedule={"expect": Expect(within_seconds=60)},
    )

    reports = [await stage.execute(fire(), fire("backup"), attempt=MAX_ATTEMPTS) for _ in range(2)]

    assert [kind for kind, _ in stage.reported] == ["Schedule Fired", "Schedule Failed"]
    assert [(len(report.published), report.failed, report.expected) for report in reports] == [(1, 1, 0), (0, 0, 0)]


async def test_a_schedule_that_stays_unreadable_is_given_up_in_the_open(stage: Stage) -> None:
    stage.store = HalfReadable(stage.clock)
    stage.executor = stage.ports().use_cases(SETTINGS).executor

    report = await stage.execute(fire(name="newer", last=True), attempt=MAX_ATTEMPTS)

    assert report.failed == 1
    (dead_letter,) = stage.dead.sent
    assert "acme/newer is stored in format 2" in dead_letter.reason
    ((kind, detail),) = stage.reported
    assert (kind, detail["code"], detail["attempts"]) == ("Schedule Failed", "Unreadable", MAX_ATTEMPTS)


async def test_the_last_fire_of_a_replaced_revision_completes_nothing(stage: Stage) -> None:
    await stage.put(revision=2, earlier=cut(DUE + 1))

    await stage.execute(fire(last=True))

    assert [kind for kind, _ in stage.reported] == ["Schedule Fired"]
    assert stage.store.records[Key("acme", "report")].state is State.ENABLED


async def test_the_last_fire_completes_its_schedule_even_if_it_is_given_up(stage: Stage) -> None:
    await stage.put()
    stage.refusals = deque([Refusal(index=0, code="EntryTooLarge", retryable=False)])

    await stage.execute(fire(last=True))

    assert [kind for kind, _ in stage.reported] == ["Schedule Failed", "Schedule Completed"]
