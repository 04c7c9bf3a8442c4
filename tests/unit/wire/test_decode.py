"""Strangers' text becomes a command, or an answer that says field, given, allowed; it never becomes anything else."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventcron.errors import InvalidExpression, InvalidSchedule, Undecodable
from eventcron.model.commands import (
    COMMANDS,
    Command,
    DaylightSaving,
    DeleteSchedule,
    Misfire,
    MisfirePolicy,
    PauseSchedule,
    ReportRun,
    ResumeSchedule,
    RunSchedule,
    Schedule,
)
from eventcron.model.events import is_reserved
from eventcron.model.names import MAX_INPUT_BYTES, MAX_REVISION
from eventcron.wire.decode import MAX_LABELS_BYTES, Received, Rejected, decode_command, decode_schedule
from eventcron.wire.encode import rejected
from eventcron.wire.strict_json import MAX_DEPTH

BASE = {"tenant": "acme", "name": "tea", "expression": "@daily"}


def event(
    detail: object = BASE, *, source: str = "eventcron.tenant.acme", detail_type: str = "Put Schedule", **more: object
) -> dict[str, object]:
    return {
        "version": "0",
        "id": "6f2ab4c1-0d1e-4a57-9c3b-000000000001",
        "detail-type": detail_type,
        "source": source,
        "account": "123456789012",
        "time": "2026-11-30T12:00:00Z",
        "region": "eu-north-1",
        "resources": [],
        "detail": detail,
        **more,
    }


def around(detail: str | bytes, **more: str) -> bytes:
    """An event whose detail is this text, whatever it is."""
    text = json.dumps(event("@@", **more)).encode()
    return text.replace(b'"@@"', detail.encode("utf-8", "surrogatepass") if isinstance(detail, str) else detail)


def decode(body: object, trusted: frozenset[str] = frozenset()) -> Received:
    return decode_command(body if isinstance(body, str | bytes) else json.dumps(body), trusted_sources=trusted)


def refused(body: object, trusted: frozenset[str] = frozenset()) -> Rejected:
    with pytest.raises(Rejected) as caught:
        decode(body, trusted)
    return caught.value


# --- What is taken ---------------------------------------------------------------------------------------------------


def test_a_command_comes_with_what_is_known_of_its_event() -> None:
    received = decode(event({**BASE, "revision": 7}))

    assert received == Received(
        command=Schedule(tenant="acme", name="tea", expression="@daily", revision=7),
        detail_type="Put Schedule",
        event_id="6f2ab4c1-0d1e-4a57-9c3b-000000000001",
        source="eventcron.tenant.acme",
        time=1796040000000,
    )


@pytest.mark.parametrize(("detail_type", "kind"), COMMANDS.items())
def test_each_detail_type_has_its_command(detail_type: str, kind: type[Command]) -> None:
    assert type(decode(event(least(kind), detail_type=detail_type)).command) is kind


#: A value for every field that some command requires.
REQUIRED: dict[str, Any] = BASE | {
    "from": "2026-12-01T00:00:00Z",
    "until": "2026-12-02T00:00:00Z",
    "backfill_id": "b-1",
    "fire_id": "3b9764512e1cbab5c0bf08dc8a5c647f",
    "run_token": "s" * 44,
    "status": "started",
    "dates": ["2026-12-24"],
}


def least(kind: type[Command]) -> dict[str, Any]:
    """The smallest detail that is a command of *kind*."""
    required = {field.encode_name for field in msgspec.structs.fields(kind) if field.required}
    # Without either it is a heartbeat, which says an end.
    required |= {"fire_id", "run_token"} if kind is ReportRun else set()
    return {name: REQUIRED[name] for name in required}


def test_fields_that_aws_may_add_to_events_are_ignored() -> None:
    assert decode(event(replay_name="again")).command.name == "tea"


def test_bytes_and_text_are_the_same() -> None:
    text = json.dumps(event({**BASE, "description": "blåbær 🫐"}), ensure_ascii=False)

    assert decode(text) == decode(text.encode())


@pytest.mark.parametrize(
    "given",
    [
        pytest.param('{"b": 1,  "a": [1.10, 1e999, 123456789012345678901234567890]}', id="spaces-order-and-numbers"),
        pytest.param('"\\u00e5\\ud83e\\uded0"', id="escapes"),
        pytest.param("9" * 5_000, id="5,000-digits"),
        pytest.param("null", id="null"),
    ],
)
def test_the_input_is_not_read(given: str) -> None:
    schedule = decode_schedule(f'{{"tenant":"acme","name":"tea","expression":"@daily","input":{given}}}'.encode())

    assert bytes(schedule.input) == given.encode()


@pytest.mark.parametrize(
    "detail",
    [
        pytest.param({"tenant": "t" * 64, "name": "n" * 128}, id="names"),
        pytest.param({"expression": "x" * 256}, id="expression"),
        pytest.param({"expression": ["x"] * 16}, id="expressions"),
        pytest.param({"exclude": ["x"] * 64}, id="exclusions"),
        pytest.param({"revision": MAX_REVISION}, id="revision"),
        pytest.param({"input": "x" * (MAX_INPUT_BYTES - 2)}, id="input"),
        pytest.param({"labels": {"l" * 64: "v" * 256}}, id="label"),
        pytest.param({"input": json.loads("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))}, id="depth"),
        pytest.param({"start": "1970-01-01T00:00:00Z", "end": "2199-12-31T23:59:59.999Z"}, id="years"),
        pytest.param({"start": "2026-12-01T00:00:00+01:00", "end": "2026-11-30T23:00:00.001Z"}, id="a-millisecond"),
        pytest.param({"detail_type": "Schedule Fired"}, id="own-detail-type"),
        pytest.param({"max_fires": 10_000, "flexible_window_seconds": 86_400}, id="numbers"),
    ],
)
def test_bounds_are_inclusive(detail: dict[str, object]) -> None:
    assert decode_schedule(json.dumps(BASE | detail).encode()).tenant


# --- What is refused -------------------------------------------------------------------------------------------------

#: What the type of a single field cannot express. ``test_rejection.py`` has the others.
REFUSED = [
    ("end", "2200-01-01T00:00:00Z", "out_of_range", "end", "'2200-01-01T00:00:00+00:00'",
     "from 1970-01-01T00:00:00.000Z to before 2200-01-01T00:00:00.000Z"),
    ("start", "0001-01-01T00:00:00+23:00", "out_of_range", "start", "'0001-01-01T00:00:00+23:00'",
     "from 1970-01-01T00:00:00.000Z to before 2200-01-01T00:00:00.000Z"),
    ("end", "9999-12-31T23:59:59-23:00", "out_of_range", "end", "'9999-12-31T23:59:59-23:00'",
     "from 1970-01-01T00:00:00.000Z to before 2200-01-01T00:00:00.000Z"),
    ("input", "x" * (MAX_INPUT_BYTES - 1), "too_large", "input", "200,001 bytes of JSON",
     "at most 200,000 bytes of JSON"),
    ("detail_type", " schedule  REJECTED", "reserved", "detail_type", "' schedule  REJECTED'",
     "'Schedule Fired', or a name that eventcron does not use for commands or other events"),
    ("detail_type", "Backfill Schedule", "reserved", "detail_type", "'Backfill Schedule'",
     "'Schedule Fired', or a name that eventcron does not use for commands or other events"),
    ("labels", {f"l{n}": "ø" * 256 for n in range(32)}, "too_large", "labels", "16,663 bytes of JSON",
     f"at most {MAX_LABELS_BYTES:,} bytes of JSON"),
    ("runs", {"overlap": "skip"}, "out_of_range", "runs.track", "false",
     "true, as the other fields of 'runs' are about tracked fires"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "code", "field", "given", "takes"), REFUSED, ids=[f"{row[0][:20]}-{row[2]}" for row in REFUSED]
)
def test_an_answer_says_field_given_and_allowed(  # noqa: PLR0917  # columns of a table
    name: str, value: object, code: str, field: str, given: str, takes: str
) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        decode_schedule(json.dumps(BASE | {name: value}, ensure_ascii=False).encode())

    error = caught.value
    assert (error.code, error.field, error.given, error.allowed) == (code, field, given, takes)
    assert str(error) == f"{field}: got {given}; allowed: {takes}"


@pytest.mark.parametrize(
    ("text", "code", "field", "given"),
    [
        pytest.param('{"tenant": }', "not_json", "detail", "Expecting value: line 1 column 12 (char 11)", id="broken"),
        pytest.param('"{}"', "not_json", "detail", "'{}'", id="text"),
        pytest.param("7", "wrong_type", "detail", "7", id="number"),
        pytest.param("null", "wrong_type", "detail", "null", id="null"),
        pytest.param('{"revision": 1e999}', "out_of_range", "revision", "1e999", id="number-beyond-floats"),
        pytest.param(f'{{"revision": {"9" * 5_000}}}', "out_of_range", "revision", "9" * 119 + "…", id="5,000-digits"),
        pytest.param("{}", "missing_field", "tenant", "nothing", id="empty"),
        pytest.param('{"name": "a", "name": "b"}', "duplicate_key", "name", "the same key twice", id="key-twice"),
    ],
)
def test_text_that_is_no_detail(text: str, code: str, field: str, given: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        decode_schedule(text.encode())

    assert (caught.value.code, caught.value.field, caught.value.given) == (code, field, given)


def test_a_schedule_ends_after_it_starts() -> None:
    detail = BASE | {"start": "2026-12-01T00:00:00+01:00", "end": "2026-11-30T23:00:00Z"}
    with pytest.raises(InvalidSchedule) as caught:
        decode_schedule(json.dumps(detail).encode())

    assert str(caught.value) == "end: got '2026-11-30T23:00:00.000Z'; allowed: after 2026-11-30T23:00:00.000Z"


# --- Who may ---------------------------------------------------------------------------------------------------------


def test_a_tenant_acts_for_itself_alone() -> None:
    error = refused(event({"tenant": "globex", "name": "payroll"}, detail_type="Delete Schedule"))

    assert error.code == "not_allowed"
    assert (error.tenant, error.name) == ("acme", None)
    assert rejected(error, now=0).resources == ()
    assert str(error) == "tenant: got 'globex'; allowed: the tenant that source 'eventcron.tenant.acme' names"
    assert isinstance(error.__cause__, InvalidSchedule)


@pytest.mark.parametrize(
    "source",
    ["eventcron.tenant.", "eventcron.tenant.ACME", "eventcron.tenant.acme.", "eventcron.tenant.acm", "acme", "ops.2"],
)
def test_other_sources_do_not_act_for_a_tenant(source: str) -> None:
    error = refused(event(source=source), trusted=frozenset({"ops"}))

    assert error.code == "not_allowed"
    assert error.name is None
    assert error.tenant != "acme"


def test_a_trusted_source_acts_for_every_tenant() -> None:
    assert decode(event(source="ops"), frozenset({"ops"})).command.tenant == "acme"


def test_what_a_trusted_source_gets_wrong_is_addressed_to_the_tenant_it_named() -> None:
    error = refused(event(BASE | {"colour": 1}, source="ops"), frozenset({"ops"}))

    assert (error.tenant, error.name, error.source) == ("acme", "tea", "ops")


def test_a_bad_detail_for_another_tenant_names_nobody_elses_schedule() -> None:
    error = refused(event({"tenant": "globex", "name": "payroll", "colour": 1}))

    assert (error.code, error.tenant, error.name) == ("unknown_field", "acme", None)


def test_an_answer_names_command_event_and_schedule() -> None:
    error = refused(event(BASE | {"colour": 1}))

    assert (error.command, error.event_id) == ("Put Schedule", "6f2ab4c1-0d1e-4a57-9c3b-000000000001")
    assert (error.source, error.tenant, error.name) == ("eventcron.tenant.acme", "acme", "tea")


def test_a_command_can_be_refused_later_on_too() -> None:
    received = decode(event())
    error = received.reject(InvalidExpression(field="minute", given="61", allowed="0-59"))

    assert (error.code, error.field, error.given, error.allowed) == ("invalid_expression", "minute", "61", "0-59")
    assert (error.command, error.event_id, error.source) == ("Put Schedule", received.event_id, "eventcron.tenant.acme")
    assert (error.tenant, error.name) == ("acme", "tea")


# --- Whom to answer when the text itself is at fault -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("detail", "code", "name"),
    [
        pytest.param(b'{"tenant":"acme","name":"tea","input":NaN}', "not_json", "tea", id="nan"),
        pytest.param(b'{"tenant":"acme","name":"tea","input":"\xff"}', "not_utf8", "tea", id="not-utf8"),
        pytest.param(rb'{"tenant":"acme","name":"tea","input":"\ud800"}', "not_utf8", "tea", id="half-a-character"),
        pytest.param(b'{"tenant":"acme","name":"tea","input":"\x01"}', "not_json", "tea", id="control-character"),
        pytest.param(b'{"tenant":"acme","name":"tea","input":' + b"[" * 9_000 + b"]" * 9_000 + b"}", "too_deep", "tea",
                     id="deep"),
        pytest.param(b'{"tenant":"acme","name":"tea","input":' + b'{"":' * 120 + b"0" + b"}" * 120 + b"}", "too_deep",
                     "tea", id="deep-objects"),
        pytest.param(b'{"tenant":"acme","name":"tea","name":"\xff"}', "not_utf8", None, id="names-that-disagree"),
        pytest.param(b'{"tenant":"acme","name":7,"input":NaN}', "not_json", None, id="a-number-for-a-name"),
        pytest.param(b"NaN", "not_json", None, id="nothing-but-nan"),
    ],
)  # fmt: skip
def test_the_sender_of_a_broken_detail_is_answered(detail: bytes, code: str, name: str | None) -> None:
    error = refused(around(detail))

    assert (error.code, error.field) == (code, "detail")
    assert (error.tenant, error.name, error.command) == ("acme", name, "Put Schedule")


EMOJI = "\U0001f600"


@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize(("count", "code"), [(49_990, None), (50_000, "too_large")])
def test_an_input_counts_alike_however_its_characters_are_escaped(escaped: bool, count: int, code: str | None) -> None:
    given = json.dumps({"text": EMOJI * count, "path": r"\u00e6"}, ensure_ascii=escaped, separators=(",", ":"))
    body = around(json.dumps(BASE)[:-1] + f', "input": {given}}}')

    if code is None:
        received = decode(body).command
        assert isinstance(received, Schedule)
        assert len(bytes(received.input)) == 199_988
        assert json.loads(bytes(received.input)) == {"text": EMOJI * count, "path": r"\u00e6"}
    else:
        error = refused(body)
        assert (error.code, error.given) == (code, "200,028 bytes of JSON")


def test_a_small_input_keeps_its_escapes() -> None:
    received = decode(around(json.dumps(BASE)[:-1] + r', "input": "bl\u00e5"}')).command

    assert isinstance(received, Schedule)
    assert bytes(received.input) == rb'"bl\u00e5"'


def test_text_with_half_a_character_in_it_is_not_utf8() -> None:
    assert refused(json.dumps(event({**BASE, "description": "@@"})).replace("@@", "\ud800")).code == "not_utf8"


def test_an_unknown_command_of_a_tenant_is_answered() -> None:
    error = refused(event(detail_type="Put \ud83e\uded0"))

    assert error.code == "unknown_command"
    assert str(error) == f"detail-type: got 'Put \ud83e\uded0'; allowed: {', '.join(COMMANDS)}".encode(
        "utf-16", "surrogatepass"
    ).decode("utf-16")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("", "not an EventBridge event: not_json: Expecting value: line 1 column 1 (char 0)", id="empty"),
        pytest.param("\ud800", "not an EventBridge event: not_utf8: byte 0xed at 0", id="half-a-character"),
        pytest.param(b"\xff\xfe", "not an EventBridge event: not_utf8: byte 0xff at 0", id="bytes"),
        pytest.param("7", "not an EventBridge event: Expected `object`, got `int`", id="number"),
        pytest.param("NaN", "not an EventBridge event: not an object", id="nan"),
        pytest.param(json.dumps(BASE), "not an EventBridge event: Object missing required field `id`",
                     id="no-envelope"),
        pytest.param('{"detail":' * 100_000, "not an EventBridge event: too_deep: more than 100 levels", id="deep"),
        pytest.param(json.dumps(event(id=7)), "not an EventBridge event: Expected `str`, got `int` - at `$.id`",
                     id="id-of-another-type"),
        pytest.param(json.dumps(event(time="yesterday")),
                     "not an EventBridge event: Invalid RFC3339 encoded datetime - at `$.time`", id="time"),
        pytest.param(json.dumps(event(time="0001-01-01T00:00:00Z")),
                     "not an EventBridge event: its time is 0001-01-01T00:00:00+00:00", id="time-before-time"),
        pytest.param('{"detail": NaN, "id": 7}', "not an EventBridge event: not_json: NaN", id="id-and-detail"),
        pytest.param(json.dumps(event(detail_type="Put \ud800")),
                     "not an EventBridge event: not_utf8: \\ud800, half of a surrogate pair", id="half-a-detail-type"),
        pytest.param(json.dumps(event(source="eventcron", detail_type="Schedule Updated")),
                     "not a command: 'Schedule Updated' from 'eventcron'", id="our-own-event"),
        pytest.param(json.dumps(event({"fire_id": "0" * 32}, source="eventcron", detail_type="Nightly")),
                     "not a command: 'Nightly' from 'eventcron'", id="our-own-fire"),
        pytest.param(json.dumps(event(source="aws.s3", detail_type="Object Created")),
                     "not a command: 'Object Created' from 'aws.s3'", id="stray"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_undecodable(body: str | bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(body)

    assert caught.value.reason == reason


def test_our_own_events_are_not_answered_even_if_the_source_is_trusted() -> None:
    """Else a rule that sends the whole bus to the command queue would make answers to answers for ever."""
    with pytest.raises(Undecodable):
        decode(event(source="eventcron", detail_type="Schedule Rejected"), frozenset({"eventcron"}))


# --- Properties ------------------------------------------------------------------------------------------------------

NAME = st.text(st.sampled_from("abcXYZ019._-"), min_size=1, max_size=64).filter(lambda name: name not in {".", ".."})
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
EXPR = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)
REVISION = st.none() | st.integers(0, MAX_REVISION)
ZONE = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


def moments(first: int, last: int) -> st.SearchStrategy[datetime]:
    return st.datetimes(datetime(first, 1, 2), datetime(last, 12, 30), timezones=ZONE)  # noqa: DTZ001  # bounds are naive


SCHEDULES = st.builds(
    Schedule,
    tenant=NAME,
    name=NAME,
    expression=EXPR | st.lists(EXPR, min_size=1, max_size=16),
    timezone=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
    daylight_saving=st.just("eventbridge")
    | st.builds(DaylightSaving, gap=st.sampled_from(["shift", "skip"]), overlap=st.sampled_from(["once", "twice"])),
    exclude=st.lists(EXPR, max_size=4),
    start=st.none() | moments(1970, 2090),
    end=st.none() | moments(2091, 2199),
    max_fires=st.none() | st.integers(1, 10_000),
    state=st.sampled_from(["ENABLED", "PAUSED"]),
    input=JSON.map(lambda value: msgspec.Raw(json.dumps(value).encode())),
    detail_type=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128).filter(
        lambda name: not is_reserved(name)
    ),
    labels=st.dictionaries(NAME, TEXT, max_size=8),
    description=TEXT,
    flexible_window_seconds=st.integers(0, 86_400),
    misfire=st.builds(Misfire, policy=st.sampled_from(MisfirePolicy), grace_seconds=st.integers(0, 604_800)),
    after_completion=st.sampled_from(["KEEP", "DELETE"]),
    revision=REVISION,
)
OTHERS = [
    st.builds(kind, tenant=NAME, name=NAME, revision=REVISION)
    for kind in (DeleteSchedule, PauseSchedule, ResumeSchedule)
] + [st.builds(RunSchedule, tenant=NAME, name=NAME, run_id=st.none() | NAME)]
ANY_COMMAND: st.SearchStrategy[Command] = st.one_of(SCHEDULES, *OTHERS)


@given(ANY_COMMAND)
def test_a_command_survives_the_bus(command: Command) -> None:
    detail_type = next(name for name, kind in COMMANDS.items() if kind is type(command))
    body = around(msgspec.json.encode(command), source=f"eventcron.tenant.{command.tenant}", detail_type=detail_type)

    assert decode(body).command == command


@given(SCHEDULES)
def test_encoding_a_schedule_again_changes_nothing(schedule: Schedule) -> None:
    raw = msgspec.json.encode(schedule)

    assert msgspec.json.encode(decode_schedule(raw)) == raw


WILD_TEXT = st.text(max_size=80)  # half characters too
WILD_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WILD_TEXT | st.integers().map(lambda n: 10 ** (n % 500)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(Schedule.__struct_fields__) | WILD_TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)
WILD_FIELD = st.tuples(st.sampled_from([*Schedule.__struct_fields__, "run_id", "x` - at `$.misfire"]), WILD_JSON)


def is_answered(body: str | bytes) -> bool:
    """Whether *body* is a command, is answered by an event that the bus takes, or is undecodable for a reason."""
    try:
        decode(body, frozenset({"ops"}))
    except Undecodable as error:
        return bool(error.reason)
    except Rejected as error:
        answer = rejected(error, now=0)
        return len(answer.detail) < 4_000 and all(
            json.loads(answer.detail)[name] for name in ("code", "field", "message")
        )
    return True


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(body: bytes) -> None:
    assert is_answered(body)


@given(WILD_TEXT)
def test_any_text_is_answered(body: str) -> None:
    assert is_answered(body)


@given(WILD_JSON, st.sampled_from([*COMMANDS, "Put"]), st.sampled_from(["eventcron.tenant.acme", "ops", "x"]))
def test_any_json_as_detail_is_answered(detail: object, detail_type: str, source: str) -> None:
    assert is_answered(json.dumps(event(detail, detail_type=detail_type, source=source)))


@given(st.lists(WILD_FIELD, max_size=3), st.sampled_from([*COMMANDS]))
def test_any_value_in_any_field_is_answered(fields: list[tuple[str, object]], detail_type: str) -> None:
    detail = {**least(COMMANDS[detail_type]), **dict(fields)}

    assert is_answered(json.dumps(event(detail, detail_type=detail_type)))


@given(st.dictionaries(st.sampled_from([*event(), "x"]), WILD_JSON, max_size=3))
def test_any_value_in_the_envelope_is_answered(fields: dict[str, object]) -> None:
    assert is_answered(json.dumps({**event(), **fields}))


VALID = json.dumps(event({**BASE, "misfire": {"policy": "skip"}, "labels": {"a": "b"}, "input": {"a": [1, "é\\"]}}))


@given(st.integers(0, len(VALID)), st.integers(0, 3), st.binary(max_size=3))
@example(0, 0, b"")
def test_a_command_damaged_anywhere_is_answered(at: int, lost: int, inserted: bytes) -> None:
    body = VALID.encode()

    assert is_answered(body[:at] + inserted + body[at + lost :])


@given(st.lists(st.sampled_from(["[", "]", "{", "}", '"', "\\", ",", ":", "1", " ", '"a":']), max_size=600))
def test_any_nesting_is_answered(pieces: list[str]) -> None:
    assert is_answered(around("".join(pieces)))


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.parametrize(
    "detail",
    [
        pytest.param("[" * 900_000, id="brackets"),
        pytest.param("[" * 450_000 + "]" * 450_000, id="brackets-that-close"),
        pytest.param('"' + '\\"' * 450_000, id="escaped-quotes-without-an-end"),
        pytest.param('["' + '\\"' * 450_000, id="escaped-quotes-in-an-open-list"),
        pytest.param("[" * 101 + '"' + '\\"' * 450_000, id="escaped-quotes-in-open-lists"),
        pytest.param("[[]," * 200_000, id="shallow-and-open"),
        pytest.param('{"revision":' + "9" * 900_000 + "}", id="a-number-of-900-kb"),
        pytest.param('{"revision":1e' + "9" * 900_000 + "}", id="an-exponent-of-900-kb"),
        pytest.param('{"' + "x" * 900_000 + '":1}', id="a-name-of-900-kb"),
        pytest.param("{" + ",".join(f'"x{n}":1' for n in range(60_000)) + "}", id="60,000-unknown-fields"),
        pytest.param('{"expression":[' + '"x",' * 200_000 + '"x"]}', id="200,000-expressions"),
    ],
)
def test_no_message_that_a_queue_can_hold_takes_long(detail: str) -> None:
    """SQS holds 1 MiB. Each takes well under a second; ``make bench`` shows that the time grows by length alone."""
    assert is_answered(around(detail))


TOKEN = "sbSETdH6ljWT3z-3yeCfo4_hk-sd1j3d194S_zMxLEjo"


@pytest.mark.parametrize(
    "detail",
    [
        pytest.param(least(ReportRun) | {"runtoken": TOKEN}, id="in a misspelt field"),
        pytest.param(json.dumps(least(ReportRun) | {"run_token": TOKEN}), id="in text"),
        pytest.param(least(ReportRun) | {"run_token": TOKEN * 3}, id="more than once"),
        pytest.param(least(ReportRun) | {"status": [TOKEN]}, id="in another field"),
    ],
)
def test_no_rejection_of_a_report_shows_its_token(detail: object) -> None:
    error = refused(event(detail, detail_type="Report Run"))

    assert TOKEN[:20] not in str(error)
    assert TOKEN[:20] not in rejected(error, now=0).detail.decode()
