"""What a decoder refuses becomes field, given and allowed, whatever names and values the sender chose."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from eventcron.errors import InvalidSchedule
from eventcron.model.commands import COMMANDS, Command, PutCalendar, ReportRun, Schedule
from eventcron.model.names import MAX_REVISION
from eventcron.wire.rejection import allowed, to_invalid_schedule
from eventcron.wire.strict_json import parse

BASE = {"tenant": "acme", "name": "tea", "expression": "@daily"}
OF_64, OF_128 = (f"1-{longest} of A-Z a-z 0-9 . _ -, but not '.' or '..'" for longest in (64, 128))
EXPRESSION = "text of 1 to 256 characters (cron, cron(), rate(), at(), manual or a macro)"
EXPRESSIONS = f"{EXPRESSION}, or a list of 1 to 16 items, each {EXPRESSION}"
FIELDS = ", ".join(Schedule.__struct_fields__)
TIME = "a date and time with an offset (RFC 3339), such as 2026-12-01T09:00:00Z"


def rejection(detail: object, kind: type[msgspec.Struct] = Schedule) -> InvalidSchedule:
    """What the sender of *detail*, which is no *kind*, is answered."""
    raw = json.dumps(detail, ensure_ascii=False).encode()
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(raw, type=kind)
    return to_invalid_schedule(caught.value, parse(raw, field="detail"), kind)


REFUSED = [
    ("tenant", 1, "wrong_type", "tenant", "1", OF_64),
    ("tenant", "a/b", "invalid_name", "tenant", "'a/b'", OF_64),
    ("tenant", "", "invalid_name", "tenant", "''", OF_64),
    ("tenant", "acme\n", "invalid_name", "tenant", r"'acme\n'", OF_64),
    ("tenant", "..", "invalid_name", "tenant", "'..'", OF_64),
    ("name", ".", "invalid_name", "name", "'.'", OF_128),
    ("name", "..", "invalid_name", "name", "'..'", OF_128),
    ("name", "blåbær", "invalid_name", "name", "'blåbær'", OF_128),
    ("name", "n" * 129, "invalid_name", "name", "'" + "n" * 118 + "…", OF_128),
    ("expression", "", "out_of_range", "expression", "''", EXPRESSIONS),
    ("expression", "x" * 257, "out_of_range", "expression", "'" + "x" * 118 + "…", EXPRESSIONS),
    ("expression", None, "wrong_type", "expression", "null", EXPRESSIONS),
    ("expression", [], "out_of_range", "expression", "[]", EXPRESSIONS),
    ("expression", ["a"] * 17, "out_of_range", "expression", str(["a"] * 17), EXPRESSIONS),
    ("expression", ["a", 1.5], "wrong_type", "expression.1", "1.5", EXPRESSION),
    ("expression", ["a", "b", ""], "out_of_range", "expression.2", "''", EXPRESSION),
    ("timezone", True, "wrong_type", "timezone", "true", "text of 1 to 64 characters (IANA name)"),
    ("daylight_saving", "aws", "unknown_value", "daylight_saving", "'aws'",
     "an object with gap, overlap, or 'eventbridge'"),
    ("daylight_saving", {"gap": "leap"}, "unknown_value", "daylight_saving.gap", "'leap'", "'shift' or 'skip'"),
    ("daylight_saving", {"overlap": 2}, "wrong_type", "daylight_saving.overlap", "2", "'once' or 'twice'"),
    ("daylight_saving", {"gab": "skip"}, "unknown_field", "daylight_saving.gab", "'skip'",
     "gap, overlap; did you mean 'gap'?"),
    ("exclude", "x", "wrong_type", "exclude", "'x'", f"a list of at most 64 items, each {EXPRESSION}"),
    ("exclude", ["x"] * 65, "out_of_range", "exclude", None, f"a list of at most 64 items, each {EXPRESSION}"),
    ("start", "2026-02-30T00:00:00Z", "invalid_time", "start", "'2026-02-30T00:00:00Z'", TIME),
    ("start", "2026-12-01T00:00:00", "invalid_time", "start", "'2026-12-01T00:00:00'", TIME),
    ("start", "2026-12-01", "invalid_time", "start", "'2026-12-01'", TIME),
    ("start", 1764547200000, "wrong_type", "start", "1764547200000", TIME),
    ("max_fires", 0, "out_of_range", "max_fires", "0", "a whole number from 1 to 10000"),
    ("max_fires", 10_001, "out_of_range", "max_fires", "10001", "a whole number from 1 to 10000"),
    ("max_fires", 1.0, "wrong_type", "max_fires", "1.0", "a whole number from 1 to 10000"),
    ("max_fires", "1", "wrong_type", "max_fires", "'1'", "a whole number from 1 to 10000"),
    ("max_fires", False, "wrong_type", "max_fires", "false", "a whole number from 1 to 10000"),
    ("revision", MAX_REVISION + 1, "out_of_range", "revision", str(MAX_REVISION + 1),
     f"a whole number from 0 to {MAX_REVISION}"),
    ("revision", 10**400, "out_of_range", "revision", "1" + "0" * 118 + "…",
     f"a whole number from 0 to {MAX_REVISION}"),
    ("state", "COMPLETED", "unknown_value", "state", "'COMPLETED'", "'ENABLED' or 'PAUSED'"),
    ("state", " - at `$.tenant`", "unknown_value", "state", "' - at `$.tenant`'", "'ENABLED' or 'PAUSED'"),
    ("detail_type", "", "out_of_range", "detail_type", "''", "text of 1 to 128 characters"),
    ("labels", [], "wrong_type", "labels", "[]",
     "an object of at most 32 entries, each text of at most 256 characters"),
    ("labels", {str(n): "" for n in range(33)}, "out_of_range", "labels", None,
     "an object of at most 32 entries, each text of at most 256 characters"),
    ("labels", {"ok": "x", "a b": "x"}, "invalid_name", "labels", "'a b'", "1-64 of A-Z a-z 0-9 . _ : / -"),
    ("labels", {"ok": "x", "n": 1}, "wrong_type", "labels.n", "1", "text of at most 256 characters"),
    ("labels", {"ok": "x", "n": "x" * 257}, "out_of_range", "labels.n", "'" + "x" * 118 + "…",
     "text of at most 256 characters"),
    ("description", "x" * 513, "out_of_range", "description", "'" + "x" * 118 + "…", "text of at most 512 characters"),
    ("flexible_window_seconds", -1, "out_of_range", "flexible_window_seconds", "-1", "a whole number from 0 to 86400"),
    ("misfire", "skip", "wrong_type", "misfire", "'skip'", "an object with policy, grace_seconds"),
    ("misfire", {"policy": "twice"}, "unknown_value", "misfire.policy", "'twice'",
     "'fire_once' or 'fire_all' or 'skip'"),
    ("misfire", {"grace": 1}, "unknown_field", "misfire.grace", "1", "policy, grace_seconds"),
    ("after_completion", 1, "wrong_type", "after_completion", "1", "'DELETE' or 'KEEP'"),
    ("time_zone", "UTC", "unknown_field", "time_zone", "'UTC'", f"{FIELDS}; did you mean 'timezone'?"),
    ("x" * 100_000, [1], "unknown_field", "x" * 64, "[1]", FIELDS),
    ("", 1, "unknown_field", "''", "1", FIELDS),
    ("x` - at `$.misfire", 1, "unknown_field", "x` - at `$.misfire", "1", FIELDS),
    ("x` - at `$.nowhere.to[7]", {}, "unknown_field", "x` - at `$.nowhere.to[7]", "{}", FIELDS),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "code", "field", "given", "takes"), REFUSED, ids=[f"{row[0][:20]}-{row[2]}" for row in REFUSED]
)
def test_an_answer_says_field_given_and_allowed(  # noqa: PLR0917  # columns of a table
    name: str, value: object, code: str, field: str, given: str | None, takes: str
) -> None:
    error = rejection(BASE | {name: value})

    assert (error.code, error.field, error.allowed) == (code, field, takes)
    assert given in (None, error.given)
    assert str(error) == f"{field}: got {error.given}; allowed: {takes}"


@pytest.mark.parametrize(
    ("detail", "kind", "says"),
    [
        pytest.param({}, Schedule, f"tenant: got nothing; allowed: required: {OF_64}", id="the-first-that-is-missing"),
        pytest.param(
            BASE | {"expect": {}},
            Schedule,
            "expect.within_seconds: got nothing; allowed: required: a whole number from 1 to 604800",
            id="missing-inside",
        ),
        pytest.param(
            BASE | {"colour": 1, "flavour": 2},
            Schedule,
            f"colour: got 1; allowed: {FIELDS}",
            id="the-first-of-two-that-are-unknown",
        ),
        pytest.param(
            BASE | {"misfire": {"colour": 1}, "flavour": 2},
            Schedule,
            f"flavour: got 2; allowed: {FIELDS}",
            id="the-outer-one-of-two-that-are-unknown",
        ),
        pytest.param(
            {"tenant": "acme", "name": "norway", "dates": ["2026-12-24", 25]},
            PutCalendar,
            "dates.1: got 25; allowed: text of at most 21 characters (a date, 2026-12-24, or a range, "
            "2026-12-24/2026-12-26)",
            id="another-command",
        ),
    ],
)
def test_what_is_missing_or_unknown_is_named_with_its_path(
    detail: dict[str, Any], kind: type[msgspec.Struct], says: str
) -> None:
    assert str(rejection(detail, kind)) == says


@pytest.mark.parametrize("detail", [7, None, True, [BASE], 1e300])
def test_what_is_no_object_is_itself_at_fault(detail: object) -> None:
    error = rejection(detail)

    assert (error.code, error.field) == ("wrong_type", "detail")
    assert error.allowed == f"an object with {FIELDS}"


@pytest.mark.parametrize("kind", COMMANDS.values())
def test_every_field_of_every_command_says_what_it_takes(kind: type[Command]) -> None:
    described = {field.encode_name: allowed(field.type) for field in msgspec.inspect.type_info(kind).fields}  # type: ignore[attr-defined]  # of a struct it has them

    assert all(described.values())
    assert [name for name, text in described.items() if "None" in text] == []
    assert [name for name, text in described.items() if text == "any JSON"] == {
        Schedule: ["input"],
        ReportRun: ["result"],
    }.get(kind, [])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(list[str], "a list, each text"), (dict[str, str], "an object, each text"), (float, "any JSON")],
)
def test_types_without_bounds_have_words_too(kind: type, expected: str) -> None:
    assert allowed(msgspec.inspect.type_info(kind)) == expected
