"""Instants and spans as options take them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from eventcron.entrypoints.cli.moments import INSTANT, INSTANT_FORMS, SPAN, SPAN_FORMS, read_moment, read_span
from eventcron.errors import InvalidSchedule
from eventcron.timing.instant import rfc3339

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-03-29T01:00:00Z", "2026-03-29T01:00:00.000Z", id="utc"),
        pytest.param("2026-03-29T01:00:00.25+02:00", "2026-03-28T23:00:00.250Z", id="offset"),
        pytest.param("2026-03-29t01:00z", "2026-03-29T01:00:00.000Z", id="lower-case"),
        pytest.param("2026-03-29 01:00", "2026-03-29T01:00:00.000Z", id="space-and-no-offset"),
        pytest.param(" 2026-03-29 ", "2026-03-29T00:00:00.000Z", id="date"),
        pytest.param("now", "2026-12-01T08:00:00.000Z", id="now"),
        pytest.param("NOW+1h", "2026-12-01T09:00:00.000Z", id="later"),
        pytest.param("now-1d12h", "2026-11-29T20:00:00.000Z", id="earlier"),
    ],
)
def test_an_instant(text: str, expected: str) -> None:
    assert rfc3339(read_moment(text, "--from", now=NOW)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("soon", f"--from: got 'soon'; allowed: {INSTANT_FORMS}", id="a-word"),
        pytest.param("", f"--from: got ''; allowed: {INSTANT_FORMS}", id="nothing"),
        pytest.param("2026-W13-7", f"--from: got '2026-W13-7'; allowed: {INSTANT_FORMS}", id="a-week"),
        pytest.param("2026-02-30", f"--from: got '2026-02-30'; allowed: {INSTANT_FORMS} (", id="no-such-date"),
        pytest.param("now+soon", f"--from: got 'soon'; allowed: {SPAN_FORMS}", id="no-span"),
        pytest.param("now-60w", "--from: got 'now-60w'; allowed: a year 1970-2199", id="before-1970"),
        pytest.param("2199-12-31T23:30-01:00", "allowed: a year 1970-2199", id="after-2199-in-utc"),
        pytest.param("now+999999999999999w", "--from: got '999999999999999w'; allowed: at most 84006d", id="too-long"),
    ],
)
def test_no_instant(text: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        read_moment(text, "--from", now=0)

    assert str(caught.value).startswith(message) or message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("250ms", 250), ("90s", 90_000), ("15m", 900_000), ("2h", 7_200_000), ("1d12h", 129_600_000), ("1w", 604_800_000)],
)
def test_a_span(text: str, expected: int) -> None:
    assert read_span(text, "--for") == expected


@pytest.mark.parametrize("text", ["", "a while", "90", "1.5h", "-1h", "0h", "1h 2", "h", "٣s"])
def test_no_span(text: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        read_span(text, "--for")

    assert str(caught.value) == f"--for: got {text!r}; allowed: {SPAN_FORMS}"


@given(st.text(max_size=40))
def test_any_text_is_an_instant_and_a_span_or_refused(text: str) -> None:
    for read in (read_moment, read_span):
        try:
            assert read(text, "--option") >= 0
        except InvalidSchedule as error:
            assert error.field == "--option"  # noqa: PT017  # either outcome is right


def test_now_is_one_instant_in_all_options_of_a_command() -> None:
    found: list[int] = []

    @click.command()
    @click.option("--from", "start", type=INSTANT, default="now")
    @click.option("--until", type=INSTANT)
    @click.option("--for", "span", type=SPAN, default="24h")
    def command(start: int, until: int, span: int) -> None:
        found.extend([until - start, span, start % 1000])

    result = CliRunner().invoke(command, ["--until", "now+24h"])

    assert (result.exit_code, found) == (0, [86_400_000, 86_400_000, 0])
