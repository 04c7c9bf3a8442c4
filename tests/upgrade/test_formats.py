"""Deploying and rolling back while packs are on their way and schedules stored: each release reads the other's.

``events/formats/<release>/`` holds what a release wrote; ``release_<release>.py`` how it reads. A release that can no
longer do one of the two has a format of its own, and needs the steps in docs/operations.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.adapters.aws import items
from eventcron.core.calendars import read_dates
from eventcron.core.envelope import decode_pack, encode_pack, fire_id, pack_id
from eventcron.core.packing import make_pack
from eventcron.core.ranges import decode_range, encode_range
from eventcron.core.segment import segment_of
from eventcron.errors import Undecodable
from eventcron.model import Backfill, Calendar, Fire, Record, Schedule, SegmentRange, State
from tests.upgrade import release_0_1

FORMATS = Path(__file__).parents[2] / "events" / "formats"
RELEASES = {"0.1": release_0_1}

names = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
instants = st.integers(0, 253_402_300_799_999)
fires = st.builds(
    Fire, names, names, instants, instants, instants, st.sampled_from(["schedule", "run", "backfill"]), names
)


def _written(release: str, name: str) -> Any:
    return json.loads((FORMATS / release / f"{name}.json").read_text(encoding="utf-8"))


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
    plan = items.decode_plan(_written(release, "schedule-item"))

    assert (plan.tenant, plan.name, plan.wake) == ("acme", "nightly-export", 1_796_115_600_000)
    assert (plan.misfire.policy, plan.flexible_window_seconds) == ("skip", 300)


def test_a_backfill_of_an_earlier_release_goes_on_where_it_was(release: str) -> None:
    written = json.loads(_written(release, "backfill-item")["body"]["S"])
    backfill = msgspec.convert(written, Backfill)

    again = json.loads(msgspec.json.encode(backfill))

    assert again | written == again
    assert (backfill.cursor, backfill.slice, backfill.fires) == (
        1_796_068_800_000,
        (1_796_112_000_000, 1_796_112_060_000),
        5,
    )


def test_a_calendar_of_an_earlier_release_has_its_days(release: str) -> None:
    written = json.loads(_written(release, "calendar-item")["body"]["S"])
    calendar = msgspec.convert(written, Calendar)

    again = json.loads(msgspec.json.encode(calendar))

    assert again | written == again
    assert [str(span) for span in read_dates(calendar.dates or ())] == ["2026-12-24/2026-12-26", "2027-05-17"]


# --- Rolling back: what this release writes, read by an earlier one -----------------------------------------------


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


@given(
    record=st.builds(
        Record,
        schedule=st.just(Schedule(tenant="acme", name="nightly", expression="@daily")) | st.none(),
        tenant=names,
        name=names,
        revision=instants,
        state=st.sampled_from(State),
        created=instants,
        defined=instants,
        deleted=instants,
        trigger=st.text(max_size=20),
        first=instants,
        until=st.none() | instants,
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
    alike = [name for name in read._fields if name != "body"]

    assert {name: getattr(read, name) for name in alike} == {name: getattr(record, name) for name in alike}
    assert (read.body.defined, read.body.deleted, read.body.spent) == (record.defined, record.deleted, record.spent)
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


# --- A format that may not be misread ------------------------------------------------------------------------------


def test_a_later_format_is_refused_by_its_number_and_never_guessed_at(release: str) -> None:
    with pytest.raises(Undecodable, match="a pack of version 2; this release reads version 1"):
        decode_pack(json.dumps(_written(release, "pack") | {"v": 2}))
    with pytest.raises(Undecodable, match="a range of version 2; this release reads version 1"):
        decode_range(json.dumps(_written(release, "segment-range") | {"v": 2}))
    with pytest.raises(Undecodable, match="acme/nightly-export is stored in format 2; this version reads format 1"):
        items.decode(_written(release, "schedule-item") | {"v": {"N": "2"}})
