"""What becomes of fires, told from outside: tracked runs, their ends, their deadlines, and what they hold up."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryFireQueue, MemoryQueue
from eventcron.app.runs import Reported, Tracker
from eventcron.errors import InvalidSchedule, Undecodable
from eventcron.model.commands import ReportRun, Schedule
from eventcron.model.messages import Fire, Pack
from eventcron.model.runs import Lane, LaneKey
from eventcron.model.tracking import Overlap, RunEnd, Runs, RunStatus
from eventcron.ports import Refusal
from eventcron.rules.judging import Timed
from eventcron.testing import JumpingClock, World, memory_ports
from eventcron.timing.instant import from_rfc3339, rfc3339
from eventcron.wire.encode import fire_id
from tests.records import record_of

START = "2026-12-01T08:00:00Z"
ACME = {"tenant": "acme", "name": "nightly"}


def put(world: World, expression: str = "* * * * *", *, name: str = "nightly", **runs: Any) -> None:
    detail = {"tenant": "acme", "name": name, "expression": expression, "runs": {"track": True} | runs}
    world.emit("Put Schedule", detail)
    world.run(seconds=1)


def report(world: World, fire: dict[str, Any], status: str, *, source: str | None = None, **more: Any) -> str:
    detail = {key: fire[key] for key in ("tenant", "name", "fire_id", "run_token")} | {"status": status} | more
    return world.emit("Report Run", detail, source=source)


def fires(world: World) -> list[dict[str, Any]]:
    return [fired.detail for fired in world.fired]


def minutes(details: list[dict[str, Any]], field: str = "due") -> list[str]:
    return [detail[field][11:16] for detail in details]


def test_a_run_that_is_reported_as_succeeded_says_so_with_its_duration() -> None:
    with World(START) as world:
        put(world, "0 9 * * *")
        world.run(minutes=60)
        (fire,) = fires(world)
        asked = report(world, fire, "succeeded", message="exported", result={"rows": 3})
        world.run(hours=2)

        (ended,) = world.events_of("Run Succeeded")
        assert (ended["fire_id"], ended["message"], ended["result"]) == (fire["fire_id"], "exported", {"rows": 3})
        assert 0 <= ended["duration_ms"] < 2_000
        assert ended["event_id"] == asked
        assert world.events_of("Run Overdue") == []
        assert world.fires.next_visible() is None  # the deadline is gone with its run


def test_a_run_that_nobody_ends_is_overdue_at_its_deadline() -> None:
    with World(START) as world:
        put(world, "0 9 * * *", timeout_seconds=5_400)
        world.run(minutes=60)
        world.run(minutes=89)
        assert world.events_of("Run Overdue") == []
        world.run(minutes=2)

        (overdue,) = world.events_of("Run Overdue")
        assert overdue["deadline"].startswith("2026-12-01T10:30:0")
        assert overdue["duration_ms"] >= 5_400_000


@pytest.mark.parametrize("seconds", [1, 59, 600])
def test_a_timeout_shorter_than_what_planners_look_ahead_ends_in_time(seconds: int) -> None:
    with World(START) as world:
        put(world, "0 9 * * *", timeout_seconds=seconds)
        world.run(minutes=60, seconds=seconds + 2)

        (overdue,) = world.events_of("Run Overdue")
        assert seconds * 1000 <= overdue["duration_ms"] <= seconds * 1000 + 1_500


def test_reports_after_the_first_end_change_nothing() -> None:
    with World(START) as world:
        put(world, "0 9 * * *")
        world.run(minutes=60)
        (fire,) = fires(world)
        for status in ("failed", "succeeded", "failed", "started"):
            report(world, fire, status)
            world.run(seconds=1)

        assert len(world.events_of("Run Failed")) == 1
        assert world.events_of("Run Succeeded") == []
        assert [answer["ended"] for answer in world.events_of("Run Reported")] == ["failed"] * 3


def test_progress_is_told_and_ends_nothing() -> None:
    with World(START) as world:
        put(world, "0 9 * * *")
        world.run(minutes=60)
        (fire,) = fires(world)
        report(world, fire, "progress", message="half")
        world.run(seconds=1)

        (answer,) = world.events_of("Run Reported")
        assert (answer["status"], answer["message"], answer.get("ended")) == ("progress", "half", None)


def test_a_token_decides_and_not_the_source() -> None:
    with World(START) as world:
        put(world, "0 9 * * *")
        world.run(minutes=60)
        (fire,) = fires(world)
        forged = fire | {"run_token": fire["run_token"][:-1] + "x"}
        report(world, forged, "failed")
        report(world, forged, "failed", source="eventcron.tenant.evil")
        report(world, fire | {"run_token": "aaaa"}, "failed")
        world.run(seconds=1)
        assert world.events_of("Run Failed") == []
        rejections = world.events_of("Schedule Rejected")
        assert {rejection["code"] for rejection in rejections} == {"wrong_token"}
        assert [rejection.get("tenant") for rejection in rejections] == ["acme", "evil", "acme"]
        assert fire["run_token"] not in str(rejections)

        report(world, fire, "failed", source="some.worker")
        world.run(seconds=1)
        assert len(world.events_of("Run Failed")) == 1


def test_the_token_of_one_run_is_not_that_of_another() -> None:
    with World(START) as world:
        put(world, "0,1 9 * * *", overlap="skip", timeout_seconds=30)
        world.run(minutes=62)
        first, second = fires(world)
        report(world, second | {"run_token": first["run_token"]}, "failed")
        world.run(seconds=1)

        assert [rejection["code"] for rejection in world.events_of("Schedule Rejected")] == ["wrong_token"]


def test_skip_skips_while_a_run_is_open() -> None:
    with World(START) as world:
        put(world, overlap="skip")
        world.run(minutes=3)
        (fire,) = fires(world)
        skips = world.events_of("Schedule Skipped")
        assert {skip["reason"] for skip in skips} == {"still_running"}
        assert {skip["by"] for skip in skips} == {fire["fire_id"]}
        report(world, fire, "succeeded")
        world.run(minutes=1)

        assert minutes(fires(world)) == ["08:01", "08:04"]
        assert len({fire["run_token"] for fire in fires(world)}) == 2


def test_a_run_that_nobody_ends_holds_up_others_until_its_deadline_only() -> None:
    with World(START) as world:
        put(world, overlap="skip", timeout_seconds=150)
        world.run(minutes=10)

        assert minutes(fires(world)) == ["08:01", "08:04", "08:07", "08:10"]
        assert minutes(world.events_of("Run Overdue")) == ["08:01", "08:04", "08:07"]


def test_queue_one_fires_one_when_the_open_run_ends_and_skips_the_others() -> None:
    with World(START) as world:
        put(world, overlap="queue_one")
        world.run(minutes=4, seconds=20)
        (first,) = fires(world)
        report(world, first, "succeeded")
        world.run(seconds=10)

        assert minutes(fires(world)) == ["08:01", "08:02"]
        assert minutes(world.events_of("Schedule Skipped"), "first_due") == ["08:03", "08:04"]
        report(world, fires(world)[1], "failed")
        world.run(minutes=1)
        assert minutes(fires(world)) == ["08:01", "08:02", "08:05"]


def test_queue_one_fires_the_one_that_waits_when_the_open_run_is_overdue() -> None:
    with World(START) as world:
        put(world, overlap="queue_one", timeout_seconds=200)
        world.run(minutes=20)

        assert minutes(fires(world))[:3] == ["08:01", "08:02", "08:05"]
        opened = [fire for fire, _ in zip(fires(world), world.events_of("Run Overdue"), strict=False)]
        assert len(opened) >= 5


def test_allow_fires_them_all() -> None:
    with World(START) as world:
        put(world)
        world.run(minutes=3)

        assert minutes(fires(world)) == ["08:01", "08:02", "08:03"]
        for fire in reversed(fires(world)):
            report(world, fire, "succeeded")
        world.run(seconds=1)
        assert len(world.events_of("Run Succeeded")) == 3


@pytest.mark.parametrize("overlap", ["allow", "skip", "queue_one"])
def test_a_schedule_is_paused_after_failures_in_a_row(overlap: str) -> None:
    with World(START) as world:
        put(world, overlap=overlap, pause_after_failures=3)
        for status in ("failed", "failed", "succeeded", "failed", "failed", "failed", "failed"):
            world.run(minutes=1)
            report(world, fires(world)[-1], status)
            world.run(seconds=2)
        world.run(minutes=5)

        (paused,) = world.events_of("Schedule Paused")
        assert paused["reason"] == "failures"
        assert "event_id" not in paused
        assert minutes(fires(world))[-1] == "08:06"
        assert [ended["failures"] for ended in world.events_of("Run Failed")] == [1, 2, 1, 2, 3]
        world.emit("Resume Schedule", ACME)
        world.run(minutes=2)
        assert len(fires(world)) > 6


@pytest.mark.parametrize("overlap", ["allow", "skip", "queue_one"])
def test_the_run_of_a_fire_that_the_bus_refuses_for_good_fails_at_once_and_holds_up_no_other(overlap: str) -> None:
    hopeless = Refusal(index=0, code="NotAuthorized", message="no", retryable=False)
    with World(START) as world:
        runs = {"track": True, "overlap": overlap, "timeout_seconds": 600, "pause_after_failures": 2}
        detail = ACME | {"expression": "* * * * *", "runs": runs, "misfire": {"policy": "fire_all"}}
        world.emit("Put Schedule", detail)
        world.bus._refuse = lambda _index, event: hopeless if event.detail_type == "Schedule Fired" else None
        world.run(minutes=1, seconds=2)
        world.bus._refuse = lambda _index, _event: None
        world.run(minutes=1)

        (refused,) = world.events_of("Schedule Failed")
        (failed,) = world.events_of("Run Failed")
        assert (failed["fire_id"], failed["failures"]) == (refused["fire_id"], 1)
        assert failed["message"] == "not published: Schedule Failed says why"
        assert minutes(fires(world)) == ["08:02"]
        assert world.events_of("Schedule Skipped") == []

        report(world, fires(world)[0], "succeeded")
        world.run(seconds=5)
        world.fires.put(world.dead.sent[0].body)  # as a redrive does
        world.run(seconds=5)
        assert minutes(fires(world)) == ["08:02", "08:01"]
        report(world, fires(world)[1], "failed")
        world.run(seconds=5)
        assert [one["message"] for one in world.events_of("Run Failed") if one["fire_id"] == refused["fire_id"]][
            -1
        ] == ""
        assert world.events_of("Schedule Paused") == []


def test_the_run_of_a_fire_that_is_given_up_after_many_rounds_stays_open_until_its_deadline() -> None:
    """The answer to one of its tries may have been lost, so its target may have it."""
    with World(START) as world:
        put(world, "at(2026-12-01T09:00:00)", overlap="skip", timeout_seconds=600)
        later = Refusal(index=0, code="ThrottlingException")
        world.bus._refuse = lambda index, event: (
            replace(later, index=index) if event.detail_type == "Schedule Fired" else None
        )
        world.run(hours=5)

        (given_up,) = world.events_of("Schedule Failed")
        assert world.events_of("Run Failed") == []
        assert {one["fire_id"] for one in world.events_of("Run Overdue")} == {given_up["fire_id"]}


def test_a_schedule_that_is_completed_is_not_paused_for_the_failures_of_its_last_runs() -> None:
    """Each pause would be a revision, and the eras of fires that are still on their way would be pushed out."""
    with World(START) as world:
        runs = {"track": True, "pause_after_failures": 1}
        detail = ACME | {"expression": "*/5 * * * * *", "end": "2026-12-01T08:02:00Z", "runs": runs}
        world.emit("Put Schedule", detail)
        world.run(minutes=10)
        (before,) = world.store.records.values()
        for fire in fires(world):
            report(world, fire, "failed")
        world.run(minutes=1)

        assert len(fires(world)) > 20
        assert len(world.events_of("Run Failed")) == len(fires(world))
        assert world.events_of("Schedule Paused") == world.events_of("Schedule Rejected") == []
        assert list(world.store.records.values()) == [before]


def test_a_fire_that_waits_when_its_schedule_is_deleted_is_reported_and_waits_no_longer() -> None:
    with World(START) as world:
        put(world, overlap="queue_one")
        world.run(minutes=2, seconds=30)
        world.emit("Delete Schedule", ACME)
        world.run(seconds=5)
        report(world, fires(world)[0], "succeeded")
        world.run(seconds=5)

        assert minutes(fires(world)) == ["08:01"]
        assert [skip["reason"] for skip in world.events_of("Schedule Skipped")] == ["deleted"]
        assert all(lane.waiting is None for lane in world.runs.stored.values())


def test_what_is_not_tracked_has_no_token_and_no_lane() -> None:
    with World(START) as world:
        world.emit("Put Schedule", ACME | {"expression": "* * * * *"})
        world.run(minutes=3)

        assert len(fires(world)) == 2 or len(fires(world)) == 3
        assert all("run_token" not in fire for fire in fires(world))
        assert world.runs.stored == {}


def test_runs_without_track_are_rejected() -> None:
    with World(START) as world:
        world.emit("Put Schedule", ACME | {"expression": "* * * * *", "runs": {"overlap": "skip"}})
        world.run(seconds=1)

        (rejection,) = world.events_of("Schedule Rejected")
        assert (rejection["code"], rejection["field"]) == ("out_of_range", "runs.track")


def test_a_run_by_hand_is_tracked_and_held_up_too() -> None:
    with World(START) as world:
        put(world, "manual", overlap="skip")
        for run_id in ("one", "two"):
            world.emit("Run Schedule", ACME | {"run_id": run_id})
            world.run(seconds=5)

        assert [fire["cause_id"] for fire in fires(world)] == ["one"]
        assert [skip["cause_id"] for skip in world.events_of("Schedule Skipped")] == ["two"]


# --- The tracker by itself -------------------------------------------------------------------------------------------


class Stage:
    """A tracker, and a fire queue that takes no deadline while ``refuses`` is set."""

    def __init__(self) -> None:
        self.refuses = False
        self.clock = JumpingClock(from_rfc3339(START))
        self.queue = MemoryQueue(self.clock)
        ports = memory_ports(self.clock, fire_queue=MemoryFireQueue(self.queue, refuse=self._refuse))
        self.runs = ports.runs
        self.tracker = Tracker(
            clock=self.clock,
            runs=ports.runs,
            registrar_queue=ports.registrar_queue,
            fire_queue=ports.fire_queue,
            dead_letters=ports.dead_letters,
            bus=ports.bus,
            jitter=ports.jitter,
        )

    def _refuse(self, index: int, _pack: Pack) -> Refusal | None:
        return Refusal(index=index, code="ThrottlingException") if self.refuses else None

    def due(self, name: str = "nightly", *, minute: int = 0, overlap: Overlap = Overlap.ALLOW) -> Timed:
        """A tracked fire that is due in that minute."""
        schedule = Schedule(tenant="acme", name=name, expression="* * * * *", runs=Runs(track=True, overlap=overlap))
        at = from_rfc3339(START) + minute * 60_000
        return Fire("acme", name, 1, at, at), record_of(schedule), rfc3339(at)

    async def report(self, fire: Fire, token: str, status: RunStatus = RunStatus.SUCCEEDED) -> Reported:
        given = ReportRun(tenant="acme", name=fire.name, fire_id=fire_id(fire), run_token=token, status=status)
        return await self.tracker.report(given, event_id="e-1")


async def test_the_same_fire_opened_again_gets_the_same_token_and_another_fire_another() -> None:
    stage = Stage()
    one, other = stage.due(), stage.due(minute=1)

    first, again = await stage.tracker.open([one]), await stage.tracker.open([one, other])

    assert first.publish == [one]
    assert again.publish == [one, other]
    assert again.tokens[one[0]] == first.tokens[one[0]] != again.tokens[other[0]]


async def test_a_run_whose_deadline_the_queue_refuses_is_not_published_and_can_be_opened_again() -> None:
    """Published without a deadline, a run that nobody ends would stay open for ever."""
    stage = Stage()
    timed = stage.due()
    stage.refuses = True
    refused = await stage.tracker.open([timed])
    stage.refuses = False
    again = await stage.tracker.open([timed])

    assert (refused.publish, refused.tokens) == ([], {})
    assert refused.failed == [(timed[0], "sqs is unavailable: ThrottlingException: 1 of 1 packs refused")]
    assert (again.publish, again.failed) == ([timed], [])
    assert len(stage.queue) == 1


async def test_each_fire_is_sorted_by_what_its_lane_has() -> None:
    stage = Stage()
    skips = [stage.due("skip", minute=minute, overlap=Overlap.SKIP) for minute in range(2)]
    waits = [stage.due("wait", minute=minute, overlap=Overlap.QUEUE_ONE) for minute in range(2)]
    before = await stage.tracker.open([skips[0], waits[0]])

    opened = await stage.tracker.open([skips[1], waits[1], stage.due()])

    assert [fire.name for fire, _, _ in opened.publish] == ["nightly"]
    assert opened.skip == [(skips[1][0], fire_id(skips[0][0]))]
    assert opened.held == [waits[1][0]]
    await stage.report(skips[0][0], before.tokens[skips[0][0]])
    assert (await stage.tracker.open([skips[0]])).dropped == [skips[0][0]], "its run has ended"


async def test_a_lane_that_cannot_be_read_fails_its_own_fire_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    broken, whole = stage.due("broken", overlap=Overlap.SKIP), stage.due("whole", overlap=Overlap.SKIP)
    get = stage.runs.get

    async def torn(keys: Sequence[LaneKey]) -> Mapping[LaneKey, Lane]:
        if keys[0].name == "broken":
            raise Undecodable("stored in format 2")
        return await get(keys)

    monkeypatch.setattr(stage.runs, "get", torn)
    opened = await stage.tracker.open([broken, whole])

    assert opened.publish == [whole]
    assert opened.failed == [(broken[0], "stored in format 2")]


@pytest.mark.parametrize("status", RunStatus)
async def test_a_report_after_the_end_ends_nothing_and_is_late(status: RunStatus) -> None:
    stage = Stage()
    timed = stage.due()
    token = (await stage.tracker.open([timed])).tokens[timed[0]]

    early = await stage.report(timed[0], token, RunStatus.PROGRESS)
    ended = await stage.report(timed[0], token)
    late = await stage.tracker.report(
        ReportRun(tenant="acme", name="nightly", fire_id=fire_id(timed[0]), run_token=token, status=status),
        event_id="e-2",
    )

    assert early == Reported()
    assert ended.past is not None
    assert (ended.past.end, ended.is_late) == (RunEnd.SUCCEEDED, False)
    assert late == Reported(is_late=True)


async def test_a_report_on_a_run_that_nobody_remembers_has_the_wrong_token_and_does_not_show_it() -> None:
    stage = Stage()

    with pytest.raises(InvalidSchedule) as caught:
        await stage.report(stage.due()[0], "s" * 44)

    assert (caught.value.code, caught.value.field, caught.value.given) == ("wrong_token", "run_token", "another token")


# --- What it costs ---------------------------------------------------------------------------------------------------


class _Counting:
    """How often each port was called."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    async def __call__(self, point: str) -> None:
        self.calls[point] += 1


@pytest.mark.parametrize(
    ("runs", "status", "writes"),
    [
        pytest.param({"track": False}, None, 0, id="not tracked"),
        pytest.param({}, "succeeded", 2, id="ends"),
        pytest.param({"overlap": "skip"}, "failed", 2, id="ends where none may overlap"),
        pytest.param({"timeout_seconds": 20}, None, 2, id="overdue"),
        pytest.param({"overlap": "queue_one", "timeout_seconds": 2_000}, None, 2, id="overdue beyond a queue's delay"),
        pytest.param({"pause_after_failures": 5}, "failed", 3, id="counted where they overlap"),
        pytest.param({"pause_after_failures": 5, "timeout_seconds": 2_000}, None, 3, id="counted and overdue"),
    ],
)
def test_a_tracked_fire_costs_at_most_three_writes_and_another_none(
    runs: dict[str, Any], status: str | None, writes: int
) -> None:
    counting = _Counting()
    with World(START, pause=counting) as world:
        put(world, "at(2026-12-01T09:00:00)", **runs)
        world.run(minutes=60)
        (fire,) = fires(world)
        if status is not None:
            report(world, fire, status)
        world.run(hours=2)

        assert counting.calls["put_run.before"] == writes
        if not writes:
            assert counting.calls["get_runs.before"] == 0


@pytest.mark.slow
def test_two_hundred_occurrences_with_runs_of_random_lengths_never_overlap_and_never_stall() -> None:
    lengths = random.Random(14)  # it has to be repeatable, not secret
    with World(START) as world:
        put(world, "*/30 * * * * *", overlap="queue_one", timeout_seconds=80)
        begun = 0
        for _ in range(100 * 6):
            world.run(seconds=10)
            for fire in fires(world)[begun:]:
                begun += 1
                if lengths.random() < 0.8:  # the others are never reported
                    detail = {key: fire[key] for key in ("tenant", "name", "fire_id", "run_token")}
                    world.emit("Report Run", detail | {"status": "succeeded"}, delay_seconds=lengths.randint(0, 75))
        world.emit("Delete Schedule", ACME)
        world.run(minutes=10)

        ends = world.events_of("Run Succeeded") + world.events_of("Run Overdue")
        starts = [from_rfc3339(end["started"]) for end in ends]
        spans = sorted((start, start + end["duration_ms"]) for start, end in zip(starts, ends, strict=True))
        assert len({end["fire_id"] for end in ends}) == len(ends) == len(fires(world))
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        dues = {fire["due"] for fire in fires(world)} | {
            skip["first_due"] for skip in world.events_of("Schedule Skipped")
        }
        assert len(dues) >= 200  # each was published or reported
        assert all(lane.open is None and lane.waiting is None for lane in world.runs.stored.values())
