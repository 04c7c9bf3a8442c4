"""Terms of fields: what each means, on the days and numbers where it could go wrong."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from croniter import croniter

from eventcron.errors import InvalidExpression
from eventcron.model.names import Key
from eventcron.timing import fields
from eventcron.timing.cron import Cron
from eventcron.timing.trigger import parse

EPOCH = date(1970, 1, 1)


def cron(expression: str, key: Key | None = None) -> Cron:
    (item,) = parse(expression, anchor=0, key=key).items
    assert isinstance(item, Cron)
    return item


def days(expression: str, first: str, last: str) -> list[str]:
    """The matching dates from *first* to *last*, as month-day."""
    bounds = [(date.fromisoformat(day) - EPOCH).days for day in (first, last)]
    return [(EPOCH + timedelta(days=day)).isoformat()[5:] for day in cron(expression).matching_days(*bounds)]


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        pytest.param("5-5", [5], id="a-range-of-one-is-one-value"),
        pytest.param("5-5/7", [5], id="with-a-step-too"),
        pytest.param("59/15", [59], id="from-59-to-the-end"),
        pytest.param("5/15", [5, 20, 35, 50], id="from-5-to-the-end"),
        pytest.param("*/25", [0, 25, 50], id="steps-start-anew-each-hour"),
        pytest.param("*/90", [0], id="a-step-beyond-the-field"),
        pytest.param("50-10/5", [0, 5, 10, 50, 55], id="around-the-end"),
        pytest.param("55-12/15", [10, 55], id="counted-through-the-end"),
        pytest.param("58-0", [0, 58, 59], id="around-to-0"),
        pytest.param("1,1,01", [1], id="each-once-leading-zeros"),
        pytest.param("30-40/30,*/30", [0, 30], id="list"),
        pytest.param("0000000059", [59], id="ten-digits"),
        pytest.param("*/0000000015", [0, 15, 30, 45], id="a-step-of-ten-digits"),
        pytest.param("00000000000-0000000000000000000003/00000000000002", [0, 2], id="a-range-of-long-numbers"),
        pytest.param("*/10000000000000000000", [0], id="a-step-beyond-all-numbers"),
    ],
)
def test_a_minute_field_stands_for(minute: str, expected: list[int]) -> None:
    assert list(cron(f"{minute} * * * *").minutes) == expected


@pytest.mark.parametrize(
    ("weekday", "expected"),
    [
        pytest.param("0", [0], id="0-is-sunday"),
        pytest.param("7", [0], id="7-is-sunday"),
        pytest.param("5-7", [0, 5, 6], id="to-7"),
        pytest.param("7-2", [0, 1, 2], id="from-7"),
        pytest.param("fri-Mon", [0, 1, 5, 6], id="around-the-end-in-any-case"),
        pytest.param("MON-SUN", [0, 1, 2, 3, 4, 5, 6], id="to-sunday-by-name"),
        pytest.param("6-0", [0, 6], id="saturday-to-sunday"),
        pytest.param("1/2", [0, 1, 3, 5], id="steps-end-at-7"),
        pytest.param("FRI-TUE/2", [0, 2, 5], id="steps-through-the-end"),
        pytest.param("L", [6], id="L-is-saturday"),
    ],
)
def test_a_weekday_field_stands_for(weekday: str, expected: list[int]) -> None:
    assert list(cron(f"0 0 * * {weekday}").weekdays) == expected


def test_eventbridge_counts_weekdays_from_1() -> None:
    assert cron("cron(0 0 ? * 7 *)").weekdays == (6,)
    assert cron("cron(0 0 ? * 7-2 *)").weekdays == (0, 1, 6)
    assert cron("cron(0 0 ? * MON-FRI *)").weekdays == cron("cron(0 0 ? * 2-6 *)").weekdays


@pytest.mark.parametrize(
    ("expression", "first", "last", "expected"),
    [
        # 2026: Feb 1, Mar 1, May 31 and Nov 1 are Sundays; Aug 1 and Oct 31 are Saturdays.
        pytest.param("0 0 1W * *", "2026-08-01", "2026-08-31", ["08-03"], id="saturday-1st-stays-in-its-month"),
        pytest.param("0 0 1W * *", "2026-11-01", "2026-11-30", ["11-02"], id="sunday-1st"),
        pytest.param("0 0 31W * *", "2026-05-01", "2026-05-31", ["05-29"], id="sunday-31st-stays-in-its-month"),
        pytest.param("0 0 31W * *", "2026-10-01", "2026-11-30", ["10-30"], id="saturday-31st-and-no-31st"),
        pytest.param("0 0 15W * *", "2026-02-01", "2026-02-28", ["02-16"], id="sunday-15th-goes-to-monday"),
        pytest.param("0 0 14W * *", "2026-02-01", "2026-02-28", ["02-13"], id="saturday-14th-goes-to-friday"),
        pytest.param("0 0 LW * *", "2026-05-01", "2026-06-30", ["05-29", "06-30"], id="LW"),
        pytest.param("0 0 L * *", "2028-01-01", "2028-03-31", ["01-31", "02-29", "03-31"], id="L-in-a-leap-year"),
        pytest.param("0 0 L-30 * *", "2026-01-01", "2026-03-31", ["01-01", "03-01"], id="L-30-needs-31-days"),
        pytest.param("0 0 L-1W * *", "2026-05-01", "2026-05-31", ["05-29"], id="L-1W"),
        pytest.param("0 0 L-29W 2 *", "2026-01-01", "2028-12-31", [], id="too-far-before-the-last"),
        pytest.param("0 0 1,L-3,LW 2 *", "2026-02-01", "2026-02-28", ["02-01", "02-25", "02-27"], id="rules-in-a-list"),
        pytest.param("0 0 * * MON#5", "2026-03-01", "2026-04-30", ["03-30"], id="no-fifth-monday-in-april"),
        pytest.param("0 0 * * 5L", "2026-01-01", "2026-02-28", ["01-30", "02-27"], id="last-friday"),
        pytest.param("0 0 * * 7L,0#1", "2026-02-01", "2026-02-28", ["02-01", "02-22"], id="first-and-last-sunday"),
        pytest.param("0 0 13 * FRI", "2026-02-01", "2026-02-15", ["02-06", "02-13"], id="either-day-field"),
        pytest.param("0 0 */2 * MON", "2026-02-01", "2026-02-28", ["02-09", "02-23"], id="star-in-days-means-both"),
        pytest.param("0 0 1-7 * */7", "2026-02-01", "2026-02-28", ["02-01"], id="star-in-weekdays-means-both"),
        pytest.param("0 0 ? * MON", "2026-02-01", "2026-02-10", ["02-02", "02-09"], id="question-mark"),
        pytest.param("0 0 29 2 *", "2096-01-01", "2104-12-31", ["02-29", "02-29"], id="2100-is-no-leap-year"),
    ],
)
def test_days_that_match(expression: str, first: str, last: str, expected: list[str]) -> None:
    if expression == "0 0 L-29W 2 *":
        with pytest.raises(InvalidExpression, match="can never match"):
            cron(expression)
        return
    assert days(expression, first, last) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("60 * * * *", "minute: got '60'; allowed: 0-59", id="minute"),
        pytest.param("* 24 * * *", "hour: got '24'; allowed: 0-23", id="hour"),
        pytest.param("* * 0 * *", "day_of_month: got '0'; allowed: 1-31", id="day"),
        pytest.param("* * * 13 *", "month: got '13'; allowed: 1-12 or JAN-DEC", id="month"),
        pytest.param("* * * * 8", "day_of_week: got '8'; allowed: 0-7 or SUN-SAT", id="weekday"),
        pytest.param("60 * * * * *", "second: got '60'; allowed: 0-59", id="second"),
        pytest.param("0 0 0 1 1 ? 2200", "year: got '2200'; allowed: 1970-2199", id="year"),
        pytest.param(
            "0 0 0 1 1 ? 2030-2020", "year: got '2030-2020'; allowed: the earlier year first", id="year-wraps"
        ),
        pytest.param("cron(0 0 ? * 0 *)", "day_of_week: got '0'; allowed: 1-7 or SUN-SAT", id="eventbridge-weekday-0"),
        pytest.param(
            "cron(0 0 ? * ? *)", "day_of_month: got '? ?'; allowed: ? in exactly one", id="two-question-marks"
        ),
        pytest.param(
            "cron(0 0 * * *)", "expression: got 5 fields in '0 0 * * *'; allowed: 6: minute hour", id="five-in-cron"
        ),
        pytest.param("* * * FOO *", "month: got 'FOO'; allowed: 1-12 or JAN-DEC, *, lists", id="no-month"),
        pytest.param("* * * MON *", "month: got 'MON'", id="a-weekday-is-no-month"),
        pytest.param("*-5 * * * *", "minute: got '*-5'", id="star-in-a-range"),
        pytest.param("1-2-3 * * * *", "minute: got '1-2-3'", id="two-dashes"),
        pytest.param("-1 * * * *", "minute: got '-1'", id="negative"),
        pytest.param("1/ * * * *", "minute: got '1/'", id="no-step"),
        pytest.param("1/-2 * * * *", "minute: got '1/-2'", id="negative-step"),
        pytest.param("* * 32W * *", "day_of_month: got '32'; allowed: 1-31", id="32W"),
        pytest.param("* * 1-5W * *", "day_of_month: got '1-5W'", id="a-range-of-W"),
        pytest.param("* * L-31 * *", "day_of_month: got 'L-31'; allowed: L-0 to L-30", id="L-31"),
        pytest.param("* L * * *", "hour: got 'L'", id="L-elsewhere"),
        pytest.param("* * * * MON#6", "day_of_week: got 'MON#6'; allowed: #1 to #5", id="sixth"),
        pytest.param("* * * * 1-5L", "day_of_week: got '1-5L'", id="a-range-of-L"),
        pytest.param("* * * * MON#0", "day_of_week: got 'MON#0'; allowed: #1 to #5", id="zeroth"),
        pytest.param("0 0 31 4,6,9,11 *", "day_of_month: got '31', so it can never match", id="no-31st"),
        pytest.param("every day", "expression: got 2 fields in 'every day'", id="words"),
        pytest.param("５ * * * *", "allowed: an expression of ASCII characters", id="full-width-digit"),
        pytest.param("@every", "for a fixed interval @every 5m or rate(5 minutes)", id="every-without-a-duration"),
        pytest.param("@every 5", "@every: got '5'; allowed: whole seconds in Go's units h, m, s", id="every-unit"),
        pytest.param("@every 1m30", "@every: got '1m30'", id="every-last-unit"),
        pytest.param("@every 1d", "@every: got '1d'", id="every-day"),
        pytest.param("@every -5m", "@every: got '-5m'", id="every-negative"),
        pytest.param("@every 1500ms", "@every: got '1500ms'; allowed: whole seconds", id="every-fraction"),
        pytest.param("@every 0s", "rate: got '0 seconds'; allowed: 1 second to 36525 days", id="every-nothing"),
        pytest.param("rate(5 weeks)", "rate: got '5 weeks'; allowed: a whole number and second(s)", id="rate-unit"),
        pytest.param("rate(1.5 hours)", "rate: got '1.5 hours'", id="rate-fraction"),
        pytest.param("rate(36526 days)", "rate: got '36526 days'; allowed: 1 second to 36525 days", id="rate-too-long"),
        pytest.param(
            "at(1969-12-31T00:00:00)", "at: got '1969-12-31T00:00:00'; allowed: a year 1970-2199", id="at-1969"
        ),
        pytest.param("at(tomorrow)", "at: got 'tomorrow'; allowed: a local time such as", id="at-words"),
        pytest.param("foo(1)", "expression: got 'foo(1)'; allowed: cron(), rate() or at()", id="another-call"),
    ],
)
def test_a_message_names_field_value_and_what_is_allowed(expression: str, message: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        cron(expression)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("long", "short"),
    [
        pytest.param("0 0 L-00003 * *", "0 0 L-3 * *", id="L"),
        pytest.param("0 0 * * MON#00002", "0 0 * * MON#2", id="nth"),
        pytest.param("0 0 00000000015W * *", "0 0 15W * *", id="W"),
        pytest.param("0 0 * * 0000000005L", "0 0 * * 5L", id="last-weekday"),
        pytest.param("0 0 0 1 1 * 00000002027", "0 0 0 1 1 * 2027", id="year"),
        pytest.param("rate(0000000000000005 minutes)", "rate(5 minutes)", id="rate"),
        pytest.param("@every 0000000000000005m", "@every 5m", id="every"),
        pytest.param("H(00000000000-0000000000)/0000000000005 * * * *", "H(0-0)/5 * * * *", id="hash"),
    ],
)
def test_a_number_is_read_whole_however_many_zeros_lead_it(long: str, short: str) -> None:
    key = Key("acme", "job")

    assert parse(long, anchor=0, key=key) == parse(short, anchor=0, key=key)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("5000000000 * * * *", "minute: got '5000000000'; allowed: 0-59", id="minute"),
        pytest.param("0 0 L-300000 * *", "day_of_month: got 'L-300000'; allowed: L-0 to L-30", id="L"),
        pytest.param("0 0 * * MON#20000", "day_of_week: got 'MON#20000'; allowed: #1 to #5", id="nth"),
        pytest.param("*/00000000000 * * * *", "a step of at least 1", id="step"),
    ],
)
def test_a_long_number_is_refused_as_it_stands(expression: str, message: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        cron(expression)

    assert message in str(caught.value)


class TestHash:
    key = Key("acme", "nightly-export")

    def test_it_is_stable(self) -> None:
        """It is part of what is stored: another release must compute the same."""
        assert cron("H H H H H", self.key) == cron("37 12 4 11 4", self.key)

    def test_each_field_hashes_by_itself(self) -> None:
        pairs = {
            (found.minutes[0], found.hours[0])
            for found in (cron("H H * * *", Key("acme", f"job-{number}")) for number in range(5_000))
        }

        assert len(pairs) > 1_350  # of 1,440; croniter's H H reaches 240

    def test_a_step_starts_below_itself(self) -> None:
        minutes = cron("H/15 * * * *", self.key).minutes

        assert len(minutes) == 4
        assert minutes[0] < 15

    def test_a_range_holds_it(self) -> None:
        for number in range(100):
            key = Key("acme", f"job-{number}")

            assert 10 <= cron("H(10-20) * * * *", key).minutes[0] <= 20
            assert set(cron("H(10-20)/5 * * * *", key).minutes) <= set(range(10, 21))
            assert cron("0 0 H * *", key).days[0] <= 28

    @pytest.mark.parametrize("expression", ["H(5) * * * *", "H(20-10) * * * *", "H/0 * * * *", "0 0 0 1 1 ? H"])
    def test_nonsense_is_refused(self, expression: str) -> None:
        with pytest.raises(InvalidExpression):
            cron(expression, self.key)


def test_day_rules_with_equal_numbers_are_different_days() -> None:
    last_workday, first_sunday = cron("0 0 LW * *"), cron("0 0 * * SUN#1")

    assert last_workday.day_rules == first_sunday.weekday_rules, "as tuples they are equal, so a cache may confuse them"
    assert days("0 0 LW * *", "2026-01-01", "2026-02-28") == ["01-30", "02-27"]
    assert days("0 0 * * SUN#1", "2026-01-01", "2026-02-28") == ["01-04", "02-01"]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 20, 59])
def test_steps_count_from_the_first_value(step: int) -> None:
    for first, last in [(0, 59), (1, 58), (7, 30), (58, 59)]:
        assert cron(f"{first}-{last}/{step} * * * *").minutes == tuple(range(first, last + 1, step))
    for first, last in [(1, 31), (2, 30), (5, 12)]:
        assert cron(f"0 0 {first}-{last}/{step} * *").days == tuple(range(first, last + 1, step))
    for first, last in [(1, 7), (2, 6), (3, 4)]:  # EventBridge: 1 is Sunday
        expected = tuple(number - 1 for number in range(first, last + 1, step))
        assert cron(f"cron(0 0 ? * {first}-{last}/{step} *)").weekdays == expected


def test_croniter_is_asked_once_for_each_step_however_many_ranges_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than anything else that reading an expression does, and a list has up to 60 ranges."""
    asked = []
    expand = croniter.expand

    def noted(text: str) -> object:
        asked.append(text)
        return expand(text)

    monkeypatch.setattr(croniter, "expand", noted)
    fields._by_croniter.cache_clear()

    parse([f"{first}-59/7,{first}-58/9 {first}-23/7 * * *" for first in range(16)], anchor=0)

    assert len(asked) == 2
