"""The independent computation of what is due, against days and nights worked out by hand.

``tests/time`` compares it with the engine.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import eventcron.oracle
from eventcron.model.codes import SkipReason
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Occurrence, Window
from eventcron.oracle.occurrences import NotComputed, can_match, due_instants, occurrences

ORACLE = sorted(Path(eventcron.oracle.__file__).parent.glob("*.py"))


def at(text: str) -> Instant:
    """An instant from RFC 3339 text; UTC if it does not say."""
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def schedule(expression: str | list[str], **fields: Any) -> Schedule:
    return msgspec.convert({"tenant": "acme", "name": "job", "expression": expression, **fields}, Schedule)


def due(given: Schedule, first: str, until: str, created: str = "2026-01-01T00:00:00") -> list[str]:
    instants = due_instants(given, at(first), at(until), at(created))
    return [datetime.fromtimestamp(instant / 1000, UTC).isoformat().removesuffix("+00:00") for instant in instants]


def on(day: str, *times: str) -> list[str]:
    return [f"{day}T{time}" for time in times]


@pytest.mark.parametrize(
    ("expression", "day", "times"),
    [
        pytest.param("30 9,17 * * *", "2026-06-01", ["09:30:00", "17:30:00"], id="list"),
        pytest.param("0 23-1 * * *", "2026-06-01", ["00:00:00", "01:00:00", "23:00:00"], id="wrap"),
        pytest.param("0 22-4/3 * * *", "2026-06-01", ["01:00:00", "04:00:00", "22:00:00"], id="steps-through-a-wrap"),
        pytest.param("5/20 4 * * *", "2026-06-01", ["04:05:00", "04:25:00", "04:45:00"], id="step-from-a-number"),
        pytest.param("0 0 * * mon", "2026-06-01", ["00:00:00"], id="a-monday"),
        pytest.param("0 0 1 * FRI", "2026-06-01", ["00:00:00"], id="either-day-field"),
        pytest.param("0 0 */2 * FRI", "2026-06-01", [], id="both-day-fields-if-one-starts-with-a-star"),
        pytest.param("0 0 * * 1/2", "2026-06-07", ["00:00:00"], id="seven-is-sunday-at-the-end-of-the-week"),
        pytest.param("0 0 * * SAT-MON", "2026-06-07", ["00:00:00"], id="a-weekend-around-the-end"),
        pytest.param("10,40 0 4 * * *", "2026-06-01", ["04:00:10", "04:00:40"], id="seconds-first"),
        pytest.param("0 0 4 * * * 2027", "2026-06-01", [], id="another-year"),
        pytest.param("cron(0 4 ? * 2 *)", "2026-06-01", ["04:00:00"], id="eventbridge-counts-from-sunday-as-1"),
        pytest.param("cron(0 4 ? * MON#1 2026)", "2026-06-01", ["04:00:00"], id="first-monday"),
        pytest.param("cron(0 4 ? * 6L *)", "2026-06-26", ["04:00:00"], id="last-friday"),
        pytest.param("0 0 * * L", "2026-06-06", ["00:00:00"], id="last-day-of-the-week"),
        pytest.param("0 4 L * *", "2026-06-30", ["04:00:00"], id="last-day"),
        pytest.param("0 4 L-2 * *", "2026-06-28", ["04:00:00"], id="third-last-day"),
        pytest.param("0 4 6W * *", "2026-06-05", ["04:00:00"], id="friday-before-the-sixth"),
        pytest.param("0 4 1W * *", "2026-08-03", ["04:00:00"], id="not-in-the-month-before"),
        pytest.param("0 4 LW * *", "2026-05-29", ["04:00:00"], id="last-workday"),
        pytest.param("@daily", "2026-06-01", ["00:00:00"], id="macro"),
        pytest.param("at(2026-06-01T09:00:00.250)", "2026-06-01", ["09:00:00.250000"], id="at-with-milliseconds"),
        pytest.param("@every 8h30m", "2026-01-01", ["08:30:00", "17:00:00"], id="every-in-several-units"),
        pytest.param("@EVERY 0.5h1h7.5h", "2026-01-01", ["09:00:00", "18:00:00"], id="every-in-fractions"),
        pytest.param("rate(9 hours)", "2026-01-01", ["09:00:00", "18:00:00"], id="rate-not-at-its-creation"),
        pytest.param(["0 4 * * *", "0 */4 1 6 *"], "2026-06-02", ["04:00:00"], id="each-instant-of-several-once"),
    ],
)  # fmt: skip
def test_a_day(expression: str | list[str], day: str, times: list[str]) -> None:
    following = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()

    assert due(schedule(expression), day, following) == on(day, *times)


OSLO_SPRING = ("Europe/Oslo", "2026-03-29T00:00:00", "2026-03-29T03:00:00")  # 02:00 becomes 03:00 at 01:00 UTC
OSLO_AUTUMN = ("Europe/Oslo", "2026-10-24T23:00:00", "2026-10-25T03:00:00")  # 03:00 becomes 02:00 at 01:00 UTC
LORD_HOWE_SPRING = (
    "Australia/Lord_Howe",
    "2026-10-03T15:00:00",
    "2026-10-03T16:30:00",
)  # 02:00 becomes 02:30 at 15:30 UTC
LORD_HOWE_AUTUMN = (
    "Australia/Lord_Howe",
    "2026-04-04T14:00:00",
    "2026-04-04T16:30:00",
)  # 02:00 becomes 01:30 at 15:00 UTC


@pytest.mark.parametrize(
    ("night", "expression", "times"),
    [
        pytest.param(OSLO_SPRING, "30 2 * * *", "01:00:00", id="a-time-in-the-gap-shifts-to-its-end"),
        pytest.param(OSLO_SPRING, "*/20 2 * * *", "", id="a-wildcard-minute-does-not"),
        pytest.param(OSLO_SPRING, "0,30 1-3 * * *", "00:00:00 00:30:00 01:00:00 01:30:00", id="all-of-the-gap-once"),
        pytest.param(OSLO_SPRING, "30 * * * *", "00:30:00 01:30:00 02:30:00", id="every-hour-stays-so-in-spring"),
        pytest.param(OSLO_SPRING, "at(2026-03-29T02:30:00)", "01:00:00", id="at-in-the-gap"),
        pytest.param(OSLO_AUTUMN, "30 2 * * *", "00:30:00", id="a-time-that-comes-twice-fires-the-first-time"),
        pytest.param(OSLO_AUTUMN, "30 2,3 * * *", "00:30:00 02:30:00", id="what-follows-is-not-lost"),
        pytest.param(OSLO_AUTUMN, "30 * * * *", "23:30:00 00:30:00 01:30:00 02:30:00", id="every-hour-in-autumn"),
        pytest.param(OSLO_AUTUMN, "15 30 2 * * *", "00:30:15", id="seconds-of-a-repeated-minute"),
        pytest.param(OSLO_AUTUMN, "at(2026-10-25T02:30:00)", "00:30:00", id="at-in-the-overlap"),
        pytest.param(LORD_HOWE_SPRING, "15 2 * * *", "15:30:00", id="half-an-hour-skipped"),
        pytest.param(LORD_HOWE_SPRING, "15,45 2 * * *", "15:30:00 15:45:00", id="half-of-the-hour-skipped"),
        pytest.param(LORD_HOWE_SPRING, "0 * * * *", "16:00:00", id="two-oclock-never-was-that-night"),
        pytest.param(LORD_HOWE_AUTUMN, "45 1 * * *", "14:45:00", id="half-an-hour-repeated"),
        pytest.param(LORD_HOWE_AUTUMN, "*/30 1 * * *", "14:00:00 14:30:00 15:00:00", id="both-passes-of-a-wildcard"),
    ],
)
def test_a_night_on_which_the_clocks_change(night: tuple[str, str, str], expression: str, times: str) -> None:
    zone, first, until = night
    found = due(schedule(expression, timezone=zone), first, until)

    assert [text.partition("T")[2] for text in found] == times.split()


def test_policies_of_daylight_saving() -> None:
    spring = schedule("30 2 * * *", timezone="Europe/Oslo", daylight_saving={"gap": "skip"})
    autumn = schedule("30 2 * * *", timezone="Europe/Oslo", daylight_saving={"overlap": "twice"})
    profile = schedule("30 2 * * *", timezone="Europe/Oslo", daylight_saving="eventbridge")
    once = schedule("at(2026-03-29T02:30:00)", timezone="Europe/Oslo", daylight_saving={"gap": "skip"})

    assert due(spring, *OSLO_SPRING[1:]) == []
    assert due(once, *OSLO_SPRING[1:]) == []
    assert due(autumn, *OSLO_AUTUMN[1:]) == on("2026-10-25", "00:30:00", "01:30:00")
    assert due(profile, *OSLO_SPRING[1:]) == []
    assert due(profile, *OSLO_AUTUMN[1:]) == on("2026-10-25", "00:30:00")


def test_the_day_that_apia_never_had_fires_at_the_first_instant_after_it() -> None:
    found = due(schedule("0 9 * * *", timezone="Pacific/Apia"), "2011-12-29T00:00:00", "2011-12-31T12:00:00")

    assert found == ["2011-12-29T19:00:00", "2011-12-30T10:00:00", "2011-12-30T19:00:00"]


def test_bounds() -> None:
    day = ("2026-06-01", "2026-06-02")
    bounded = schedule("0 */6 * * *", start="2026-06-01T06:00:00Z", end="2026-06-01T18:00:00Z")
    few = schedule("0 */6 * * *", max_fires=3)
    started = schedule("rate(8 hours)", start="2026-06-01T06:00:00Z")

    assert due(bounded, *day) == on("2026-06-01", "06:00:00", "12:00:00")
    assert due(few, *day, created="2026-05-31T12:00:00") == on("2026-06-01", "00:00:00", "06:00:00")
    assert due(started, *day) == on("2026-06-01", "06:00:00", "14:00:00", "22:00:00")


def test_a_rate_counts_from_the_second_of_its_creation() -> None:
    found = due(schedule("rate(10 seconds)"), "2026-06-01T00:00:30", "2026-06-01T00:00:45", "2026-06-01T00:00:03.900")

    assert found == on("2026-06-01", "00:00:33", "00:00:43")


def test_exclusions() -> None:
    span = ("2026-12-23", "2026-12-27")
    dates = schedule("0 9 * * *", exclude=["2026-12-24/2026-12-25"])
    date = schedule("rate(24 hours)", exclude=["2026-12-24"], start="2026-12-23T09:00:00Z")
    cron = schedule("0 9,18 * * *", exclude=["* 0-12 24 12 *"])
    second = schedule("at(2026-12-24T09:00:07)", exclude=["7 0 9 24 12 *"])

    assert due(dates, *span) == ["2026-12-23T09:00:00", "2026-12-26T09:00:00"]
    assert due(date, *span) == ["2026-12-23T09:00:00", "2026-12-25T09:00:00", "2026-12-26T09:00:00"]
    assert "2026-12-24T09:00:00" not in due(cron, *span)
    assert "2026-12-24T18:00:00" in due(cron, *span)
    assert due(second, *span) == []


def test_a_skipped_occurrence_says_why() -> None:
    gap = schedule("30 2 * * *", timezone="Europe/Oslo", daylight_saving={"gap": "skip"})
    both = schedule(["30 2 * * *", "at(2026-03-29T02:10:00)"], timezone="Europe/Oslo", exclude=["30 2 * * *"])
    rate = schedule("rate(1 hour)", timezone="Europe/Oslo", exclude=["2026-03-28", "* 1 * * *"])
    window = Window(at("2026-03-28T22:00:00"), at("2026-03-29T01:30:00"))
    end_of_gap = at("2026-03-29T01:00:00")

    assert occurrences(gap, window, 0) == [Occurrence(end_of_gap, SkipReason.DAYLIGHT_SAVING_GAP)]
    # One expression of two is excluded, so the schedule fires at that instant.
    assert occurrences(both, window, 0) == [Occurrence(end_of_gap)]
    assert occurrences(rate, window, 0) == [
        Occurrence(window.start, SkipReason.EXCLUDED, "2026-03-28"),
        Occurrence(at("2026-03-28T23:00:00")),
        Occurrence(at("2026-03-29T00:00:00"), SkipReason.EXCLUDED, "* 1 * * *"),
        Occurrence(end_of_gap),
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"expression": "H 4 * * *"}, "'H 4 * * *' is hashed, which only the engine can do"),
        (
            {"expression": "0 4 * * *", "exclude": ["calendar:norway"]},
            "'calendar:norway' names a calendar, which only the engine knows",
        ),
    ],
)
def test_it_says_what_it_does_not_compute(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(NotComputed) as caught:
        due(schedule(**fields), "2026-06-01", "2026-06-02")

    assert str(caught.value) == said


def test_it_knows_what_never_matches() -> None:
    assert not can_match(schedule("0 0 30 2 *"))
    assert not can_match(schedule(["0 0 1 * *", "0 0 31 FEB,APR *"]))
    assert can_match(schedule("0 0 29 2 *"))
    assert can_match(schedule("at(2026-06-01T00:00:00)"))


@pytest.mark.parametrize("module", ORACLE, ids=lambda module: module.stem)
def test_it_shares_no_code_with_the_engine(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module is not None}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    ours = {name for name in imported if name.startswith("eventcron")}

    shared = {"codes", "commands", "names"}  # the nouns, and no rule
    assert ours <= {"eventcron.errors", "eventcron.oracle.cron", *(f"eventcron.model.{name}" for name in shared)}


def test_importing_it_imports_nothing_of_the_engine() -> None:
    program = "import sys, eventcron.oracle.occurrences; print([m for m in sys.modules if 'eventcron.timing' in m])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=240)

    assert done.stdout == "[]\n"


def test_a_day_of_many_schedules() -> None:
    expressions = [f"{minute} */{hour} * * *" for minute in range(60) for hour in range(1, 6)]
    total = sum(len(due_instants(schedule(text), at("2026-06-01"), at("2026-06-02"), 0)) for text in expressions)

    assert total == 60 * (24 + 12 + 8 + 6 + 5)
