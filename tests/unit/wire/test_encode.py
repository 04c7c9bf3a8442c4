"""Ids are the same whoever computes them; packs survive the queue; events fit the bus and carry the input unread."""

from __future__ import annotations

import json
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from eventcron.errors import Undecodable
from eventcron.model.codes import SkipReason
from eventcron.model.commands import COMMANDS, Schedule
from eventcron.model.events import EVENT_DETAILS, SkipNotice, is_reserved
from eventcron.model.messages import Fire, Pack
from eventcron.model.names import MAX_INPUT_BYTES, MAX_REVISION, Key
from eventcron.model.records import Record, State
from eventcron.rules.packing import make_pack
from eventcron.wire.encode import (
    completed,
    created,
    decode_pack,
    deleted,
    encode_pack,
    failed,
    fire_id,
    fired,
    pack_id,
    skipped,
)

DUE = 1796086800000
FIRE = Fire("acme", "nightly-export", 1764547200000, DUE, DUE)

NAME = st.text(st.sampled_from("abcXYZ019._-"), min_size=1, max_size=128)
INSTANT = st.integers(0, 253_402_300_799_999)
FIRES = st.builds(
    Fire,
    NAME,
    NAME,
    st.integers(0, MAX_REVISION),
    INSTANT,
    INSTANT,
    cause=st.sampled_from(["schedule", "run", "backfill"]),
    cause_id=NAME | st.just(""),
    last=st.booleans(),
)


def record(schedule: Schedule | None, state: State = State.ENABLED) -> Record:
    return Record(schedule=schedule, tenant="acme", name="nightly-export", revision=7, state=state, created=0)


def schedule(**more: object) -> Schedule:
    return msgspec.convert({"tenant": "acme", "name": "nightly-export", "expression": "@daily", **more}, Schedule)


# --- Ids -------------------------------------------------------------------------------------------------------------


def test_the_fire_id_never_changes() -> None:
    """Consumers know repeats by it, also across an upgrade."""
    assert fire_id(FIRE) == "3b9764512e1cbab5c0bf08dc8a5c647f"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Fire("acme", "nightly-export", 8, DUE, DUE), id="an-update-that-left-it-where-it-was"),
        pytest.param(Fire("acme", "nightly-export", 1764547200000, DUE, DUE + 9_000), id="a-flexible-window"),
        pytest.param(Fire("acme", "nightly-export", 1764547200000, DUE, DUE, last=True), id="the-last"),
    ],
)
def test_the_same_occurrence_has_the_same_id(other: Fire) -> None:
    assert fire_id(other) == fire_id(FIRE)


def test_other_occurrences_have_other_ids() -> None:
    """Also where the same letters are split between the fields in another way."""
    fires = [
        FIRE,
        Fire("acme", "nightly-export", 7, DUE + 1, DUE),
        Fire("acm", "enightly-export", 7, DUE, DUE),
        Fire("acme", "nightly-export", 7, DUE, DUE, cause="run"),
        Fire("acme", "nightly-export", 7, DUE, DUE, cause="run", cause_id="1"),
        Fire("acme", "nightly-export", 7, DUE, DUE, cause="backfill", cause_id="1"),
        Fire('acme","nightly', "export", 7, DUE, DUE),
    ]

    assert len({fire_id(fire) for fire in fires}) == len(fires)


@given(FIRES, FIRES)
def test_ids_are_equal_only_for_equal_occurrences(one: Fire, other: Fire) -> None:
    def occurrence(fire: Fire) -> tuple[object, ...]:
        due = None if fire.cause == "run" else fire.due
        return (fire.tenant, fire.name, due, fire.cause, fire.public_id)

    assert (fire_id(one) == fire_id(other)) == (occurrence(one) == occurrence(other))
    assert len(fire_id(one)) == 32


@given(st.lists(FIRES, min_size=1, max_size=4))
def test_a_packs_id_says_what_is_in_it_in_any_order(fires: list[Fire]) -> None:
    assert {pack_id(order) for order in permutations(fires)} == {pack_id(fires)}
    assert pack_id([*fires, FIRE]) != pack_id(fires)


# --- Packs -----------------------------------------------------------------------------------------------------------


@given(st.lists(FIRES, min_size=1, max_size=5), st.integers(1, 99))
def test_a_pack_survives_the_queue(fires: list[Fire], attempt: int) -> None:
    pack = replace(make_pack(fires), attempt=attempt)

    assert decode_pack(encode_pack(pack)) == pack
    assert decode_pack(encode_pack(pack).encode()) == pack


def test_a_pack_says_its_version() -> None:
    """Left out as a default, version 2 would look like version 1 to an older release."""
    assert json.loads(encode_pack(make_pack([FIRE])))["v"] == 1


def test_a_field_that_a_later_release_adds_is_ignored() -> None:
    body = json.loads(encode_pack(make_pack([FIRE])))
    body["fires"][0] += ["new"]

    assert decode_pack(json.dumps({**body, "trace": "1-2"})) == make_pack([FIRE])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("", "not a pack: Input data was truncated", id="empty"),
        pytest.param("[]", "not a pack: Expected `object`, got `array`", id="list"),
        pytest.param(b"\xff", "not a pack: JSON is malformed: invalid character (byte 0)", id="bytes"),
        pytest.param("[" * 100_000, "not a pack: Expected `object`, got `array`", id="brackets"),
        pytest.param('{"v":1,"trace":' + "[" * 100_000, "not a pack: maximum recursion depth exceeded", id="deep"),
        pytest.param('{"v":3,"fires":"elsewhere"}', "a pack of version 3; this release reads version 1 and 2",
                     id="version-2"),
        pytest.param('{"v":0}', "a pack of version 0; this release reads version 1 and 2", id="version-0"),
        pytest.param('{"v":1,"id":"a","at":0,"fires":[]}', "a pack without fires", id="no-fires"),
        pytest.param('{"v":1,"id":"a","at":0,"fires":[["a","b",1,2]]}',
                     "not a pack: Expected `array` of at least length 5, got 4 - at `$.fires[0]`", id="short-fire"),
        pytest.param('{"v":1,"id":"a","at":0,"fires":[["a","b",1,-1,0]]}',
                     "a pack with a fire due before 1970 or after 9999", id="before-1970"),
        pytest.param('{"v":1,"id":"a","at":0,"fires":[["a","b",1,0,253402300800000]]}',
                     "a pack with a fire due before 1970 or after 9999", id="after-9999"),
        pytest.param("\ud800", "not a pack: 'utf-8' codec can't encode character", id="half-a-character"),
    ],
)  # fmt: skip
def test_what_is_no_pack_says_why(body: str | bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode_pack(body)

    assert caught.value.reason.startswith(reason)


BODY = encode_pack(make_pack([FIRE])).encode()


@given(st.integers(0, len(BODY)), st.integers(0, 3), st.binary(max_size=3))
def test_a_damaged_pack_is_a_pack_or_undecodable(at: int, lost: int, inserted: bytes) -> None:
    try:
        pack = decode_pack(BODY[:at] + inserted + BODY[at + lost :])
    except Undecodable as error:
        assert error.reason  # noqa: PT017  # both ends are right
    else:
        assert pack.fires


# --- Events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given_input",
    [
        pytest.param('{"b":1,  "a": [1.10, 1e999]}', id="spaces-order-and-numbers"),
        pytest.param("123456789012345678901234567890", id="huge-number"),
        pytest.param('"\\u00e5 \\/"', id="escapes"),
        pytest.param("null", id="null"),
    ],
)
def test_the_input_is_handed_on_byte_for_byte(given_input: str) -> None:
    event = fired(record(schedule(input=msgspec.Raw(given_input.encode()))), FIRE, attempt=1, local_time="x")

    assert event.detail.endswith(b'"input":' + given_input.encode() + b"}")


def test_a_fire_is_the_revision_it_was_planned_under() -> None:
    """A schedule updated within the last second may still fire by its former trigger."""
    detail = json.loads(fired(record(schedule()), FIRE, attempt=3, local_time="x").detail)

    assert (detail["revision"], detail["attempt"]) == (FIRE.revision, 3)


@pytest.mark.parametrize(("cause", "cause_id"), [("run", "r-1"), ("backfill", "b-1")])
def test_a_fire_out_of_turn_says_what_caused_it(cause: str, cause_id: str) -> None:
    fire = msgspec.convert(["acme", "nightly-export", 7, DUE, DUE, cause, cause_id], Fire)
    details = [
        json.loads(event.detail)
        for event in (
            fired(record(schedule()), fire, attempt=1, local_time="x"),
            failed(record(None), fire, code="c", message="m", attempts=1, now=0),
        )
    ]

    assert [(detail["cause"], detail["cause_id"]) for detail in details] == [(cause, cause_id)] * 2


def test_an_ordinary_fire_has_no_cause_id() -> None:
    assert "cause_id" not in json.loads(fired(record(schedule()), FIRE, attempt=1, local_time="x").detail)


def test_a_tombstone_cannot_fire() -> None:
    with pytest.raises(ValueError, match="acme/nightly-export is DELETED: it has no schedule to fire"):
        fired(record(None, State.DELETED), FIRE, attempt=1, local_time="x")


def test_a_fire_of_a_deleted_schedule_can_fail_all_the_same() -> None:
    assert json.loads(failed(record(None), FIRE, code="c", message="m", attempts=1, now=0).detail)["labels"] == {}


def test_a_fire_takes_the_name_that_its_schedule_gives_it_and_the_time_at_which_it_was_to_be_published() -> None:
    late = Fire("acme", "nightly-export", 7, DUE, DUE + 60_000)
    event = fired(record(schedule(detail_type="Nightly Export Due")), late, attempt=1, local_time="x")

    assert (event.detail_type, event.time, event.source) == ("Nightly Export Due", DUE + 60_000, "eventcron")
    assert event.resources == ("acme/nightly-export",)


def test_what_is_not_known_is_left_out() -> None:
    assert set(json.loads(deleted(record(None, State.DELETED), now=0).detail)) == {
        "tenant",
        "name",
        "revision",
        "state",
    }


def test_several_expressions_stay_several() -> None:
    event = created(record(schedule(expression=["@daily", "@hourly"])), now=0)

    assert json.loads(event.detail)["expression"] == ["@daily", "@hourly"]


def test_a_completed_schedule_is_completed_whatever_is_still_stored() -> None:
    assert json.loads(completed(record(schedule(), State.ENABLED), now=0).detail)["state"] == "COMPLETED"


def test_a_skip_bears_the_id_of_its_first_occurrence() -> None:
    notice = SkipNotice(
        tenant="acme",
        name="nightly-export",
        revision=7,
        reason=SkipReason.MISFIRE,
        first_due=DUE,
        last_due=DUE + 1,
        count=2,
    )
    detail = json.loads(skipped(notice, now=0).detail)

    assert detail["fire_id"] == fire_id(FIRE)
    assert "by" not in detail


def test_the_largest_fire_fits_a_put_events_call() -> None:
    """256 KB: time 14 bytes, source, detail-type, detail, resources."""
    largest = schedule(
        tenant="t" * 64,
        name="n" * 128,
        timezone="z" * 64,
        input=msgspec.Raw(b'"' + b"x" * (MAX_INPUT_BYTES - 2) + b'"'),
        detail_type="🫐" * 128,
        labels={f"{n:064}": "ø" * 223 for n in range(32)},
    )
    fire = Fire("t" * 64, "n" * 128, MAX_REVISION, DUE, DUE, "backfill", "c" * 64)
    event = fired(record(largest), fire, attempt=10**6, local_time="2026-12-01T02:00:00.000+01:00")
    assert len(msgspec.json.encode(largest.labels)) > 16_000
    size = (
        14 + len(event.detail) + sum(len(text.encode()) for text in (event.source, event.detail_type, *event.resources))
    )

    assert size < 262_144


@pytest.mark.parametrize("name", [*COMMANDS, *EVENT_DETAILS, "Backfill Schedule"])
def test_no_fire_passes_for_a_command_or_another_event(name: str) -> None:
    own = name == "Schedule Fired"

    assert [is_reserved(text) for text in (name, name.lower(), f" {name} ")] == [not own] * 3


def test_other_names_are_free() -> None:
    assert not any(map(is_reserved, ["Nightly Export Due", "Schedule", "Put Schedules", ""]))


def test_keys_print_as_resources() -> None:
    assert str(Key("acme", "tea")) == "acme/tea"


def test_packs_keep_their_shape() -> None:
    """The order of a fire's parts is the format: a change of it needs a new version."""
    assert Fire.__struct_fields__ == ("tenant", "name", "revision", "due", "at", "cause", "cause_id", "last")
    assert Pack.__struct_fields__ == ("v", "id", "at", "fires", "attempt", "kind", "lane")
    assert "kind" not in encode_pack(make_pack([FIRE]))
