"""Which dialect an expression is in, by its form alone, and what ``rate()``, ``at()``, macros and ``manual`` mean."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidExpression
from eventcron.model.names import END_OF_TIME, Key
from eventcron.timing.dialects import EVENTBRIDGE, UNIX, WITH_SECONDS, WITH_YEAR, Dialect
from eventcron.timing.expression import At, Item, Manual, Rate, dialect_of, read_expression, split_call
from tests.unit.timing.moments import at

ANCHOR = at("2026-01-01T00:01:02") + 500


def read(text: str) -> Item:
    return read_expression(text, anchor=ANCHOR)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", ("", "30 2 * * *")),
        ("  @daily ", ("", "@daily")),
        ("rate(5 minutes)", ("rate", "5 minutes")),
        (" CRON ( 0 9 ? * 2#1 * ) ", ("cron", "0 9 ? * 2#1 *")),
        ("At(2026-12-01T09:00:00)", ("at", "2026-12-01T09:00:00")),
        ("@every 1h30m", ("rate", "5400 seconds")),
        ("H(0-9) 2 * * *", ("", "H(0-9) 2 * * *")),
        ("H(0-9)", ("", "H(0-9)")),
        ("cron(H(0-9) 2 * * ? *)", ("cron", "H(0-9) 2 * * ? *")),
    ],
)
def test_a_call_is_split_from_what_it_calls(text: str, expected: tuple[str, str]) -> None:
    assert split_call(text) == expected


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("30 2 * * *", UNIX),
        ("0 30 2 * * *", WITH_SECONDS),
        ("0 30 2 * * ? 2027", WITH_YEAR),
        ("cron(30 2 * * ? *)", EVENTBRIDGE),
        ("@Daily", UNIX),
    ],
)
def test_the_form_decides_the_dialect(text: str, dialect: Dialect) -> None:
    assert dialect_of(text)[0] is dialect
    assert read_expression(text, anchor=0) == dialect.read(dialect_of(text)[1])


@pytest.mark.parametrize(
    ("macro", "fields"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@HOURLY", "0 * * * *"),
    ],
)
def test_a_macro_stands_for_five_fields(macro: str, fields: str) -> None:
    assert dialect_of(macro) == (UNIX, fields.split())
    assert read(macro) == read(fields)


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("rate(1 second)", 1_000),
        ("rate(5 minutes)", 300_000),
        ("RATE( 36  Hour )", 129_600_000),
        ("rate(36525 days)", 3_155_760_000_000),
    ],
)
def test_a_rate_counts_from_its_anchor(text: str, period: int) -> None:
    """To the millisecond, and the anchor itself is one of its instants."""
    assert read(text) == Rate(period, ANCHOR % period)
    assert read_expression(text, anchor=7 * period) == Rate(period, 0)


@pytest.mark.parametrize(
    ("every", "seconds"),
    [("5m", 300), ("1h30m", 5_400), ("90s", 90), ("1.5h", 5_400), ("1000ms", 1), ("2h0m1s", 7_201)],
)
def test_every_is_a_rate_in_the_units_of_go(every: str, seconds: int) -> None:
    assert read(f"@every {every}") == read(f" @EVERY  {every} ") == read(f"rate({seconds} seconds)")


@pytest.mark.parametrize(
    ("text", "local"),
    [
        pytest.param("at(1970-01-01T00:00:00)", 0, id="the-first"),
        pytest.param("at(2199-12-31T23:59:59.999)", END_OF_TIME - 1, id="the-last"),
        pytest.param("at(2028-02-29T12:30:05.5)", at("2028-02-29T12:30:05") + 500, id="half-a-second"),
        pytest.param("at(2028-02-29t12:30:05.05)", at("2028-02-29T12:30:05") + 50, id="two-digits"),
    ],
)
def test_at_is_what_a_wall_clock_shows(text: str, local: int) -> None:
    assert read(text) == At(local)


def test_manual_is_an_expression_of_its_own() -> None:
    assert read(" Manual ") == Manual()
    with pytest.raises(InvalidExpression, match=r"got 'manual\(\)'; allowed: cron\(\), rate\(\) or at\(\)"):
        read("manual()")


def test_a_key_decides_the_value_of_h() -> None:
    keys = [Key("acme", f"job-{number}") for number in range(4)]
    found = [read_expression("H H * * *", anchor=0, key=key) for key in keys]

    assert len(set(found)) == 4
    assert found == [read_expression("H H * * *", anchor=ANCHOR, key=key) for key in keys]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "expression: got ''; allowed: an expression of ASCII characters", id="empty"),
        pytest.param("５ * * * *", "allowed: an expression of ASCII characters", id="full-width-digit"),
        pytest.param("* * * *", "expression: got 4 fields in '* * * *'; allowed: 5 (minute hour day", id="four-fields"),
        pytest.param("0 " * 8, "expression: got 8 fields in", id="eight-fields"),
        pytest.param("every day", "expression: got 2 fields in 'every day'", id="words"),
        pytest.param("foo(1)", "expression: got 'foo(1)'; allowed: cron(), rate() or at()", id="another-call"),
        pytest.param("@reboot", "expression: got '@reboot'; allowed: @yearly", id="another-macro"),
        pytest.param("@every", "for a fixed interval @every 5m or rate(5 minutes)", id="every-without-a-duration"),
        pytest.param("@every 5", "@every: got '5'; allowed: whole seconds in Go's units h, m, s", id="every-unit"),
        pytest.param("@every 1m30", "@every: got '1m30'", id="every-last-unit"),
        pytest.param("@every 1d", "@every: got '1d'", id="every-day"),
        pytest.param("@every -5m", "@every: got '-5m'", id="every-negative"),
        pytest.param("@every 1500ms", "@every: got '1500ms'; allowed: whole seconds", id="every-fraction"),
        pytest.param("@every 0s", "rate: got '0 seconds'; allowed: 1 second to 36525 days", id="every-nothing"),
        pytest.param("rate(0 minutes)", "rate: got '0 minutes'; allowed: 1 second to 36525 days", id="rate-0"),
        pytest.param("rate(36526 days)", "rate: got '36526 days'; allowed: 1 second to 36525 days", id="rate-too-long"),
        pytest.param("rate(5 weeks)", "rate: got '5 weeks'; allowed: a whole number and second(s)", id="rate-unit"),
        pytest.param("rate(1.5 hours)", "rate: got '1.5 hours'", id="rate-fraction"),
        pytest.param("at(2026-02-30T00:00:00)", "at: got '2026-02-30T00:00:00'; allowed: a date that exists (day is",
                     id="at-no-date"),
        pytest.param("at(2100-02-29T00:00:00)", "allowed: a date that exists", id="at-no-leap-year"),
        pytest.param("at(2026-02-03T00:00:00Z)", "no offset: `timezone` sets it", id="at-with-offset"),
        pytest.param("at(2026-02-03T00:00:00.0005)", "milliseconds optional", id="at-microseconds"),
        pytest.param("at(2026-02-03)", "allowed: a local time such as at(2026-12-01T09:00:00)", id="at-without-a-time"),
        pytest.param("at(1969-12-31T23:59:59)", "allowed: a year 1970-2199", id="at-1969"),
        pytest.param("at(2200-01-01T00:00:00)", "allowed: a year 1970-2199", id="at-2200"),
    ],
)  # fmt: skip
def test_a_message_names_what_was_given_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        read(text)

    assert message in str(caught.value)
    assert caught.value.code == "invalid_expression"


def test_an_expression_has_256_characters_at_most() -> None:
    longest = "0 9 * * *".rjust(256)
    assert read(longest) == read("0 9 * * *")

    with pytest.raises(InvalidExpression) as caught:
        read(f" {longest}")
    error = caught.value
    assert (error.code, error.field) == ("too_long", "expression")
    assert (error.given, error.allowed) == ("257 characters", "at most 256 characters")
