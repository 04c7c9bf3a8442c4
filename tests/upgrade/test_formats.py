"""Deploying and rolling back while packs are on their way and schedules stored: each release reads the other's.

``events/formats/<release>/`` holds what a release wrote; ``release_<release>.py`` how it reads. A release that can no
longer do one of the two has a format of its own, and needs the steps in docs/operations/upgrade.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.adapters.aws import items
from eventcron.adapters.aws.backfills import DynamoBackfills
from eventcron.adapters.aws.calendars import DynamoCalendars
from eventcron.adapters.aws.clients import aws_clients
from eventcron.adapters.aws.index_pages import decode_index
from eventcron.adapters.aws.leases import DynamoLeases
from eventcron.adapters.aws.published_packs import DynamoPublishedPacks
from eventcron.adapters.aws.runs import DynamoRuns
from eventcron.adapters.aws.sweeps import DynamoSweeps
from eventcron.adapters.aws.table import DynamoTable
from eventcron.errors import Undecodable
from eventcron.model.commands import Schedule
from eventcron.model.messages import Fire, SegmentRange
from eventcron.model.names import BackfillKey, CalendarKey, Window
from eventcron.model.records import Backfill, Calendar, Era, LastCommands, Record, Share, State, Sweep
from eventcron.model.runs import LaneKey
from eventcron.rules.inputs import set_apart
from eventcron.rules.packing import make_pack
from eventcron.rules.runs import Known, end_at_deadline, released_pack
from eventcron.timing.calendars import read_dates
from eventcron.timing.hashing import segment_of
from eventcron.wire.encode import decode_pack, encode_pack, fire_id, fired, pack_id
from eventcron.wire.encode_runs import is_token
from eventcron.wire.segment_ranges import decode_range, encode_range
from tests.adapters.scripted import Script, Waits
from tests.emulators import moto_server, use_endpoint
from tests.resources import admin, create_table
from tests.upgrade import release_0_1

FORMATS = Path(__file__).parents[2] / "events" / "formats"
RELEASES = {"0.1": release_0_1}

names = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
instants = st.integers(0, 253_402_300_799_999)
eras = st.builds(
    Era,
    instants,
    st.sampled_from(["", "daily", "hourly"]),
    instants,
    st.none() | instants,
    planned_through=st.none() | instants,
)
fires = st.builds(
    Fire, names, names, instants, instants, instants, st.sampled_from(["schedule", "run", "backfill"]), names
)


#: Of the run that is open in ``run-item.json``.
TOKEN_OF_RUN = "sFONL66aUrYl2Fhnb9Dy4enQF8qGwdIFOsZuPy2_LaSU"


def _written(release: str, name: str) -> Any:
    return json.loads((FORMATS / release / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(name="moto_endpoint", scope="module")
def _moto_endpoint() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture(params=RELEASES, name="release")
def _release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_release_that_wrote_something_can_read_here() -> None:
    assert {path.name for path in FORMATS.iterdir()} == set(RELEASES)


# --- Deploying: what an earlier release wrote, read by this one ---------------------------------------------------


def test_a_pack_of_an_earlier_release_is_read_whole(release: str) -> None:
    written = _written(release, "pack")
    pack = decode_pack(json.dumps(written))
    again = json.loads(encode_pack(pack))

    assert again | written == again
    assert [(fire.cause, fire.cause_id, fire.last) for fire in pack.fires] == [
        ("schedule", "", False),
        ("backfill", "november", True),
    ]


def test_what_recognises_a_repeat_is_the_same_in_every_release(release: str) -> None:
    """The ledger, targets and backfills compare ids that another release made."""
    written = _written(release, "pack")
    pack = decode_pack(json.dumps(written))

    assert pack_id(pack.fires) == written["id"]
    assert [fire_id(fire) for fire in pack.fires] == [
        "541508120ed6067db5b4002e0566f8c0",
        "505b0021856ab7bd2fca5cd2ab93557c",
    ]
    assert segment_of(pack.fires[0].key, 64) == 21


def test_a_range_of_an_earlier_release_is_read_whole(release: str) -> None:
    written = _written(release, "segment-range")
    asked = decode_range(json.dumps(written))
    again = json.loads(encode_range(asked))

    assert again | written == again
    assert (asked.tick, asked.first, asked.end) == (1_796_040_000_120, 32, 48)


@pytest.mark.parametrize("name", ["schedule-item", "tombstone-item"])
def test_an_item_of_an_earlier_release_is_read_whole(release: str, name: str) -> None:
    written = _written(release, name)

    assert items.encode(items.decode(written)) == written


def test_the_planner_reads_an_earlier_release_s_item(release: str) -> None:
    [plan] = decode_index(msgspec.json.encode({"Items": [_written(release, "schedule-item")]})).items

    assert (plan.tenant, plan.name, plan.wake) == ("acme", "nightly-export", 1_796_115_600_000)
    assert (plan.misfire.policy, plan.flexible_window_seconds) == ("skip", 300)


def _table(item: Any) -> DynamoTable:
    """A table that holds *item* only."""
    script = Script(
        "dynamodb", lambda request: {"Item": item} if "Key" in request else {"Responses": {"ledger": [item]}}
    )
    return DynamoTable(script.client, "ledger", retry=Waits().retry())


async def test_a_backfill_of_an_earlier_release_goes_on_where_it_was(release: str) -> None:
    written = _written(release, "backfill-item")
    key = BackfillKey("acme", "nightly-export", "november")

    backfill = (await DynamoBackfills(_table(written)).get([key]))[key]

    again, body = json.loads(msgspec.json.encode(backfill)), json.loads(written["body"]["S"])
    assert again | body == again
    assert (backfill.enqueued_through, backfill.slice, backfill.fires) == (
        1_796_068_800_000,
        (1_796_112_000_000, 1_796_112_060_000),
        5,
    )


async def test_a_calendar_of_an_earlier_release_has_its_days(release: str) -> None:
    written = _written(release, "calendar-item")
    key = CalendarKey("acme", "norway")

    calendar = (await DynamoCalendars(_table(written)).get([key]))[key]

    again, body = json.loads(msgspec.json.encode(calendar)), json.loads(written["body"]["S"])
    assert again | body == again
    assert [str(span) for span in read_dates(calendar.dates or ())] == ["2026-12-24/2026-12-26", "2027-05-17"]


async def test_runs_of_an_earlier_release_end_as_they_would_have(release: str) -> None:
    """Its tokens are believed, its deadline ends the run that is open, and what waits is sent."""
    written = _written(release, "run-item")
    key = LaneKey("acme", "nightly-export")

    lane = (await DynamoRuns(_table(written)).get([key]))[key]
    pack = decode_pack(json.dumps(_written(release, "deadline-pack")))

    again, body = json.loads(msgspec.json.encode(lane)), json.loads(written["body"]["S"])
    assert again | body == again
    assert lane.open is not None
    named = fire_id(pack.fires[0])
    assert is_token(TOKEN_OF_RUN, lane.secret, named, shared=True)
    assert (pack.kind, pack.lane, pack.at) == ("deadline", key.id, lane.open.deadline)
    ended = end_at_deadline(lane, named, now=pack.at, by="deadline")
    assert ended.known is Known.ENDED_NOW
    released = released_pack(ended.lane)
    assert released is not None
    assert released.fires == [lane.waiting]


async def test_a_segment_of_an_earlier_release_is_planned_on_from_where_it_was(release: str) -> None:
    leases = DynamoLeases(_table(_written(release, "segment-item")))

    assert await leases.planned_through(5) == 1_796_112_000_000
    (state,) = [state for state in await leases.segments(6) if state.segment == 5]
    assert (state.claimed_through, state.lease_until, state.fence) == (1_796_112_720_000, 1_796_112_030_000, 7)


async def test_what_an_earlier_release_wrote_without_a_number_is_read() -> None:
    table = _table({"pk": {"S": "backfills"}, "open": {"SS": ["acme/a/b"]}})

    assert await DynamoBackfills(table).open() == [BackfillKey("acme", "a", "b")]


# --- Rolling back: what this release writes, read by an earlier one -----------------------------------------------


@pytest.mark.slow
@given(st.lists(fires, min_size=1, max_size=5), st.sampled_from(sorted(RELEASES)))
def test_an_earlier_release_reads_today_s_packs(given_fires: list[Fire], release: str) -> None:
    pack = make_pack(given_fires)
    read = RELEASES[release].read_pack(encode_pack(pack))

    assert (read.id, read.at, read.attempt) == (pack.id, pack.at, pack.attempt)
    assert [msgspec.to_builtins(fire) for fire in read.fires] == [msgspec.to_builtins(fire)[:8] for fire in pack.fires]


@given(instants, st.integers(0, 1022), st.sampled_from(sorted(RELEASES)))
def test_an_earlier_release_reads_today_s_ranges(tick: int, first: int, release: str) -> None:
    asked = SegmentRange(tick=tick, first=first, end=first + 2)

    assert RELEASES[release].read_range(encode_range(asked)) == (tick, first, first + 2)


@pytest.mark.slow
@given(
    record=st.builds(
        Record,
        schedule=st.just(Schedule(tenant="acme", name="nightly", expression="@daily")) | st.none(),
        tenant=names,
        name=names,
        revision=instants,
        state=st.sampled_from(State),
        created=instants,
        last_commands=st.builds(LastCommands, put_revision=instants, delete_revision=instants),
        eras=st.lists(eras, max_size=3).map(tuple),
        handoff=instants,
        segment=st.none() | st.integers(0, 1023),
        wake=st.none() | instants,
        spent=st.integers(0, 100),
        expires=st.none() | instants,
    ),
    release=st.sampled_from(sorted(RELEASES)),
)
def test_an_earlier_release_reads_today_s_items(record: Record, release: str) -> None:
    read = RELEASES[release].read_item(items.encode(record))
    alike = [name for name in read._fields if name not in {"body", "eras"}]
    last = record.last_commands

    assert {name: getattr(read, name) for name in alike} == {name: getattr(record, name) for name in alike}
    assert [(era.revision, era.start, era.end, era.planned_through) for era in read.eras] == [
        (era.revision, era.start, era.end, era.planned_through) for era in record.eras
    ]
    assert (read.body.last_commands.put_revision, read.body.last_commands.delete_revision, read.body.spent) == (
        last.put_revision,
        last.delete_revision,
        record.spent,
    )
    assert (read.body.schedule is None) == (record.schedule is None)


def test_fields_that_a_later_release_adds_are_passed_over(release: str) -> None:
    written = _written(release, "pack")
    more = written | {"colour": "red", "fires": [[*fire, "more"] for fire in written["fires"]]}
    asked = _written(release, "segment-range")
    item = _written(release, "schedule-item")
    body = item["body"]["S"].removesuffix("}") + ',"colour":"red"}'

    assert decode_pack(json.dumps(more)) == decode_pack(json.dumps(written))
    assert decode_range(json.dumps(asked | {"colour": "red"})) == decode_range(json.dumps(asked))
    assert items.decode(item | {"colour": {"S": "red"}, "body": {"S": body}}) == items.decode(item)


# --- Inputs, before and after they moved into items of their own ----------------------------------------------------


def _with_large_input(release: str) -> tuple[dict[str, Any], bytes]:
    """An item of *release*, which held the input whatever its size, and that input."""
    item = _written(release, "schedule-item")
    body = json.loads(item["body"]["S"])
    body["schedule"]["input"] = {"rows": ["x" * 99] * 500}
    encoded = json.dumps(body, separators=(",", ":"))
    return item | {"body": {"S": encoded}}, json.dumps(body["schedule"]["input"], separators=(",", ":")).encode()


def test_a_large_input_in_an_item_of_an_earlier_release_is_read_and_fired(release: str) -> None:
    item, given_ = _with_large_input(release)
    record = items.decode(item)
    assert record.schedule is not None
    fire = Fire(record.tenant, record.name, record.revision, 1, 1)

    event = fired(record, fire, attempt=1, local_time="")

    assert (record.input, bytes(record.schedule.input)) == (None, given_)
    assert given_ in event.detail


def test_the_next_change_of_it_moves_the_input_and_an_earlier_release_does_not_guess(release: str) -> None:
    """An executor of the earlier release puts the fire back until a later one takes it, rather than fire it bare."""
    item, given_ = _with_large_input(release)

    stored, apart = set_apart(items.decode(item))

    assert apart is not None
    assert (bytes(apart), stored.input is None) == (given_, False)
    assert items.decode(items.encode(stored)) == stored
    with pytest.raises(ValueError, match="format 2"):
        RELEASES[release].read_item(items.encode(stored))


def test_a_schedule_with_a_small_input_keeps_its_format(release: str) -> None:
    record = items.decode(_written(release, "schedule-item"))

    assert set_apart(record) == (record, None)
    assert items.encode(record)["v"] == {"N": "1"}


# --- A format that may not be misread ------------------------------------------------------------------------------


def test_a_later_format_is_refused_by_its_number_and_never_guessed_at(release: str) -> None:
    with pytest.raises(Undecodable, match="a pack of version 3; this release reads version 1 and 2"):
        decode_pack(json.dumps(_written(release, "pack") | {"v": 3}))
    with pytest.raises(Undecodable, match="a range of version 2; this release reads version 1"):
        decode_range(json.dumps(_written(release, "segment-range") | {"v": 2}))
    with pytest.raises(Undecodable, match="acme/nightly-export is stored in format 3; this version reads formats"):
        items.decode(_written(release, "schedule-item") | {"v": {"N": "3"}})


LATER = {"v": {"N": "2"}}


async def test_nothing_of_a_later_format_is_read_from_the_ledger_s_table(release: str) -> None:
    """A planner that misread a cursor would skip what it means."""
    backfill, calendar, segment = (
        _table(_written(release, f"{name}-item") | LATER) for name in ("backfill", "calendar", "segment")
    )
    listed, sweep = (_table({"pk": {"S": pk}} | LATER) for pk in ("backfills", "sweep#latest"))
    refusals = {
        "backfill#acme#nightly-export#november": DynamoBackfills(backfill).get([BackfillKey("a", "b", "c")]),
        "calendar#acme#norway": DynamoCalendars(calendar).get([CalendarKey("a", "b")]),
        "segment#5": DynamoLeases(segment).acquire(5, end=9, now=5, lease_until=7),
        "backfills": DynamoBackfills(listed).open(),
        "sweep#latest": DynamoSweeps(sweep).latest(),
    }

    for pk, reading in refusals.items():
        with pytest.raises(Undecodable, match=f"{pk} is stored in format 2; this version reads format 1"):
            await reading


async def test_a_document_that_is_none_is_refused_by_its_key(release: str) -> None:
    for broken in ({"body": {"S": "{}"}}, {"body": {"S": "not JSON"}}):
        table = _table(_written(release, "calendar-item") | broken)
        with pytest.raises(Undecodable, match="calendar#acme#norway is stored in a form that cannot be read"):
            await DynamoCalendars(table).get([CalendarKey("acme", "norway")])


@pytest.mark.moto
async def test_every_item_of_the_ledger_s_table_has_a_number_and_is_read_by_earlier_releases(
    moto_endpoint: str, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    use_endpoint(monkeypatch, moto_endpoint)
    old = RELEASES[release]
    backfill = Backfill(
        tenant="acme",
        name="report",
        id="november",
        event_id="e",
        span=Window(1, 9),
        enqueued_through=5,
        slice=Window(2, 3),
    )
    calendar = Calendar(tenant="acme", name="norway", revision=7, dates=("2026-12-24",), expires=99)
    sweep = Sweep(number=1, began=5, unfinished_since=5, segments=64, shares=64)
    async with aws_clients(concurrency=4) as clients, admin() as creating:
        table = await create_table(creating.dynamodb, f"formats-{release}", "LedgerTable")
        ledger = DynamoTable(clients.dynamodb, table, retry=Waits().retry())
        leases, backfills = DynamoLeases(ledger), DynamoBackfills(ledger)
        for segment in (5, 6):
            lease = await leases.acquire(segment, end=5_000, now=1_000, lease_until=1_060)
            assert lease is not None
            assert await (leases.save(lease, "page 2") if segment == 5 else leases.commit(lease))
        await DynamoPublishedPacks(ledger).record("p", now=1, expires=2)
        await DynamoSweeps(ledger).put(sweep, replacing=None)
        await DynamoSweeps(ledger).put_share(Share(part=3, sweep=1, version=1), replacing=None)
        await backfills.put(backfill, replacing=None)
        await backfills.enter(backfill.key)
        await DynamoCalendars(ledger).put(calendar, replacing=None)
        items = {item["pk"]["S"]: item for item in (await clients.dynamodb.scan(TableName=table))["Items"]}

    assert {(pk, item["v"]["N"]) for pk, item in items.items()} == {
        ("segment#5", "1"), ("segment#6", "1"), ("pack#p", "1"), ("sweep#latest", "1"), ("share#3", "1"),
        ("backfills", "1"), ("backfill#acme#report#november", "1"), ("calendar#acme#norway", "1"),
    }  # fmt: skip
    assert old.read_segment(items["segment#5"]) == (0, 5_000, 0, 1, "page 2")
    assert old.read_segment(items["segment#6"]) == (5_000, 5_000, 0, 1, None)
    assert old.read_open_backfills(items["backfills"]) == ["acme/report/november"]
    read = msgspec.to_builtins(old.read_backfill(items["backfill#acme#report#november"]))
    assert read == {name: value for name, value in msgspec.to_builtins(backfill).items() if name in read}
    days = msgspec.to_builtins(old.read_calendar(items["calendar#acme#norway"]))
    assert days == {name: value for name, value in msgspec.to_builtins(calendar).items() if name in days}
