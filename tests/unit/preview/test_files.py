"""A file of schedules means the same in each of three formats. Every error says file, line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventcron.errors import InvalidSchedule
from eventcron.model.names import Key
from eventcron.preview.files import Entry, UnreadableFile, read_schedules

ONE = '{"tenant": "acme", "name": "one", "expression": "rate(1 hour)"}'
TWO = '{"tenant": "acme", "name": "two", "expression": "0 2 * * *", "start": "2026-12-01T00:00:00Z"}'


def read(folder: Path, text: str | bytes, name: str = "schedules") -> list[Entry]:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_schedules([path]))


def lines(entries: list[Entry]) -> list[tuple[int, str]]:
    """Each entry's line, with the schedule's name or the error's code."""
    return [(e.line, e.schedule.name if e.schedule else e.error.code if e.error else "neither") for e in entries]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("a.jsonl", f"{ONE}\n{TWO}\n", [1, 2], id="json-lines"),
        pytest.param("a.jsonl", f"\n{ONE}\r\n\r\n{TWO}", [2, 4], id="json-lines-with-blank-lines-and-carriage-returns"),
        pytest.param("a.txt", f"{ONE}\n{TWO}", [1, 2], id="json-lines-by-content"),
        pytest.param("a.json", f"[{ONE},{TWO}]", [1, 1], id="array-on-one-line"),
        pytest.param("a.json", f"\n[\n  {ONE},\n\n  {TWO}\n]\n", [3, 5], id="array-over-several-lines"),
        pytest.param("a", f"[{ONE}\n,\n{TWO}]", [1, 3], id="array-by-content"),
        pytest.param("a.json", f"\ufeff[{ONE},\n{TWO}]", [1, 2], id="byte-order-mark"),
        pytest.param("a.jsonl", f"\ufeff{ONE}\n{TWO}", [1, 2], id="byte-order-mark-before-json-lines"),
        pytest.param("a.yaml", f"- {ONE}\n- {TWO}\n", [1, 2], id="yaml-list"),
        pytest.param("a.yml", f"---\n{ONE}\n---\n{TWO}\n", [2, 4], id="yaml-documents"),
        pytest.param("a.yml", f"[{ONE},\n{TWO}]", [1, 2], id="yaml-flow-list"),
        pytest.param("a.yml", f"# our jobs\n- {ONE}\n---\n---\n- {TWO}\n", [2, 5], id="yaml-with-an-empty-document"),
        pytest.param(
            "a",
            "tenant: acme\nname: one\nexpression: rate(1 hour)\n---\n"
            "- tenant: acme\n  name: two\n  expression: 0 2 * * *\n  start: 2026-12-01T00:00:00Z\n",
            [1, 5],
            id="yaml-by-content",
        ),
    ],
)
def test_the_same_schedules_in_every_format(tmp_path: Path, name: str, text: str, expected: list[int]) -> None:
    entries = read(tmp_path, text, name)

    assert [entry.line for entry in entries] == expected
    assert [entry.error for entry in entries] == [None, None]
    assert [str(entry.schedule.key) for entry in entries if entry.schedule] == ["acme/one", "acme/two"]
    assert {entry.file.name for entry in entries} == {name}


def test_one_object_over_several_lines_is_one_schedule(tmp_path: Path) -> None:
    entries = read(tmp_path, "\n" + json.dumps(json.loads(TWO), indent=2), "one.json")

    assert lines(entries) == [(2, "two")]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("a.jsonl", f"{ONE}\nnot json\n{TWO}", [(1, "one"), (2, "not_json"), (3, "two")], id="json-lines"),
        pytest.param("a.jsonl", f"{ONE[:-1]}\n{TWO}", [(1, "not_json"), (2, "two")], id="line-cut-short"),
        pytest.param("a.json", f'[{ONE},\n 7, "x",\n{TWO}]',
                     [(1, "one"), (2, "wrong_type"), (2, "not_json"), (3, "two")], id="array-of-other-things"),
        pytest.param("a.json", f'[{ONE},\n{{"tenant": NaN}}]', [(1, "one"), (2, "not_json")], id="nan"),
        pytest.param("a.json", f'[{ONE[:-1]}, "name": "x"}}]', [(1, "duplicate_key")], id="the-same-key-twice"),
        pytest.param("a.json", f'[{ONE[:-1]}, "input": "\\ud800"}}]', [(1, "not_utf8")], id="half-a-character"),
        pytest.param("a.jsonl", ONE[:-1] + ', "input": ' + "[" * 101 + "]" * 101 + "}", [(1, "too_deep")], id="deep"),
        pytest.param("a.yaml", f"- {ONE}\n- 7\n- ~\n- {TWO}\n",
                     [(1, "one"), (2, "wrong_type"), (3, "wrong_type"), (4, "two")], id="yaml-list-of-other-things"),
        pytest.param("a.yaml", "tenant: acme\ntenant: b\n", [(1, "duplicate_key")], id="yaml-key-twice"),
        pytest.param("a.yaml", f"- {ONE[:-1]}, start: 2026-02-30}}\n", [(1, "invalid_time")],
                     id="yaml-impossible-date"),
    ],
)  # fmt: skip
def test_a_wrong_entry_does_not_stop_the_rest(
    tmp_path: Path, name: str, text: str, expected: list[tuple[int, str]]
) -> None:
    assert lines(read(tmp_path, text, name)) == expected


def test_an_error_names_file_line_and_field(tmp_path: Path) -> None:
    bad = '{"tenant": "acme", "name": "x", "expression": "@daily", "misfire": {"grace_second": 5}}'
    [_, entry] = read(tmp_path, f"{ONE}\n{bad}\n", "jobs.jsonl")

    assert str(entry) == (
        f"{tmp_path}/jobs.jsonl:2: misfire.grace_second: got 5;"
        " allowed: policy, grace_seconds; did you mean 'grace_seconds'?"
    )


def test_a_schedule_that_appears_twice_is_an_error_the_second_time(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f"{ONE}\n{TWO}\n")
    (tmp_path / "b.yaml").write_text(f"- {TWO}\n- {{tenant: other, name: two, expression: '@daily'}}\n- {TWO}\n")

    entries = list(read_schedules([tmp_path / "a.jsonl", str(tmp_path / "b.yaml")]))

    assert lines(entries) == [(1, "one"), (2, "two"), (1, "duplicate"), (2, "two"), (3, "duplicate")]
    assert str(entries[2]) == (
        f"{tmp_path}/b.yaml:1: name: got 'acme/two'; allowed: each schedule once; {tmp_path}/a.jsonl:2 has it already"
    )


@pytest.mark.parametrize(
    ("name", "text", "line", "reason"),
    [
        pytest.param("a.json", b"", None, "empty: it holds no schedule", id="empty"),
        pytest.param("a.jsonl", b" \n\xef\xbb\xbf"[:2], None, "empty: it holds no schedule", id="blank"),
        pytest.param("a.json", b"\xef\xbb\xbf", None, "empty: it holds no schedule", id="a-mark-alone"),
        pytest.param("a.yaml", b"# nothing yet\n", None, "empty: it holds no schedule", id="comments-only"),
        pytest.param("a.jsonl", b"{}\n{}\n\xff", 3, "not UTF-8: byte 0xff", id="not-utf8"),
        pytest.param("a.jsonl", b"\xef\xbb\xbf\n\xc3\x28", 2, "not UTF-8: byte 0xc3", id="not-utf8-after-a-mark"),
        pytest.param("a.json", b"\xff\xfe[\x00]\x00", 1, "not UTF-8: byte 0xff", id="utf16"),
        pytest.param("a.json", b"[\n{},", 2, "not JSON: Expecting value: line 2 column 4 (char 5)",
                     id="array-cut-short"),
        pytest.param("a.json", b"[{}\n{}]", 2, "not JSON: a comma or a closing bracket is missing", id="no-comma"),
        pytest.param("a.json", b"[{},\n]", 2, "not JSON: a comma before the closing bracket", id="trailing-comma"),
        pytest.param("a.json", b"[{}]\n[{}]", 2, "not JSON: something follows the array", id="two-arrays"),
        pytest.param("a.json", b"[\n" + b"[" * 50_000, 2, "not JSON: nested too deep", id="array-of-deep-arrays"),
        pytest.param("a.yaml", b'- "\\ud800"', 1, "not YAML: found invalid Unicode character", id="half-a-character"),
        pytest.param("a.yaml", b"- a: 1\n  b: [}\n", 2, "not YAML: did not find", id="broken-yaml"),
        pytest.param("a.yaml", b"a: \x07", None, "not YAML: unacceptable character #x0007", id="control-character"),
        pytest.param("a.txt", b"hello\nworld\n", 1, "neither a list of schedules nor a schedule", id="prose"),
        pytest.param("a.yaml", b"- x: !!python/object/apply:os.system [id]\n", 1,
                     "tag 'tag:yaml.org,2002:python/object/apply:os.system': a schedule needs none",
                     id="a-tag-that-would-run-code"),
        pytest.param("a.yaml", b"- !!map {}", 1,
                     "tag 'tag:yaml.org,2002:map': a schedule needs none, and eventcron reads none", id="harmless-tag"),
        pytest.param("a.yaml", b"!x [1]", 1, "tag '!x': a schedule needs none, and eventcron reads none", id="own-tag"),
        pytest.param("a.yaml", b"- {!!str a: 1}", 1,
                     "tag 'tag:yaml.org,2002:str': a schedule needs none, and eventcron reads none", id="tagged-key"),
        pytest.param("a.yaml", b"- &x 1\n---\n- *x", 3, "not YAML: found undefined alias", id="in-another-document"),
        pytest.param("a.yaml", b"- a\n- {[1]: 2}", 2, "a key that is not text", id="list-as-key"),
        pytest.param("a.yaml", b"- {a: *x}", 1, "not YAML: found undefined alias", id="unknown-alias"),
        pytest.param("a.yaml", b"- &x [*x]", 1, "an alias within its own anchor", id="alias-in-itself"),
        pytest.param("a.yaml", b"- " + b"[" * 101 + b"]" * 101, 1, "nested more than 100 deep", id="deep-yaml"),
        pytest.param("a.yaml", b"- " + b"[" * 20_000, 1, "nested more than 100 deep", id="very-deep-yaml"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_where_and_why(
    tmp_path: Path, name: str, text: bytes, line: int | None, reason: str
) -> None:
    with pytest.raises(UnreadableFile) as caught:
        read(tmp_path, text, name)

    assert (caught.value.path, caught.value.line) == (tmp_path / name, line)
    assert caught.value.reason.startswith(reason)


def test_the_message_starts_with_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile) as caught:
        read(tmp_path, b"{}\n\xff", "jobs.jsonl")

    assert str(caught.value) == f"{tmp_path}/jobs.jsonl:2: not UTF-8: byte 0xff"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda path: None, "no such file or directory", id="missing"),
        pytest.param(lambda path: path.mkdir(), "is a directory", id="folder"),
    ],
)
def test_no_file_at_all(tmp_path: Path, make: object, reason: str) -> None:
    path = tmp_path / "jobs.yaml"
    assert callable(make)
    make(path)

    with pytest.raises(UnreadableFile) as caught:
        list(read_schedules([path]))

    assert str(caught.value) == f"{path}: {reason}"


def test_aliases_share_defaults(tmp_path: Path) -> None:
    text = (
        "- {tenant: acme, name: one, expression: '@daily', misfire: &late {policy: skip, grace_seconds: 60}}\n"
        "- {tenant: acme, name: two, expression: '@daily', misfire: *late}\n"
    )
    entries = read(tmp_path, text, "a.yaml")

    assert [entry.schedule.misfire.grace_seconds for entry in entries if entry.schedule] == [60, 60]


def test_a_billion_laughs_are_rejected(tmp_path: Path) -> None:
    laughs = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    laughs += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefghi", "bcdefghij", strict=True)]

    with pytest.raises(UnreadableFile, match="aliases add more than 1,000,000 characters"):
        read(tmp_path, "\n".join(laughs), "a.yaml")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("2026-12-01", "2026-12-01", id="date"),
        pytest.param("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", id="time"),
        pytest.param("on", "on", id="on"),
        pytest.param("Yes", "Yes", id="yes"),
        pytest.param("12:30:45", "12:30:45", id="sexagesimal"),
        pytest.param("0x1F", "0x1F", id="hexadecimal"),
        pytest.param("007", "007", id="leading-zeros"),
        pytest.param("1_000", "1_000", id="underscores"),
        pytest.param(".inf", ".inf", id="infinity"),
        pytest.param("'7'", "7", id="quoted-number"),
        pytest.param("'null'", "null", id="quoted-null"),
        pytest.param('"true"', "true", id="quoted-true"),
        pytest.param("<<", "<<", id="merge-key-sign"),
        pytest.param("7", 7, id="number"),
        pytest.param("-7.5e3", -7500.0, id="fraction"),
        pytest.param("true", True, id="true"),
        pytest.param("False", False, id="false"),
        pytest.param("~", None, id="tilde"),
        pytest.param("", None, id="nothing"),
        pytest.param("null", None, id="null"),
        pytest.param("{on: yes, 7: [a, 1]}", {"on": "yes", "7": ["a", 1]}, id="nested"),
    ],
)
def test_nothing_in_yaml_silently_becomes_another_type(tmp_path: Path, written: str, expected: object) -> None:
    text = f"tenant: acme\nname: one\nexpression: '@daily'\ninput: {written}\n"
    [entry] = read(tmp_path, text, "a.yaml")

    assert entry.schedule is not None
    assert json.loads(bytes(entry.schedule.input)) == expected


def test_a_large_file_is_read(tmp_path: Path) -> None:
    """As many entries as the examples have, in each format. ``make bench`` measures how the time grows."""
    entries = [{"tenant": "t", "name": f"n{n}", "expression": "@daily", "input": {"n": n}} for n in range(1_307)]
    (tmp_path / "a.json").write_text(json.dumps(entries, indent=1))
    (tmp_path / "b.yaml").write_text(yaml.safe_dump([{**entry, "tenant": "u"} for entry in entries]))

    found = list(read_schedules([tmp_path / "a.json", tmp_path / "b.yaml"]))

    assert len(found) == 2_614
    assert {entry.error for entry in found} == {None}


#: YAML does not join the two halves that JSON escapes a character beyond the first 65,536 into.
TEXT = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def all_explained(folder: Path, content: bytes, name: str) -> bool:
    """Whether each entry, or else the file as a whole, is rejected with its line."""
    try:
        return all(isinstance(entry.error, InvalidSchedule) for entry in read(folder, content, name))
    except UnreadableFile as error:
        return str(error).startswith(f"{folder}/{name}")


@given(JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_json_means_the_same_read_as_yaml(tmp_path: Path, value: object) -> None:
    entry = {"tenant": "acme", "name": "one", "expression": "@daily", "input": value}
    as_json = read(tmp_path, json.dumps([entry]), "a.json")
    as_yaml = read(tmp_path, json.dumps([entry], indent=1), "a.yaml")
    [schedule] = [found.schedule for found in as_json]

    assert schedule is not None
    assert json.loads(bytes(schedule.input)) == value
    assert [found.schedule and json.loads(bytes(found.schedule.input)) for found in as_yaml] == [value]


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(str.encode),
    st.sampled_from(["a", "a.json", "a.jsonl", "a.yaml"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_file_is_schedules_or_errors(tmp_path: Path, content: bytes, name: str) -> None:
    assert all_explained(tmp_path, content, name)


@given(st.text(alphabet="[]{},:\"&*x-!~ \n#|>'%@`?\\ud80", max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_punctuation_is_errors(tmp_path: Path, content: str) -> None:
    assert all_explained(tmp_path, content.encode(), "a.json")
    assert all_explained(tmp_path, content.encode(), "a.yaml")


def test_entries_are_keyed_by_tenant_and_name(tmp_path: Path) -> None:
    [entry] = read(tmp_path, ONE)

    assert entry.schedule is not None
    assert entry.schedule.key == Key("acme", "one")
