"""Every side that is measured does the whole job, eventcron and the baselines alike; one that does not is noticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks import mixes, runs, stocks
from benchmarks.mixes import Trigger
from benchmarks.pipes import ROOT, Pipe
from benchmarks.rig.faults import Faults
from benchmarks.rig.process import Rig, certificate, rig
from benchmarks.rig.service import Watch
from benchmarks.sides import project, worker
from benchmarks.sides.process import SideProcess, Spent, side
from eventcron.model.messages import Fire
from eventcron.model.names import Window
from eventcron.model.tracking import Runs
from eventcron.rules.packing import pack_fires
from eventcron.timing.trigger import from_canonical, walk
from eventcron.wire.encode import encode_pack

#: Each test asks processes of their own.
pytestmark = pytest.mark.slow

SCHEDULERS = ("eventcron", "sequential", "gathered")
#: Enough that some fire in five minutes.
COUNT = 64 * 20
#: Zones whose clocks never change. Where clocks repeat an hour, the baselines' croniter fires a second time.
STEADY_ZONES = (
    *("UTC", "America/Phoenix", "America/Bogota", "America/Sao_Paulo", "Africa/Lagos", "Africa/Johannesburg"),
    *("Asia/Dubai", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo", "Asia/Singapore", "Australia/Brisbane"),
)
Fires = set[tuple[str, str, int]]


class Started:
    """The rig, and one process of each side that a test asks for."""

    def __init__(self, one: Rig, exits: ExitStack) -> None:
        self.rig = one
        self._exits = exits
        self._sides: dict[str, SideProcess] = {}

    def side(self, name: str) -> SideProcess:
        if name not in self._sides:
            settings = project.environ(self.rig.url) if name == "eventcron" else None
            self._sides[name] = self._exits.enter_context(side(name, self.rig.url, settings))
        return self._sides[name]


@pytest.fixture(name="started", scope="module")
def _started() -> Iterator[Started]:
    with ExitStack() as exits, rig() as one:
        yield Started(one, exits)


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """The windows begin now, which may be in a night on which clocks change."""
    for module in (mixes, stocks):
        monkeypatch.setattr(module, "ZONES", STEADY_ZONES)


def _mixed(count: int) -> list[Trigger]:
    """Of the real mix, and some that fire often."""
    often = [Trigger("* * * * *", zone) for zone in mixes.ZONES]
    return [*often, *mixes.real(count)][:count]


def _sent(bodies: list[str]) -> Fires:
    """The fires in messages: packs of eventcron, or one a message."""
    found: Fires = set()
    for body in map(msgspec.json.decode, bodies):
        if "fires" in body:
            found |= {(fire[0], fire[1], fire[3]) for fire in body["fires"]}
        else:
            found.add((body["tenant"], body["name"], body["due"]))
    return found


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_planner_sends_every_fire_of_its_window(name: str, started: Started) -> None:
    planned = stocks.planned(_mixed, COUNT)
    started.rig.load(planned.tables)
    ran = runs.tick(started.rig, started.side(name), planned, watch=Watch(keep_bodies=True, check_every=1))

    assert ran.seen.checked == sum(ran.seen.requests.values())
    assert len(_sent(ran.seen.bodies)) == ran.seen.fires > 50


def test_the_planners_send_the_same_fires(started: Started) -> None:
    planned = stocks.planned(_mixed, COUNT)
    started.rig.load(planned.tables)
    sent: dict[str, Fires] = {}
    windows: list[tuple[int, int]] = []
    for name in SCHEDULERS:
        start = (int(time.time()) + runs.PLANNED_SECONDS) * 1000
        ran = runs.tick(started.rig, started.side(name), planned, watch=Watch(keep_bodies=True))
        windows.append((start + 5_000, start + runs.TICK_MS))
        sent[name] = _sent(ran.seen.bodies)
    first, end = max(start for start, _ in windows), min(end for _, end in windows)
    common = {name: {fire for fire in fires if first <= fire[2] < end} for name, fires in sent.items()}

    assert common["eventcron"] == common["sequential"] == common["gathered"]
    assert common["eventcron"]


def _plain_packs(planned: stocks.Planned, window: Window) -> list[str]:
    """The packs of *window*, made of each schedule's occurrences by itself: nothing is remembered, nothing left out."""
    index = planned.tables[stocks.SCHEDULES_TABLE].by_segment
    assert index is not None
    packs: list[str] = []
    for segment in range(planned.segments):
        fires = []
        for page in index.pages[segment % len(index.pages)]:
            for item in json.loads(page.head + b"}")["Items"]:
                tenant, name, revision = item["tenant"]["S"], item["name"]["S"], int(item["revision"]["N"])
                occurrences = walk(from_canonical(item["trigger"]["S"]), window)
                fires += [Fire(tenant, name, revision, one.due, one.due) for one in occurrences]
        packs += map(encode_pack, pack_fires(fires, size=200))
    return packs


@pytest.mark.parametrize("mix", [mixes.real, mixes.all_distinct, mixes.rates])
def test_the_packs_are_those_of_a_plain_path_byte_for_byte(
    mix: Callable[[int], list[Trigger]], started: Started
) -> None:
    planned = stocks.planned(mix, COUNT * 4)
    started.rig.load(planned.tables)
    for _ in range(2):  # the second tick knows the triggers
        start = (int(time.time()) + runs.PLANNED_SECONDS) * 1000
        started.rig.put(stocks.LEDGER_TABLE, stocks.segment_items(start, planned.segments))
        started.rig.begin(Watch(keep_bodies=True))
        started.side("eventcron").do("plan")
        (end,) = stocks.planned_through(started.rig.items(stocks.LEDGER_TABLE))

        expected = _plain_packs(planned, Window(start, end))

        assert sorted(started.rig.observed().bodies) == sorted(expected)
        assert expected


def _resources(schedules: list[stocks.Named]) -> set[str]:
    return {f"{one.tenant}/{one.name}" for one in schedules}


def _published(arrivals: list[Any]) -> dict[str, Any]:
    """What an event says of its fire, by schedule."""
    found = {}
    for arrival in arrivals:
        detail = msgspec.json.decode(arrival.detail)
        found[arrival.resource] = (datetime.fromisoformat(detail["local_time"]), detail["timezone"], detail["input"])
    return found


def test_the_executors_publish_the_same_events(started: Started) -> None:
    schedules = stocks.named(mixes.real(60))
    started.rig.load(stocks.stored(schedules))
    at = int(time.time() * 1000) + 100
    published = {}
    for name in SCHEDULERS:
        started.rig.begin(Watch(keep_arrivals=True, check_every=1))
        bodies = stocks.packs(schedules, at, size=20) if name == "eventcron" else stocks.plain_fires(schedules, at)
        spent = started.side(name).do("execute", stocks.sqs_event(bodies, tag=name))
        runs.checked_answer(started.side(name), spent)
        seen = started.rig.observed()
        assert (seen.faults, seen.events, seen.checked) == ([], 60, sum(seen.requests.values()))
        assert min(runs.lateness(seen)) >= 0
        published[name] = _published(seen.arrivals)

    assert published["eventcron"] == published["sequential"] == published["gathered"]
    assert len(published["eventcron"]) == 60


@pytest.mark.parametrize("name", ["sequential", "gathered"])
def test_a_baseline_publishes_nothing_of_a_schedule_that_was_disabled(name: str, started: Started) -> None:
    schedules = stocks.named(mixes.real(4))
    started.rig.load(stocks.stored(schedules))
    disabled = stocks.plain_item(schedules[0]) | {"state": {"S": "DISABLED"}}
    started.rig.put(stocks.PLAIN_TABLE, {(schedules[0].tenant, schedules[0].name): msgspec.json.encode(disabled)})
    started.rig.begin(Watch(keep_arrivals=True))
    bodies = stocks.plain_fires(schedules, int(time.time() * 1000))
    started.side(name).do("execute", stocks.sqs_event(bodies, tag="t"))

    assert {one.resource for one in started.rig.observed().arrivals} == _resources(schedules[1:])


def test_apscheduler_publishes_every_job_once(started: Started) -> None:
    apscheduler = started.side("apscheduler")
    apscheduler.do("add", [], 0)  # it is answered once the process has started
    ran = runs.jobs(started.rig, apscheduler, stocks.named(mixes.real(50)), seconds=20)

    assert ran.spent.answer == {"executed": 50, "failed": 0, "missed": 0}


def test_schedules_that_wake_are_sent_and_moved(started: Started) -> None:
    start = (int(time.time()) + runs.PLANNED_SECONDS) * 1000
    planned = stocks.planned(mixes.real, 0, timed=stocks.waking(70, start + 20_000, start + 290_000))
    started.rig.load(planned.tables)
    ran = runs.tick(started.rig, started.side("eventcron"), planned)

    assert ran.seen.fires == 70
    assert stocks.not_moved(started.rig.items(stocks.SCHEDULES_TABLE), start + runs.TICK_MS) == 0


def test_eventcron_does_the_whole_job_though_aws_throttles_and_does_half(started: Started) -> None:
    schedules = stocks.named(mixes.real(200))
    started.rig.load(stocks.stored(schedules))
    faults = Faults(throttle_every=9, partial_every=5, slow_every=6, slow_seconds=0.05)
    started.rig.begin(Watch(keep_arrivals=True), faults)
    bodies = stocks.packs(schedules, int(time.time() * 1000) + 100, size=100)
    spent = started.side("eventcron").do("execute", stocks.sqs_event(bodies, tag="t"))
    seen = started.rig.observed()

    assert spent.answer == {"batchItemFailures": []}
    assert seen.throttled
    assert seen.faults == []
    assert {one.resource for one in seen.arrivals} == _resources(schedules)


def test_the_rig_speaks_tls(tmp_path: Path) -> None:
    made = certificate(tmp_path)
    planned = stocks.planned(_mixed, 64)
    with rig(made) as one:
        settings = project.environ(one.url) | {"AWS_CA_BUNDLE": str(made.certificate)}
        with side("eventcron", one.url, settings) as ours:
            one.load(planned.tables)
            ran = runs.tick(one, ours, planned)

    assert one.url.startswith("https://")
    assert ran.seen.fires >= 60


class _Scripted(Pipe):
    """A side that answers without doing anything."""

    def __init__(self) -> None:
        pass

    def ask(self, name: str, *arguments: object) -> Any:
        return Spent(1.0, 1.0, 0, 0, {"batchItemFailures": []})


def test_a_side_that_does_nothing_is_noticed(started: Started) -> None:
    planned = stocks.planned(_mixed, 64)
    started.rig.load(planned.tables)

    with pytest.raises(runs.JobNotDone):
        runs.tick(started.rig, SideProcess("sequential", _Scripted()), planned)
    with pytest.raises(runs.JobNotDone):
        runs.publish(started.rig, SideProcess("sequential", _Scripted()), stocks.named(_mixed(10)), pack=1)


def test_a_pack_that_comes_twice_is_published_once(started: Started) -> None:
    schedules = stocks.named(mixes.real(30))
    started.rig.load(stocks.stored(schedules))

    assert runs.publish(started.rig, started.side("eventcron"), schedules, pack=10).units == 30


@pytest.mark.parametrize(
    ("policy", "writes"),
    [
        pytest.param(Runs(), 0, id="not tracked"),
        pytest.param(Runs(track=True, timeout_seconds=1), 2, id="opened and ended"),
        pytest.param(Runs(track=True, timeout_seconds=1, pause_after_failures=9), 3, id="and counted"),
    ],
)
def test_a_tracked_fire_writes_what_is_promised_and_another_nothing(
    started: Started, policy: Runs, writes: float
) -> None:
    schedules = [one._replace(runs=policy) for one in stocks.named(mixes.real(30))]
    started.rig.load(stocks.stored(schedules))

    assert runs.writes(started.rig, started.side("eventcron"), schedules, pack=10) == writes


def test_a_run_that_does_not_end_is_noticed(started: Started) -> None:
    """A deadline that is far off goes back to the queue."""
    schedules = [one._replace(runs=Runs(track=True, timeout_seconds=60)) for one in stocks.named(mixes.real(3))]
    started.rig.load(stocks.stored(schedules))

    with pytest.raises(runs.JobNotDone, match="3 runs should have ended: 3 deadlines, 3 events"):
        runs.writes(started.rig, started.side("eventcron"), schedules, pack=3)


def test_a_fire_too_few_is_noticed(started: Started) -> None:
    planned = stocks.planned(_mixed, 64)
    started.rig.load(planned.tables)
    more = planned._replace(triggers=[*planned.triggers, Trigger("* * * * *")])

    with pytest.raises(runs.JobNotDone, match="has sent"):
        runs.tick(started.rig, started.side("sequential"), more)


def test_a_side_sees_nothing_of_the_hosts_aws_settings(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "AWS_PROFILE", "mine")
    with side("sequential", started.rig.url) as one:  # it would fail: there is no such profile
        started.rig.load(stocks.stored([]))
        assert one.do("execute", {"Records": []}).answer == {"batchItemFailures": []}


@pytest.mark.skipif(not worker.memory(), reason="this system does not say what a process has held")
def test_the_memory_of_a_side_is_not_that_of_the_process_that_started_it() -> None:
    ballast = bytearray(64_000_000)
    code = "from benchmarks.sides import worker; print(worker.memory())"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert 0 < int(answer.stdout) < len(ballast) <= worker.memory()
