"""Strangers' JSON is read strictly, with numbers as they were written; to find whom to answer, as far as it goes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.errors import InvalidSchedule
from eventcron.wire.strict_json import (
    MAX_DEPTH,
    MAX_GIVEN_CHARS,
    Number,
    end_of_value,
    parse,
    parse_leniently,
    prune,
    short,
    unescaped,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


# --- Strictly --------------------------------------------------------------------------------------------------------


def test_a_number_stays_as_it_was_written_and_is_shown_without_quotes() -> None:
    read = parse(b'[1.10, 1e999, "1.10"]', field="detail")

    assert isinstance(read, list)
    assert read == ["1.10", "1e999", "1.10"]
    assert [type(one) for one in read] == [Number, Number, str]
    assert short(read) == "[1.10, 1e999, '1.10']"


def test_a_number_of_any_length_is_read_without_being_computed() -> None:
    """``int`` would refuse more than 4,300 digits, and take seconds for a million."""
    assert parse(b"9" * 100_000, field="detail") == "9" * 100_000


@pytest.mark.parametrize(
    ("raw", "code", "field", "given"),
    [
        pytest.param(b"", "not_json", "body", "Expecting value: line 1 column 1 (char 0)", id="nothing"),
        pytest.param(b'{"a": }', "not_json", "body", "Expecting value: line 1 column 7 (char 6)", id="broken"),
        pytest.param(b"{} {}", "not_json", "body", "Extra data: line 1 column 4 (char 3)", id="two-values"),
        pytest.param(b'{"a": NaN}', "not_json", "body", "NaN", id="nan"),
        pytest.param(b'{"a": -Infinity}', "not_json", "body", "-Infinity", id="infinity"),
        pytest.param(b'"\x00"', "not_json", "body", "Invalid control character at: line 1 column 2 (char 1)",
                     id="control-character"),
        pytest.param(b'{"input": "\xff"}', "not_utf8", "body", "byte 0xff at 11", id="bytes"),
        pytest.param(rb'["\ud800"]', "not_utf8", "body", r"\ud800, half of a surrogate pair", id="half"),
        pytest.param(rb'{"\uDC00": 1}', "not_utf8", "body", r"\udc00, half of a surrogate pair", id="half-key"),
        pytest.param(b"[" * 101, "too_deep", "body", "more than 100 levels", id="deep"),
        pytest.param(b'{"a":' * 100_000, "too_deep", "body", "more than 100 levels", id="very-deep"),
        pytest.param(b'{"a": 1, "b": 2, "a": 1}', "duplicate_key", "a", "the same key twice", id="key-twice"),
        pytest.param(b'[{"x": {"b": 1, "b": 1}}]', "duplicate_key", "b", "the same key twice", id="key-twice-inside"),
        pytest.param(rb'{"\ud800": 1, "\ud800": 2}', "duplicate_key", r"\ud800", "the same key twice",
                     id="half-key-twice"),
        pytest.param(b'{"%b": 1, "%b": 2}' % (b"k" * 500, b"k" * 500), "duplicate_key", "k" * MAX_GIVEN_CHARS,
                     "the same key twice", id="long-key-twice"),
    ],
)  # fmt: skip
def test_what_is_refused_says_code_field_and_what_was_given(raw: bytes, code: str, field: str, given: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        parse(raw, field="body")

    assert (caught.value.code, caught.value.field, caught.value.given) == (code, field, given)
    assert caught.value.allowed


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, id="as-deep-as-allowed"),
        pytest.param(b'"' + b"[" * 500 + b'"', id="brackets-in-text"),
        pytest.param(b"[" + b",".join([b"{}"] * 500) + b"]", id="many-and-shallow"),
        pytest.param('{"å": "🫐", "Å": "\\ud83e\\uded0"}'.encode(), id="whole-characters"),
    ],
)
def test_what_is_strict_is_read(raw: bytes) -> None:
    assert parse(raw, field="detail") == json.loads(raw)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        ("a", "'a'"),
        (Number("007"), "007"),
        ("x" * 118, f"'{'x' * 118}'"),
        ("x" * 119, f"'{'x' * 118}…"),
        ([None], "[None]"),
    ],
)
def test_a_value_is_shown_in_at_most_120_characters(value: object, expected: str) -> None:
    assert short(value) == expected
    assert len(expected) <= MAX_GIVEN_CHARS


# --- As far as it goes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b'{"tenant": "acme", "x": "\xff"}', {"tenant": "acme", "x": "\ufffd"}, id="not-utf8"),
        pytest.param(b'{"tenant": "acme", "x": NaN}', {"tenant": "acme", "x": "NaN"}, id="nan"),
        pytest.param(b'{"tenant": "acme", "x": "\x01"}', {"tenant": "acme", "x": "\x01"}, id="control-character"),
        pytest.param(b'{"tenant": "acme", "tenant": "beta"}', {"tenant": "beta"}, id="key-twice"),
        pytest.param(b'{"x":' * 101 + b"1" + b"}" * 101, json.loads('{"x":' * 100 + "null" + "}" * 100), id="deep"),
    ],
)
def test_what_is_not_strict_is_read_as_far_as_it_goes(raw: bytes, expected: object) -> None:
    assert parse_leniently(raw) == expected


@pytest.mark.parametrize("raw", [b"", b"{", b"tenant", b"[" * 5_000])
def test_what_is_no_json_at_all_is_not_read(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|char"):
        parse_leniently(raw)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        pytest.param('x [1, "]"] y', 2, 10, id="list"),
        pytest.param('{"a": NaN, "a": 1}', 0, 18, id="not-strict"),
        pytest.param('"a" "b"', 0, 3, id="the-first-of-two"),
    ],
)
def test_a_value_ends_where_it_ends_whatever_follows(text: str, start: int, end: int) -> None:
    assert end_of_value(text, start) == end


@pytest.mark.parametrize(("text", "says"), [("x", "Expecting value"), ("[" * 100_000, "nested too deep|Expecting")])
def test_where_no_value_starts_none_ends(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        end_of_value(text, 0)


# --- Escapes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        (r'"\u00e6"', '"æ"'),
        (r'"\ud83d\ude00"', '"😀"'),
        (r'"\uD83D\uDE00\u00E6"', '"😀æ"'),
        (r'"\\u00e6"', r'"\\u00e6"'),
        (r'"\\\u00e6"', r'"\\æ"'),
        (r'"\u0007 \n \" \/ \u0041"', r'"\u0007 \n \" \/ \u0041"'),
    ],
)
def test_only_characters_beyond_ascii_lose_their_escapes(escaped: str, expected: str) -> None:
    assert unescaped(escaped.encode()).decode() == expected


@given(JSON)
def test_without_escapes_it_says_the_same(value: object) -> None:
    assert json.loads(unescaped(json.dumps(value).encode())) == value


# --- Pruning ---------------------------------------------------------------------------------------------------------


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(JSON, st.integers(0, 2 * MAX_DEPTH))
def test_pruning_cuts_what_is_too_deep_and_nothing_else(value: object, extra: int) -> None:
    raw = b"[" * extra + json.dumps(value).encode() + b"]" * extra
    pruned = json.loads(prune(raw))

    assert depth(pruned) <= MAX_DEPTH
    assert depth(value) + extra > MAX_DEPTH or prune(raw) == raw


def test_pruning_keeps_what_is_beside_it() -> None:
    deep = "[" * MAX_DEPTH + '"]["' + "]" * MAX_DEPTH
    raw = f'{{"a": {deep}, "b": "[[", "c": {deep}}}'.encode()
    flat = "[" * (MAX_DEPTH - 1) + "null" + "]" * (MAX_DEPTH - 1)

    assert prune(raw) == f'{{"a": {flat}, "b": "[[", "c": {flat}}}'.encode()
