"""Each fire of a pack is counted once, whatever becomes of it; a skip is named as targets know its occurrence."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from eventcron.adapters.memory import MemoryEventBus, MemoryScheduleStore
from eventcron.app.pack_report import Published, Report, notice_of
from eventcron.model.codes import SkipReason
from eventcron.model.commands import Schedule
from eventcron.model.events import Event, SkipNotice
from eventcron.model.messages import Fire
from eventcron.model.names import Cause
from eventcron.model.records import Era, State
from eventcron.ports import Refusal
from eventcron.rules.packing import make_pack
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.trigger import parse
from eventcron.wire.encode import fire_id, skipped
from tests.records import record_of

DUE = 1_796_112_000_000  # 2026-12-01T08:00:00Z
HOURLY = parse("0 * * * *", anchor=DUE).canonical

#: Of each schedule of a pack: what makes its fire end as its name says.
SCHEDULES: dict[str, dict[str, Any]] = {
    "published": {},
    "late": {"misfire": {"policy": "skip", "grace_seconds": 0}},
    "expected": {"expect": {"within_seconds": 9}},
    "held": {"runs": {"track": True, "overlap": "queue_one"}},
    "refused": {},
    "hopeless": {},
}


def refuse(index: int, event: Event) -> Refusal | None:
    name = msgspec.json.decode(event.detail)["name"] if event.detail_type == "Schedule Fired" else ""
    if name not in {"refused", "hopeless"}:
        return None
    return Refusal(index=index, code="ThrottlingException", retryable=name == "refused")


def fire(name: str, due: int = DUE) -> Fire:
    return Fire("acme", name, 1, due, due)


async def test_each_fire_of_a_pack_is_counted_once() -> None:
    clock = JumpingClock(DUE - 1_000)
    store = MemoryScheduleStore(clock)
    for name, fields in SCHEDULES.items():
        schedule = msgspec.convert({"tenant": "acme", "name": name, "expression": "0 * * * *"} | fields, Schedule)
        assert await store.put(record_of(schedule, trigger=HOURLY), replacing=None)
    paused, before = Schedule(tenant="acme", name="paused", expression="0 * * * *"), Era(1, HOURLY, 0, DUE)
    record = record_of(paused, revision=2, state=State.PAUSED, trigger=HOURLY, start=DUE, earlier=[before])
    assert await store.put(record, replacing=None)
    ports = memory_ports(clock, store=store, bus=MemoryEventBus(clock, refuse=refuse))
    executor = ports.use_cases(SETTINGS).executor
    await executor.execute(make_pack([fire("held", DUE - 3_600_000)]))
    pack = make_pack([*map(fire, [*SCHEDULES, "paused", "gone"]), fire("late", DUE - 7_200_000)])

    report = await executor.execute(pack)

    assert report.pack_id == pack.id
    assert {one.fire.name for one in report.published} == {"published", "late"}
    assert [(notice.name, notice.reason) for notice in report.skips] == [("late", SkipReason.MISFIRE)]
    assert (report.dropped, report.put_back, report.expected, report.held, report.failed) == (2, 1, 1, 1, 1)
    counted = report.dropped + report.put_back + report.waiting + report.expected + report.held + report.failed
    assert len(report.published) + len(report.skips) + counted == len(pack.fires)

    again = await executor.execute(pack)
    assert again == Report(pack_id=pack.id, repeated=True), "nothing was done, so nothing is counted"


async def test_lateness_is_measured_from_when_a_fire_was_to_be_published() -> None:
    clock = JumpingClock(DUE + 500)
    store = MemoryScheduleStore(clock)
    schedule = Schedule(tenant="acme", name="windowed", expression="0 * * * *", flexible_window_seconds=60)
    assert await store.put(record_of(schedule, trigger=HOURLY), replacing=None)
    late = Fire("acme", "windowed", 1, DUE - 30_000, DUE)

    report = await memory_ports(clock, store=store).use_cases(SETTINGS).executor.execute(make_pack([late]))

    assert report.published == [Published(late, 500)]


@pytest.mark.parametrize(
    ("cause", "cause_id", "named"),
    [
        pytest.param("schedule", "", "", id="an-ordinary-fire"),
        pytest.param("run", "r-1", "r-1", id="a-run-by-hand"),
        pytest.param("backfill", "b-1", "b-1", id="a-backfill"),
        pytest.param("schedule", "resume-9", "", id="what-a-resume-catches-up-on-is-ordinary"),
    ],
)
def test_a_skip_is_of_one_occurrence_under_the_cause_that_targets_know(cause: Cause, cause_id: str, named: str) -> None:
    one = Fire("acme", "nightly", 7, DUE, DUE + 9_000, cause=cause, cause_id=cause_id)
    notice = notice_of(one, SkipReason.QUOTA, "100 fires a minute")

    assert notice == SkipNotice(
        tenant="acme",
        name="nightly",
        revision=7,
        reason=SkipReason.QUOTA,
        first_due=DUE,
        last_due=DUE,
        count=1,
        by="100 fires a minute",
        cause=cause,
        cause_id=named,
    )
    assert msgspec.json.decode(skipped(notice, now=DUE).detail)["fire_id"] == fire_id(one)


def test_what_skips_a_fire_may_have_no_name() -> None:
    assert notice_of(fire("nightly"), SkipReason.MISFIRE, None).by is None
