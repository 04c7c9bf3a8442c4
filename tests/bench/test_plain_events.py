"""The executor's events are byte for byte those that the plain way makes: whole records, one fire after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec import UNSET

from benchmarks import mixes, stocks
from benchmarks.mixes import Trigger
from benchmarks.rig.process import Rig, rig
from benchmarks.rig.service import Watch
from benchmarks.runs import checked_answer
from benchmarks.sides import project
from benchmarks.sides.process import SideProcess, side
from eventcron.adapters.aws import items
from eventcron.model.events import ScheduleFired
from eventcron.model.messages import Fire
from eventcron.wire.encode import fire_id

pytestmark = pytest.mark.slow

COUNT = 450


@pytest.fixture(name="started", scope="module")
def _started() -> Iterator[tuple[Rig, SideProcess]]:
    with rig() as one, side("eventcron", one.url, project.environ(one.url)) as ours:
        yield one, ours


def rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(one: stocks.Named, at: int) -> str:
    """The detail of a fire: the whole item read, then written by its struct."""
    schedule = items.decode(stocks.record_item(one)).schedule
    assert schedule is not None
    due = datetime.fromtimestamp(at // 1000, UTC).replace(microsecond=at % 1000 * 1000)
    fired = ScheduleFired(
        tenant=one.tenant,
        name=one.name,
        fire_id=fire_id(Fire(one.tenant, one.name, stocks.CREATED, at, at)),
        due=rfc3339(due),
        local_time=due.astimezone(ZoneInfo(schedule.timezone)).isoformat(timespec="milliseconds"),
        timezone=schedule.timezone,
        cause="schedule",
        attempt=1,
        revision=stocks.CREATED,
        route=schedule.route or UNSET,
        priority=schedule.priority,
        labels=schedule.labels,
        input=schedule.input,
    )
    return msgspec.json.encode(fired).decode()


@pytest.mark.parametrize("mix", [mixes.real, mixes.every_minute, mixes.all_distinct, mixes.rates])
@pytest.mark.parametrize("size", [1, 100, 200])
def test_events_are_those_of_the_plain_way(
    mix: Callable[[int], list[Trigger]], size: int, started: tuple[Rig, SideProcess]
) -> None:
    one, ours = started
    schedules = stocks.named(mix(10 if size == 1 else COUNT))
    one.load(stocks.stored(schedules))
    one.begin(Watch(keep_arrivals=True, check_every=1))
    at = int(time.time() * 1000) + 300

    checked_answer(ours, ours.do("execute", stocks.sqs_event(stocks.packs(schedules, at, size=size), tag=str(at))))

    seen = one.observed()
    assert seen.faults == []
    assert {arrival.resource: arrival.detail for arrival in seen.arrivals} == {
        f"{named.tenant}/{named.name}": plain(named, at) for named in schedules
    }
    assert len(seen.arrivals) == len(schedules)
    assert min(arrival.at for arrival in seen.arrivals) >= at
