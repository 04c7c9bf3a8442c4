"""A record as a DynamoDB item."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.adapters.aws.fire_records import decode_to_fire
from eventcron.adapters.aws.index_pages import decode_index
from eventcron.adapters.aws.items import decode, encode
from eventcron.adapters.aws.table import Item, number, text
from eventcron.errors import Undecodable
from eventcron.model.commands import Misfire, MisfirePolicy, Schedule
from eventcron.model.messages import Fire
from eventcron.model.names import MAX_INPUT_BYTES
from eventcron.model.records import Era, FiredSchedule, FireRecord, LastCommands, Record, State
from eventcron.rules import lifecycle
from eventcron.rules.inputs import set_apart
from eventcron.rules.judging import Known
from eventcron.rules.lifecycle import MAX_EARLIER_BYTES, When
from eventcron.rules.ordering import Version
from eventcron.timing.exclusions import DateSpan
from tests.resources import properties

instants = st.integers(0, 2**53 - 1)
names = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", fullmatch=True)
schedules = st.builds(
    Schedule,
    tenant=names,
    name=names,
    expression=st.text(min_size=1, max_size=256) | st.lists(st.text(min_size=1), min_size=1, max_size=16),
    input=st.recursive(st.none() | st.text() | st.integers(), st.lists).map(msgspec.json.encode).map(msgspec.Raw),
    labels=st.dictionaries(names, st.text(max_size=256), max_size=3),
    route=st.none() | names,
    flexible_window_seconds=st.integers(0, 86_400),
    misfire=st.builds(Misfire, policy=st.sampled_from(MisfirePolicy), grace_seconds=st.integers(0, 604_800)),
)
eras = st.builds(
    Era,
    instants,
    st.sampled_from(["", "daily", "hourly", "1;" + "x" * 1_000, "1;" + "y" * 1_000]),
    instants,
    st.none() | instants,
    paused=st.booleans(),
    planned_through=st.none() | instants,
    catch_up_until=instants,
    misfire=st.builds(Misfire, policy=st.sampled_from(MisfirePolicy)),
    flexible_window_seconds=st.integers(0, 86_400),
    per_minute=st.integers(1, 6_000),
)
records = st.builds(
    Record,
    schedule=st.none() | schedules,
    tenant=names,
    name=names,
    revision=instants,
    state=st.sampled_from(State),
    created=instants,
    last_commands=st.builds(
        LastCommands,
        put_revision=instants,
        delete_revision=instants,
        pause_revision=instants,
        pause=st.booleans(),
    ),
    eras=st.lists(eras, max_size=5).map(tuple),
    handoff=instants,
    segment=st.none() | st.integers(0, 1023),
    wake=st.none() | instants,
    pending=st.none() | instants,
    spent=st.integers(0, 10_000),
    recent_event_ids=st.lists(st.text(), max_size=3).map(tuple),
    expires=st.none() | instants,
)


def an_item(**attributes: Any) -> Item:
    return (
        encode(
            Record(
                schedule=Schedule(tenant="acme", name="nightly", expression="@daily"),
                tenant="acme",
                name="nightly",
                revision=1,
                state=State.ENABLED,
                created=2,
                segment=5,
                wake=0,
            )
        )
        | attributes
    )


@given(records)
def test_what_is_encoded_decodes_to_the_same(record: Record) -> None:
    assert decode(encode(record)) == record


#: What the template projects into the index: read once, not for each example.
INDEX = properties("SchedulesTable")["GlobalSecondaryIndexes"][0]
PROJECTED = {"tenant", "name", "segment", "wake", *INDEX["Projection"]["NonKeyAttributes"]}


def as_dynamodb_sends(*items: Item) -> bytes:
    return msgspec.json.encode({"Responses": {"schedules": items}})


def members(protocol: type) -> list[str]:
    return [name for name, value in vars(protocol).items() if isinstance(value, property)]


@pytest.mark.slow
@given(records)
def test_what_a_fire_needs_of_an_item_is_what_the_whole_record_has(record: Record) -> None:
    item = encode(record)
    whole = decode(item)

    (read,) = decode_to_fire(as_dynamodb_sends(item)).items["schedules"]

    for name in members(FireRecord):
        if name not in {"schedule", "size"}:
            assert getattr(read, name) == getattr(whole, name)
    assert read.size >= sum(map(len, {era.trigger for era in whole.eras})), "a text that eras share is stored once"
    assert (read.schedule is None) == (whole.schedule is None)
    for name in members(FiredSchedule) if whole.schedule is not None else []:
        found, expected = getattr(read.schedule, name), getattr(whole.schedule, name)
        assert (bytes(found) == bytes(expected)) if name == "input" else (found == expected)


def test_a_fire_needs_a_record_that_this_release_reads_as_a_whole() -> None:
    """A later release may have added to a schedule what this one would leave out of its fires."""
    schedule = '{"tenant":"acme","name":"nightly","expression":"0 1 * * *","hush":true}'
    item = an_item(body=text(f'{{"schedule":{schedule},"created":1}}'))
    with pytest.raises(Undecodable) as whole:
        decode(item)

    with pytest.raises(Undecodable) as to_fire:
        decode_to_fire(as_dynamodb_sends(item))

    assert to_fire.value.reason == whole.value.reason
    assert "hush" in to_fire.value.reason


@pytest.mark.parametrize(
    "eras",
    [
        pytest.param('[[1,"=",0,null,"no"]]', id="no-era"),
        pytest.param('[[1,"=7",0],[2,"=",0]]', id="refers-to-what-is-not-there"),
    ],
)
def test_eras_that_cannot_be_read_hold_up_the_fires_that_need_them(eras: str) -> None:
    (record,) = decode_to_fire(as_dynamodb_sends(an_item(eras=text(eras)))).items["schedules"]
    known = Known({record.key: record}, {}, {}, {})

    of_before = known.judge(Fire("acme", "nightly", 0, 0, 0), now=0)

    assert of_before.verdict == "wait"
    assert of_before.unreadable.startswith("the eras of schedule acme/nightly cannot be read")


@pytest.mark.slow
@given(records.filter(lambda record: record.eras and record.wake is not None))
def test_an_entry_needs_only_what_the_template_projects(record: Record) -> None:
    item = {name: value for name, value in encode(record).items() if name in PROJECTED}
    [entry] = decode_index(msgspec.json.encode({"Items": [item]})).items

    era = record.era
    assert (entry.key, entry.revision, entry.handoff, entry.wake) == (
        record.key,
        record.revision,
        record.handoff,
        record.wake,
    )
    assert (entry.trigger, entry.start, entry.end) == (era.trigger, era.start, era.end)
    assert (entry.misfire, entry.flexible_window_seconds) == (era.misfire, era.flexible_window_seconds)


def test_an_item_reads_well_in_the_console() -> None:
    assert an_item() == {
        "tenant": {"S": "acme"},
        "name": {"S": "nightly"},
        "v": {"N": "1"},
        "revision": {"N": "1"},
        "state": {"S": "ENABLED"},
        "trigger": {"S": ""},
        "start": {"N": "0"},
        "eras": {"S": "[]"},
        "handoff": {"N": "0"},
        "segment": {"N": "5"},
        "wake": {"N": "0"},
        "body": {"S": '{"schedule":{"tenant":"acme","name":"nightly","expression":"@daily"},"created":2}'},
    }


def test_an_older_item_lacks_newer_fields_and_reads_as_their_defaults() -> None:
    assert decode(an_item(body=text('{"schedule":null,"created":2}'))).recent_event_ids == ()


def test_a_newer_item_may_have_fields_that_are_not_known_yet() -> None:
    newer = an_item(body=text('{"schedule":null,"created":2,"colour":"red"}'), shade=text("dark"))

    assert decode(newer).created == 2


@pytest.mark.parametrize(
    ("item", "message"),
    [
        pytest.param(
            an_item(v=number(3)),
            "schedule acme/nightly is stored in format 3; this version reads formats 1 and 2",
            id="later-format",
        ),
        pytest.param(
            {"tenant": text("acme"), "name": text("nightly")},
            "schedule acme/nightly is stored in format unknown; this version reads formats 1 and 2",
            id="no-format",
        ),
        pytest.param(
            an_item(state=text("ASLEEP")),
            "schedule acme/nightly is stored in a form that cannot be read:"
            " ValueError(\"'ASLEEP' is not a valid State\")",
            id="unknown-state",
        ),
        pytest.param(
            an_item(body=text("{")),
            "schedule acme/nightly is stored in a form that cannot be read: DecodeError('Input data was truncated')",
            id="broken-body",
        ),
    ],
)
def test_what_cannot_be_read_says_which_schedule_it_is(item: Item, message: str) -> None:
    with pytest.raises(Undecodable) as raised:
        decode(item)
    with pytest.raises(Undecodable) as to_fire:
        decode_to_fire(as_dynamodb_sends(item))

    assert str(raised.value) == str(to_fire.value) == message


# --- The largest record ----------------------------------------------------------------------------------------------

#: Bytes. DynamoDB, "Item size: the maximum item size is 400 KB"; names and values count.
MAX_ITEM_BYTES = 409_600
NOW = 1_796_112_000_000


def item_size(item: Item) -> int:
    """The item's size as DynamoDB counts it, at most: a number has no more bytes than digits."""
    return sum(len(name.encode()) + len(str(next(iter(value.values()))).encode()) for name, value in item.items())


def largest(nth: int, *, exclusions: bool) -> tuple[Schedule, dict[str, list[DateSpan]]]:
    """A put with everything at its limit, that differs from every other in each expression, exclusion and day."""
    years = ",".join(str(year) for year in range(1990 + nth, 2199, 5))
    expression = [f"{second},{second + 20} */2 */3 */2 */2 ? 1971-2199/{2 + nth}" for second in range(16)]
    days = [DateSpan(40 * day + nth, 40 * day + nth + 9) for day in range(1_000)]
    exclude = []
    if exclusions:
        exclude = [f"{second} {nth} {','.join(map(str, range(0, 24, 2)))} 31 1 * {years}"[:256] for second in range(59)]
        exclude = [text.rsplit(",", 1)[0] for text in exclude]
    schedule = Schedule(
        tenant="t" * 64,
        name="n" * 128,
        expression=expression,
        timezone="America/Argentina/ComodRivadavia",
        exclude=[*exclude, "calendar:" + "c" * 64],
        max_fires=10_000,
        input=msgspec.Raw(b'"' + b"x" * (MAX_INPUT_BYTES - 2) + b'"'),
        detail_type="å" * 128,
        labels={f"{label}": "å" * 240 for label in range(32)},
        description="⏰" * 512,
        flexible_window_seconds=86_400,
        after_completion="DELETE",
    )
    return schedule, {"c" * 64: days}


@pytest.mark.parametrize("exclusions", [False, True])
def test_the_largest_record_that_the_limits_allow_fits_into_an_item(exclusions: bool) -> None:
    """A dozen of the largest definitions, one after the other within seconds."""
    record: Record | None = None
    triggers = set()
    for nth in range(12):
        schedule, calendars = largest(nth, exclusions=exclusions)
        when = When(NOW + nth, NOW + nth, 800_000, 64, NOW)
        ids = tuple("e" * 254 + f"{other:02}" for other in range(16))
        record = lifecycle.put(record, schedule, Version(NOW + nth, ids), when, expires=0, calendars=calendars)
        triggers.add(record.era.trigger)
        size = item_size(encode(set_apart(record)[0]))
        assert size < MAX_ITEM_BYTES
        assert decode(encode(set_apart(record)[0])) == set_apart(record)[0]

    assert record is not None
    longest = max(map(len, triggers))
    assert (len(triggers), longest > (40_000 if exclusions else 20_000)) == (12, True)
    assert len(record.eras) >= (5 if exclusions else 9), "those whose fires may be on their way stay"
    assert 4 * longest <= MAX_EARLIER_BYTES
