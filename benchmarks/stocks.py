"""What the tables hold for a run: schedules as eventcron stores them, and the same as the baselines store them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from benchmarks.mixes import ZONES, Trigger
from benchmarks.rig.stock import DensePage, IndexStock, ItemKey, TableStock, dense_pages
from eventcron.adapters.aws import items
from eventcron.adapters.aws.schedules import INDEX
from eventcron.local import template
from eventcron.model.commands import Schedule
from eventcron.model.messages import Fire
from eventcron.model.records import Era, Record, State
from eventcron.model.tracking import Runs
from eventcron.rules.packing import make_pack
from eventcron.timing.trigger import parse
from eventcron.wire.encode import encode_pack

#: Equal shares of all schedules. The template's default.
SEGMENTS = 64
#: Where few schedules stand for many: fires of one second and one segment share packs, which are as full as theirs.
FEW_SEGMENTS = 4
SCHEDULES_TABLE, LEDGER_TABLE, PLAIN_TABLE = "schedules", "ledger", "plain"
PLAIN_INDEX = "by-segment"
#: Schedules that differ, at least. Beyond it, segments share the bytes of their pages.
DISTINCT = 131_072
TENANTS = 97
#: When all schedules were put: 2026-01-01T00:00:00Z.
CREATED = 1_767_225_600_000
KEY = ("tenant", "name")

_encode = msgspec.json.Encoder().encode


class Named(NamedTuple):
    """A schedule: what it is called, and when it fires."""

    tenant: str
    name: str
    trigger: Trigger
    wake: int = 0
    runs: Runs = Runs()


class Planned(NamedTuple):
    """Schedules in their segments, and their tables."""

    tables: dict[str, TableStock]
    #: One for each schedule.
    triggers: Sequence[Trigger]
    segments: int


def named(triggers: Iterable[Trigger]) -> list[Named]:
    """Schedules with *triggers*, of a hundred tenants."""
    return [Named(f"tenant-{number % TENANTS}", f"nightly-export-{number}", one) for number, one in enumerate(triggers)]


def planned(
    mix: Callable[[int], list[Trigger]],
    count: int,
    *,
    timed: Sequence[Named] = (),
    sleepers: Sequence[int] = (),
    segments: int = SEGMENTS,
) -> Planned:
    """*count* dense schedules of *mix*, a multiple of *segments*, the *timed* ones, and *sleepers* by their wake."""
    each = count // segments
    copies = min(segments, -(-DISTINCT // each)) if each else 0
    dense = named(mix(each * copies))
    parts = [dense[start : start + each] for start in range(0, len(dense), each or 1)]
    by_segment: dict[int, list[ItemKey]] = {}
    for number, one in enumerate(timed):
        by_segment.setdefault(number % segments, []).append((one.tenant, one.name))
    index = IndexStock(
        INDEX,
        [_pages(_projected(record_item(one, number)) for one in part) for number, part in enumerate(parts)],
        _projection(),
        by_segment,
        {segment: sorted(sleepers[segment::segments]) for segment in range(segments)} if sleepers else {},
    )
    waking: dict[ItemKey, bytes] = {
        (one.tenant, one.name): _encode(record_item(one, number)) for number, one in enumerate(timed)
    }
    plain = IndexStock(PLAIN_INDEX, [_pages(map(plain_item, part)) for part in parts], frozenset(), {}, {})
    times, rest = divmod(segments, copies) if copies else (0, 0)
    triggers = [one.trigger for part in parts * times + parts[:rest] for one in part]
    tables = {
        SCHEDULES_TABLE: TableStock(KEY, waking, index),
        PLAIN_TABLE: TableStock(KEY, {}, plain),
        LEDGER_TABLE: TableStock(("pk",), {}),
    }
    return Planned(tables, [*triggers, *(one.trigger for one in timed)], segments)


def stored(schedules: Sequence[Named]) -> dict[str, TableStock]:
    """Tables with the whole items of *schedules*, as an executor reads them."""
    return {
        SCHEDULES_TABLE: TableStock(KEY, {(one.tenant, one.name): _encode(record_item(one)) for one in schedules}),
        PLAIN_TABLE: TableStock(KEY, {(one.tenant, one.name): _encode(plain_item(one)) for one in schedules}),
        LEDGER_TABLE: TableStock(("pk",), {}),
    }


def segment_items(planned_through: int, segments: int) -> dict[ItemKey, bytes]:
    """The ledger's items of all segments, planned through that instant and leased by nobody."""
    through = {"N": str(planned_through)}
    rest = {"v": {"N": "1"}, "planned": through, "claimed": through, "lease": {"N": "0"}, "fence": {"N": "1"}}
    return {(name,): _encode({"pk": {"S": name}, **rest}) for name in map("segment#{}".format, range(segments))}


def planned_through(ledger: dict[ItemKey, bytes]) -> set[int]:
    """Through which instants the segments are planned."""
    found = [msgspec.json.decode(item) for (name,), item in ledger.items() if name.startswith("segment#")]
    return {int(item["planned"]["N"]) for item in found}


def record_item(one: Named, segment: int = 0) -> dict[str, Any]:
    """A schedule as eventcron stores it."""
    trigger = one.trigger
    schedule = Schedule(
        tenant=one.tenant, name=one.name, expression=trigger.expression, timezone=trigger.zone,
        input=msgspec.Raw(b'{"bucket":"exports","format":"parquet"}'), runs=one.runs,
    )  # fmt: skip
    record = Record(
        schedule=schedule, tenant=one.tenant, name=one.name, revision=CREATED, state=State.ENABLED, created=CREATED,
        segment=segment % SEGMENTS, wake=one.wake,
        eras=(Era(CREATED, _canonical(trigger.expression, trigger.zone, trigger.anchor), CREATED),),
    )  # fmt: skip
    return items.encode(record)


@lru_cache(maxsize=200_000)
def _canonical(expression: str, zone: str, anchor: int) -> str:
    return parse(expression, timezone=zone, anchor=anchor or CREATED).canonical


def plain_item(one: Named) -> dict[str, Any]:
    """A schedule as somebody would store it who has only what the baselines need."""
    return {
        "tenant": {"S": one.tenant},
        "name": {"S": one.name},
        "segment": {"N": "0"},
        "cron": {"S": one.trigger.expression},
        "timezone": {"S": one.trigger.zone},
        "revision": {"N": str(CREATED)},
        "state": {"S": "ENABLED"},
        "input": {"S": '{"bucket":"exports","format":"parquet"}'},
    }


@lru_cache(maxsize=1)
def _projection() -> frozenset[str]:
    """The attributes that the template's index has."""
    table = template.of_type(template.read(), "AWS::DynamoDB::Table")["SchedulesTable"]
    index = table["GlobalSecondaryIndexes"][0]
    keys = [part["AttributeName"] for part in (*table["KeySchema"], *index["KeySchema"])]
    return frozenset([*keys, *index["Projection"]["NonKeyAttributes"]])


def _projected(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name in _projection()}


def _pages(schedules: Iterable[dict[str, Any]]) -> list[DensePage]:
    return dense_pages(schedules, key=KEY)


def waking(count: int, start: int, end: int) -> list[Named]:
    """*count* schedules that fire once a year, in a minute of [*start*, *end*), each by the clock of a zone."""
    minutes = range(-(-start // 60_000) * 60_000, end, 60_000)
    found = []
    for number in range(count):
        at, zone = minutes[number % len(minutes)], ZONES[number % len(ZONES)]
        wall = datetime.fromtimestamp(at / 1000, ZoneInfo(zone))
        expression = f"{wall.minute} {wall.hour} {wall.day} {wall.month} *"
        trigger = Trigger(expression, zone, 0, frozenset({wall.minute}), frozenset({wall.hour}))
        found.append(Named(f"tenant-{number % TENANTS}", f"yearly-report-{number}", trigger, at))
    return found


def not_moved(table: dict[ItemKey, bytes], end: int) -> int:
    """How many items of the schedules' table have a ``wake`` before *end*, but none that says dense."""
    wakes = [int(msgspec.json.decode(item)["wake"]["N"]) for item in table.values()]
    return sum(0 < wake < end for wake in wakes)


def sqs_event(bodies: Sequence[str], *, tag: str) -> dict[str, Any]:
    """The event with which Lambda hands over a batch of messages."""
    return {
        "Records": [
            {"messageId": f"{tag}-{number}", "body": body, "attributes": {"ApproximateReceiveCount": "1"}}
            for number, body in enumerate(bodies)
        ]
    }


def packs(schedules: Sequence[Named], at: int, *, size: int) -> list[str]:
    """Messages for eventcron's executor: fires of *schedules*, each due at *at*."""
    made = [Fire(one.tenant, one.name, CREATED, at, at) for one in schedules]
    return [encode_pack(make_pack(made[start : start + size])) for start in range(0, len(made), size)]


def plain_fires(schedules: Sequence[Named], at: int) -> list[str]:
    """Messages for the baselines' executors: one a fire."""
    return [_encode({"tenant": one.tenant, "name": one.name, "due": at}).decode() for one in schedules]
