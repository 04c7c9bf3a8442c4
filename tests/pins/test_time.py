"""What the time engine relies on in croniter, zoneinfo and tzdata, and where croniter reads expressions otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from croniter import CroniterError, croniter

from eventcron.entrypoints.cli.moments import read_moment
from eventcron.errors import InvalidExpression
from eventcron.model.names import Window
from eventcron.timing.trigger import occurrences, parse, rfc3339


def croniter_next(expression: str, since: str, count: int = 1) -> list[str]:
    found = croniter(expression, datetime.fromisoformat(since).replace(tzinfo=UTC))
    return [found.get_next(datetime).strftime("%Y-%m-%dT%H:%M:%SZ") for _ in range(count)]


def ours(expression: str, since: str, count: int = 1) -> list[str]:
    window = Window(read_moment(since, "since") + 1, read_moment("2199-12-31", "until"))
    return [rfc3339(due, millis=False) for due in islice(occurrences(parse(expression, anchor=0), window), count)]


class TestWhatIsUsed:
    """``croniter.expand`` turns plain spans into numbers."""

    @pytest.mark.parametrize(
        ("fields", "numbers"),
        [
            pytest.param(
                "0-59/25 9-17/4 1,15 2 1-5/2", [[0, 25, 50], [9, 13, 17], [1, 15], [2], [1, 3, 5]], id="spans"
            ),
            pytest.param("* * * * *", [["*"], ["*"], ["*"], ["*"], ["*"]], id="whole-fields-stay-stars"),
            pytest.param("0 0 * * 5-7/1", [[0], [0], ["*"], ["*"], [0, 5, 6]], id="7-is-0"),
            pytest.param("0 0 * * * 15,45", [[0], [0], ["*"], ["*"], ["*"], [15, 45]], id="seconds-come-sixth"),
            pytest.param("0 0 30 2 *", [[0], [0], [30], [2], ["*"]], id="no-check-of-dates"),
        ],
    )
    def test_expand(self, fields: str, numbers: list[list[int | str]]) -> None:
        assert croniter.expand(fields)[0] == numbers


class TestTraps:
    """croniter misreads these expressions. Each test also shows how eventcron reads the expression."""

    @pytest.mark.parametrize(
        ("expression", "theirs"),
        [
            pytest.param("0 0 31W 2 *", "2026-02-27T00:00:00Z", id="31W-in-a-short-month-is-its-last-workday"),
            pytest.param("0 0 1-L * *", "2026-01-02T00:00:00Z", id="1-L-is-every-day"),
            pytest.param("0 0 W15 * *", "2026-01-15T00:00:00Z", id="W15-is-15W"),
        ],
    )
    def test_a_day_rule_that_eventcron_refuses_or_finds_never(self, expression: str, theirs: str) -> None:
        assert croniter_next(expression, "2026-01-01") == [theirs]
        with pytest.raises(InvalidExpression):
            ours(expression, "2026-01-01", 1)

    def test_31W_skips_months_without_a_31st(self) -> None:  # noqa: N802  as it is written
        assert ours("0 0 31W * *", "2026-02-01", 1) == ["2026-03-31T00:00:00Z"]

    def test_a_range_of_one_value_is_every_value(self) -> None:
        assert croniter_next("5-5 0 1 1 *", "2026-01-01") == ["2026-01-01T00:01:00Z"]
        assert ours("5-5 0 1 1 *", "2026-01-01") == ["2026-01-01T00:05:00Z"]

    def test_steps_are_miscounted_around_the_end(self) -> None:
        assert croniter.expand("55-12/15 * * * *")[0][0] == [11, 55]
        assert ours("55-12/15 0 * * *", "2026-01-01") == ["2026-01-01T00:10:00Z"]

    def test_six_fields_have_the_second_last(self) -> None:
        assert croniter_next("30 2 1 1 * 5", "2026-01-01") == ["2026-01-01T02:30:05Z"]
        assert ours("5 30 2 1 1 *", "2026-01-01") == ["2026-01-01T02:30:05Z"]

    def test_days_with_a_star_and_a_step_are_ored(self) -> None:
        assert croniter_next("0 0 */2 * 1", "2026-02-01T12:00:00") == ["2026-02-02T00:00:00Z"]
        assert ours("0 0 */2 * 1", "2026-02-01T12:00:00") == ["2026-02-09T00:00:00Z"]

    def test_a_question_mark_is_a_star_even_in_both_day_fields(self) -> None:
        assert croniter.expand("0 0 ? * ?")[0] == croniter.expand("0 0 * * *")[0]

    @pytest.mark.parametrize("day", ["LW", "L-3", "1W,15W"])
    def test_day_rules_are_refused(self, day: str) -> None:
        with pytest.raises(CroniterError):
            croniter(f"0 0 {day} * *")

    def test_the_last_friday_is_written_another_way_round(self) -> None:
        with pytest.raises(CroniterError):
            croniter("0 0 * * 5L")
        assert croniter_next("0 0 * * L5", "2026-01-01") == ours("0 0 * * 5L", "2026-01-01")

    def test_an_nth_weekday_with_a_day_of_month_finds_nothing(self) -> None:
        with pytest.raises(CroniterError):
            croniter_next("0 0 11 * 1#1", "2026-01-01")
        assert ours("0 0 11 * 1#1", "2026-01-01", 2) == ["2026-01-05T00:00:00Z", "2026-01-11T00:00:00Z"]

    def test_hashed_fields_are_correlated(self) -> None:
        """croniter uses one hash for both fields, so it reaches 240 of 1,440 minutes."""
        pairs = {
            (fields[0][0], fields[1][0])
            for number in range(3_000)
            for fields in [croniter.expand("H H * * *", hash_id=f"job-{number}".encode())[0]]
        }

        assert len(pairs) == 240

    def test_a_skipped_hour_of_a_wildcard_fires_at_three(self) -> None:
        start = datetime(2026, 3, 29, 0, 30, tzinfo=ZoneInfo("Europe/Oslo"))

        assert croniter("* 2 * * *", start).get_next(datetime).isoformat() == "2026-03-29T03:00:00+02:00"

    def test_a_fixed_time_fires_in_both_passes(self) -> None:
        start = datetime(2026, 10, 25, 1, 0, tzinfo=ZoneInfo("Europe/Oslo"))
        found = croniter("30 2 * * *", start)

        assert [found.get_next(datetime).astimezone(UTC).isoformat()[:16] for _ in range(2)] == [
            "2026-10-25T00:30",
            "2026-10-25T01:30",
        ]


def test_tzdata_lists_its_zones() -> None:
    names = files("tzdata").joinpath("zones").read_text().split()

    assert {"UTC", "Europe/Oslo", "Australia/Lord_Howe", "Pacific/Apia"} <= set(names)
    assert all(files("tzdata").joinpath("zoneinfo", *name.split("/")).is_file() for name in names)


def test_fold_distinguishes_the_two_passes() -> None:
    oslo = ZoneInfo("Europe/Oslo")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).astimezone(oslo)
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC).astimezone(oslo)

    assert first.replace(tzinfo=None, fold=0) == second.replace(tzinfo=None, fold=0)
    assert (first.fold, second.fold) == (0, 1)
