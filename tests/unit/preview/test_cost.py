"""The bill: its requests are those that a simulated day makes, and its assumptions are the template's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.entrypoints.cli.cost import DEFAULTS, MEMORY_MEGABYTES
from eventcron.local import template
from eventcron.model.history import KeepHistory
from eventcron.preview import prices
from eventcron.preview.cost import (
    ALARMS,
    HISTORY_ALARMS,
    HISTORY_AT_ONCE,
    PACKS_AT_ONCE,
    Workload,
    bill,
    counted,
    evenly,
    requests,
)
from eventcron.preview.workload import DAYS, of_files
from eventcron.testing import World
from eventcron.testing.world import SETTINGS

START = "2026-12-01T00:00:00Z"
DAY_MS = 86_400_000
STACK = template.read()


def schedules() -> list[dict[str, Any]]:
    """What fires every quarter of an hour, hourly and daily, so that a second has 0 to 60 fires."""
    some = ["*/15 * * * *"] * 20 + ["0 * * * *"] * 30 + ["30 7 * * *"] * 10
    return [{"tenant": f"t{n % 3}", "name": f"s{n}", "expression": one} for n, one in enumerate(some)]


def counting(
    port: object, name: str, into: Counter[str], size: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    method: Callable[..., Awaitable[Any]] = getattr(port, name)

    async def call(*args: Any, **named: Any) -> Any:
        into[name] += size(*args)
        return await method(*args, **named)

    monkeypatch.setattr(port, name, call)


def test_the_requests_of_a_day_are_those_that_a_simulated_day_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Counter[str] = Counter()
    one, many = lambda *_: 1, lambda items, *_: len(items)
    with World(START) as world:
        for detail in schedules():
            world.emit("Put Schedule", detail)
        world.run(hours=2)
        for port, name, size in (
            (world.leases, "acquire", one),
            (world.leases, "commit", one),
            (world.store, "read_index", one),
            (world.packs, "record", one),
            (world.bus, "publish", many),
            (world.store, "move_wake", one),
        ):
            counting(port, name, made, size, monkeypatch)
        fired = len(world.fired)
        world.run(hours=24)
        fires = len(world.fired) - fired
    seconds = Counter(fire.due_at for fire in world.fired[fired:])
    day = requests(counted(seconds, days=1, schedules=60, dense=60), SETTINGS)

    assert day.events == fires == made["publish"]
    assert day.ticks * SETTINGS.segments == made["acquire"] == made["commit"] == made["read_index"]
    assert day.packs == pytest.approx(made["record"], rel=0.1)
    assert day.write_units == pytest.approx(made["acquire"] + made["commit"] + made["record"], rel=0.1)
    assert made["move_wake"] == 10  # a daily one becomes dense with its first fire
    assert day.executors <= made["record"]


async def test_files_and_a_number_of_schedules_make_the_same_bill(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    details = [{"tenant": "acme", "name": f"s{n}", "expression": f"{n % 60} {n // 60} * * *"} for n in range(1_440)]
    path.write_bytes(b"".join(msgspec.json.encode(detail) + b"\n" for detail in details))

    read = await of_files([path], DEFAULTS, now=1_796_112_000_000)
    by_number = evenly(1_440, 1)

    assert read.rejected == []
    assert (read.workload.schedules, read.workload.dense, read.workload.fires) == (1_440, 1_440, 1_440)
    assert dict(read.workload.seconds) == dict(by_number.seconds)
    month = bill(read.workload, DEFAULTS, memory_megabytes=1024)
    assert month == bill(by_number, DEFAULTS, memory_megabytes=1024)
    assert month.scheduler == pytest.approx(1_440 * 30 / 1e6 * prices.SCHEDULER_INVOCATIONS)


async def test_what_is_no_schedule_is_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(
        "- {tenant: a, name: never, expression: '0 0 31 2 *'}\n- {tenant: a, name: x, expression: '61 * * * *'}\n"
        "- {tenant: a, name: fine, expression: '@daily'}\n"
    )

    read = await of_files([path], DEFAULTS, now=1_796_112_000_000)

    assert [entry.line for entry, _ in read.rejected] == [1, 2]
    assert read.workload.schedules == 1
    assert read.workload.fires == pytest.approx(DAYS / DAYS)


def test_a_million_fires_cost_what_their_parts_cost() -> None:
    # One fire every second: each is a pack and an invocation of its own.
    lonely = bill(Workload(schedules=1, dense=1, seconds={1: 86_400}), DEFAULTS, memory_megabytes=1024)
    # As many fires, 200 at a time in each segment.
    together = bill(Workload(schedules=1, dense=1, seconds={12_800: 6.75}), DEFAULTS, memory_megabytes=1024)

    assert lonely.items[0].dollars == together.items[0].dollars == pytest.approx(2.592)
    assert lonely.total > 5 * together.items[0].dollars + together.total


def test_a_history_costs_a_write_for_each_fire_and_nothing_if_it_is_off() -> None:
    work = evenly(1_440, 24)
    off = bill(work, DEFAULTS, memory_megabytes=1024)
    tracked, everything = (
        replace(DEFAULTS, keep_history=keep, history_table="history") for keep in (KeepHistory.TRACKED, KeepHistory.ALL)
    )

    assert requests(work, everything).kept == work.fires
    assert requests(work, everything).write_units == requests(work, DEFAULTS).write_units + work.fires
    assert requests(work, tracked).write_units == requests(work, DEFAULTS).write_units
    totals = [bill(work, settings, memory_megabytes=1024).total for settings in (DEFAULTS, tracked, everything)]
    assert off.total == totals[0] < totals[1] < totals[2]
    # Tracked, without a fire that is tracked: a queue that is polled, two alarms and two metrics.
    assert totals[1] - totals[0] == pytest.approx(0.26 + 0.20 + 0.60, abs=0.01)


def test_a_history_asks_for_as_much_as_a_simulated_day_does(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Counter[str] = Counter()
    settings = replace(SETTINGS, keep_history=KeepHistory.ALL, history_table="history")
    with World(START, settings=settings) as world:
        for detail in schedules():
            world.emit("Put Schedule", detail)
        world.run(hours=2)
        counting(world.history, "append", made, lambda entries, *_: len(entries), monkeypatch)
        fired = len(world.fired)
        world.run(hours=24)
    seconds = Counter(fire.due_at for fire in world.fired[fired:])

    assert requests(counted(seconds, days=1, schedules=60, dense=60), settings).kept == made["append"]


def test_rare_schedules_cost_moves_and_no_reading_in_each_tick() -> None:
    rare, often = evenly(100_000, 1 / 30), evenly(100_000, 1 / 3)

    assert (rare.dense, often.dense) == (0, 100_000)
    assert requests(rare, DEFAULTS).write_units > 3 * rare.fires
    assert requests(often, DEFAULTS).read_units > requests(replace(often, dense=0), DEFAULTS).read_units


def test_the_assumptions_are_the_templates() -> None:
    parameters = {name: one["Default"] for name, one in STACK["Parameters"].items() if "Default" in one}
    resources = STACK["Resources"].values()
    functions = [one["Properties"] for one in resources if one["Type"] == "AWS::Serverless::Function"]
    batches = [
        event["Properties"]["BatchSize"]
        for one in functions
        for event in one.get("Events", {}).values()
        if event["Type"] == "SQS"
    ]

    alarms = [one.get("Condition") for one in resources if one["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == ALARMS + HISTORY_ALARMS
    assert alarms.count("KeepsHistory") == HISTORY_ALARMS
    given = [size for size in batches if size != {"Ref": "DispatchBatchSize"}]
    assert set(given) == {PACKS_AT_ONCE, HISTORY_AT_ONCE}
    assert int(parameters["MemoryMegabytes"]) == MEMORY_MEGABYTES
    settings = {"Segments": DEFAULTS.segments, "TickSeconds": DEFAULTS.tick_seconds}
    settings |= {"PackSize": DEFAULTS.pack_size, "LeadSeconds": DEFAULTS.lead_seconds}
    assert {name: int(parameters[name]) for name in settings} == settings
