"""Terms of fields: which numbers each stands for, where it could go wrong."""

from __future__ import annotations

import pytest
from croniter import croniter

from eventcron.errors import InvalidExpression
from eventcron.model.names import Key
from eventcron.timing import fields
from eventcron.timing.cron import Cron
from eventcron.timing.trigger import parse


def cron(expression: str, key: Key | None = None) -> Cron:
    (item,) = parse(expression, anchor=0, key=key).items
    assert isinstance(item, Cron)
    return item


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
        pytest.param("1,,2 * * * *", "minute: got ''", id="empty-list-item"),
        pytest.param("R * * * *", "minute: got 'R'", id="croniter-random"),
        pytest.param("? * * * *", "minute: got '?'", id="question-mark-elsewhere"),
        pytest.param("*/0 * * * *", "minute: got '/0'; allowed: a step of at least 1", id="step-0"),
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
