"""The dialects of cron: their fields, how their two day fields combine, and what each of them refuses."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidExpression
from eventcron.model.names import Key
from eventcron.timing.dialects import (
    CELERY,
    EVENTBRIDGE,
    FUGIT,
    FUGIT_WITH_SECONDS,
    JENKINS,
    KUBERNETES,
    QUARTZ,
    QUARTZ_WITH_YEAR,
    SPRING,
    UNIX,
    WITH_SECONDS,
    WITH_YEAR,
    Dialect,
)
from tests.unit.timing.moments import dates_in

MINUTE_FIRST = "minute hour day_of_month month day_of_week"
SECOND_FIRST = f"second {MINUTE_FIRST}"


@pytest.mark.parametrize(
    ("dialect", "order"),
    [
        (UNIX, MINUTE_FIRST),
        (WITH_SECONDS, SECOND_FIRST),
        (WITH_YEAR, f"{SECOND_FIRST} year"),
        (EVENTBRIDGE, f"{MINUTE_FIRST} year"),
        (QUARTZ, SECOND_FIRST),
        (QUARTZ_WITH_YEAR, f"{SECOND_FIRST} year"),
        (KUBERNETES, MINUTE_FIRST),
        (CELERY, MINUTE_FIRST),
        (SPRING, SECOND_FIRST),
        (JENKINS, MINUTE_FIRST),
        (FUGIT, MINUTE_FIRST),
        (FUGIT_WITH_SECONDS, SECOND_FIRST),
    ],
)
def test_a_dialect_has_its_fields_in_its_order(dialect: Dialect, order: str) -> None:
    assert dialect.order == order


def test_each_text_is_read_as_the_field_in_its_place() -> None:
    cron = WITH_YEAR.read(["1", "2", "3", "4", "5", "6", "2027-2028"])

    assert (cron.seconds, cron.minutes, cron.hours) == ((1,), (2,), (3,))
    assert (cron.days, cron.months, cron.weekdays, cron.years) == ((4,), (5,), (6,), (2027, 2028))


def test_a_second_that_is_not_written_is_0_and_a_year_any() -> None:
    assert UNIX.read(["*", "*", "*", "*", "*"]).seconds == (0,)
    assert UNIX.read(["*", "*", "*", "*", "*"]).years is None
    assert [EVENTBRIDGE.read(["0", "0", "1", "1", "?", year]).years for year in ("*", "1970-2199")] == [None, None]


@pytest.mark.parametrize(
    ("dialect", "weekday", "expected"),
    [(UNIX, "7", 0), (UNIX, "1", 1), (EVENTBRIDGE, "1", 0), (QUARTZ, "7", 6), (KUBERNETES, "6", 6), (SPRING, "7", 0)],
)
def test_weekdays_count_from_sunday_in_every_dialect(dialect: Dialect, weekday: str, expected: int) -> None:
    texts = {"second": "0", "minute": "0", "hour": "0", "day_of_month": "?", "month": "*", "day_of_week": weekday}
    fields = [texts.get(field.name, "*") for field in dialect.fields]

    assert dialect.read(fields).weekdays == (expected,)


@pytest.mark.parametrize(
    ("dialects", "day", "weekday", "expected"),
    [
        # February 2026 begins on a Sunday.
        pytest.param([UNIX, KUBERNETES, FUGIT], "13", "5", [6, 13, 20, 27], id="either-by-unix"),
        pytest.param([CELERY, JENKINS, SPRING], "13", "5", [13], id="both-by-celery"),
        pytest.param([UNIX, CELERY], "*/2", "1", [9, 23], id="a-starred-day-and-a-weekday-by-unix"),
        pytest.param([KUBERNETES, FUGIT], "*/9", "1", [1, 2, 9, 10, 16, 19, 23, 28], id="but-by-kubernetes-either"),
        pytest.param([UNIX, KUBERNETES, SPRING], "*", "1", [2, 9, 16, 23], id="every-day-and-a-weekday"),
        pytest.param([UNIX, KUBERNETES, SPRING], "13", "*", [13], id="a-day-and-every-weekday"),
        pytest.param([UNIX, KUBERNETES, SPRING], "13", "?", [13], id="a-day-and-a-question-mark"),
        pytest.param([UNIX, KUBERNETES], "1-31", "1", list(range(1, 29)), id="every-day-written-out-is-either"),
        pytest.param([UNIX, FUGIT], "L", "1#2", [9, 28], id="rules-in-both"),
    ],
)
def test_the_day_fields_combine_as_in(dialects: list[Dialect], day: str, weekday: str, expected: list[int]) -> None:
    for dialect in dialects:
        texts = {"day_of_month": day, "day_of_week": weekday, "month": "*"}
        cron = dialect.read([texts.get(field.name, "0") for field in dialect.fields])
        february = [date for date in dates_in(2026, cron.days_in(2026)) if date.startswith("2026-02")]

        assert [int(date[-2:]) for date in february] == expected, dialect.name


@pytest.mark.parametrize(
    ("minute", "hour", "fixed"),
    [("0", "9", True), ("0-59", "0-23", True), ("0/15", "9", True), ("*/15", "9", False), ("0", "*", False)],
)
def test_a_minute_or_an_hour_that_starts_with_a_star_makes_a_wildcard(minute: str, hour: str, fixed: bool) -> None:
    assert UNIX.read([minute, hour, "*", "*", "*"]).fixed is fixed
    assert WITH_SECONDS.read(["*", minute, hour, "*", "*", "*"]).fixed is fixed


@pytest.mark.parametrize(
    ("dialect", "text", "message"),
    [
        pytest.param(UNIX, "0 9 * *", f"expression: got 4 fields in '0 9 * *'; allowed: 5: {MINUTE_FIRST}", id="few"),
        pytest.param(QUARTZ, "0", f"expression: got 1 field in '0'; allowed: 6: {SECOND_FIRST}", id="one"),
        pytest.param(
            EVENTBRIDGE, "0 9 * * * *", "day_of_week: got '* *'; allowed: ? in exactly one of day_of_month and "
            "day_of_week", id="no-question-mark"
        ),
        pytest.param(
            QUARTZ, "0 0 9 ? * ?", "day_of_month: got '? ?'; allowed: ? in exactly one of day_of_month and day_of_week",
            id="two-question-marks"
        ),
        pytest.param(KUBERNETES, "0 9 L * *", "day_of_month: got 'L'; allowed: no L, W or #: Kubernetes", id="L"),
        pytest.param(JENKINS, "0 9 15W * *", "day_of_month: got '15W'; allowed: no L, W or #: Jenkins", id="W"),
        pytest.param(CELERY, "0 9 * * 1#1", "day_of_week: got '1#1'; allowed: no L, W or #: Celery", id="nth"),
        pytest.param(CELERY, "0 9 * * L", "day_of_week: got 'L'; allowed: no L, W or #: Celery", id="L-as-saturday"),
        pytest.param(
            CELERY, "0,5/15 9 * * *", "minute: got '5/15'; allowed: 5-59/15, if that is meant: Celery takes a step "
            "after * or a range", id="an-open-step"
        ),
        pytest.param(KUBERNETES, "0 9 * * 7", "day_of_week: got '7'; allowed: 0-6 or SUN-SAT", id="7"),
        pytest.param(EVENTBRIDGE, "0 9 ? * 0 *", "day_of_week: got '0'; allowed: 1-7 or SUN-SAT", id="0"),
        pytest.param(UNIX, "H 9 * * *", "minute: got 'H'; allowed: no H here", id="H-without-a-key"),
    ],
)  # fmt: skip
def test_what_is_not_of_a_dialect_is_refused_by_its_field(dialect: Dialect, text: str, message: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        dialect.read(text.split())

    assert str(caught.value).startswith(message)
    assert caught.value.code == "invalid_expression"


def test_open_steps_and_rules_are_read_where_there_are_some() -> None:
    assert KUBERNETES.read(["5/15", "9", "*", "*", "*"]).minutes == (5, 20, 35, 50)
    assert SPRING.read(["0", "0", "9", "*", "*", "L"]).weekdays == (6,)
    assert 0 <= JENKINS.read(["H", "9", "*", "*", "*"], key=Key("acme", "nightly")).minutes[0] <= 59


@pytest.mark.parametrize(
    ("text", "field", "given", "allowed"),
    [
        ("0 0 0 30 2 ? *", "day_of_month", "'30', so it can never match", "a day that the given months have"),
        ("0 0 0 L-29W 2 ? *", "day_of_month", "'L-29W', so it can never match", "a day that the given months have"),
        ("0 0 0 31 4,6 ? 2027", "day_of_month", "'31', so it can never match", "a day that the given months have"),
        ("0 0 0 29 2 ? 2100", "year", "'2100', so it can never match", "a year in which that date exists"),
    ],
)
def test_a_date_that_never_comes_is_refused_by_the_field_that_prevents_it(
    text: str, field: str, given: str, allowed: str
) -> None:
    with pytest.raises(InvalidExpression) as caught:
        WITH_YEAR.read(text.split())

    error = caught.value
    assert (error.code, error.field, error.given, error.allowed) == ("never_matches", field, given, allowed)
