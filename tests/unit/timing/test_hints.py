"""What a message suggests: what the writer most likely meant, and never something else that parses."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidExpression, InvalidSchedule
from eventcron.timing.trigger import parse
from eventcron.timing.zones import load_zone

NO_PART = "A user or a command is no part of an expression"


@pytest.mark.parametrize(
    ("expression", "field", "hint"),
    [
        pytest.param("0 9 ? * MON-FRI *", "hour", "did you mean cron(0 9 ? * MON-FRI *)?", id="six-of-eventbridge"),
        pytest.param("0 9 * * ? *", "month", "did you mean cron(0 9 * * ? *)?", id="any-weekday-of-eventbridge"),
        pytest.param("0 0 1 1 ? 2027", "month", "did you mean cron(0 0 1 1 ? 2027)?", id="a-year-of-eventbridge"),
        pytest.param(
            "0 0 1 1 * 2027",
            "day_of_week",
            "the year is the seventh field, after a second: did you mean 0 0 0 1 1 * 2027?",
            id="six-with-a-year",
        ),
        pytest.param("0 0 1 1 * 2027-2030", "day_of_week", "the year is the seventh field", id="six-with-years"),
        pytest.param("0 0 1 1 2027", "day_of_week", "the year is the seventh field", id="five-with-a-year"),
        pytest.param("*/5 * * * * root", "day_of_week", f"did you mean */5 * * * *? {NO_PART}", id="user"),
        pytest.param("*/5 * * * * www-data", "day_of_week", f"did you mean */5 * * * *? {NO_PART}", id="short-user"),
        pytest.param("30 2 * * 1-5 /opt/export", "day_of_week", f"did you mean 30 2 * * 1-5? {NO_PART}", id="path"),
        pytest.param("30 2 * * 1-5 ./x.sh", "day_of_week", f"did you mean 30 2 * * 1-5? {NO_PART}", id="relative-path"),
        pytest.param(
            "10 4 * * * *  planet-user /usr/sbin/tmpwatch 360 /srv/planet", "expression", NO_PART, id="user-and-command"
        ),
        pytest.param("0 5 * * 1 tar -zcf /var/backups/home.tgz /home/", "expression", NO_PART, id="command"),
        pytest.param("@daily root /opt/x", "expression", "did you mean @daily?", id="macro-and-command"),
        pytest.param("cron(0 9 * * ? *", "expression", "both brackets: cron(0 9 * * ? *)", id="no-closing-bracket"),
        pytest.param("rate(5 minutes", "expression", "both brackets: rate(5 minutes)", id="rate-without-bracket"),
        pytest.param("rate 5 minutes", "expression", "both brackets: rate(5 minutes)", id="rate-without-brackets"),
        pytest.param("TZ=Europe/Paris 0 12 * * 5", "expression", "the zone goes into `timezone`, here Europe", id="TZ"),
        pytest.param("CRON_TZ=Europe/Oslo 0 2 * * *", "expression", "`timezone`, here Europe/Oslo", id="CRON_TZ"),
        pytest.param("TZ=UTC @daily", "expression", "`timezone`, here UTC", id="TZ-and-macro"),
        pytest.param("0 9 * * Monday", "day_of_week", "three-letter names: MON", id="weekday-in-full"),
        pytest.param("0 9 * JANUARY *", "month", "three-letter names: JAN", id="month-in-full"),
        pytest.param("0 9 * * Monday-Friday/2", "day_of_week", "three-letter names: MON-FRI/2", id="range"),
        pytest.param("0 9 * * tues", "day_of_week", "three-letter names: TUE", id="four-letters"),
        pytest.param("0 0 31 2 *", "day_of_month", "or 'manual', for a schedule that only Run", id="never"),
        pytest.param("cron(0 0 31 2 ? *)", "day_of_month", "or 'manual', for a schedule that only Run", id="never-aws"),
        pytest.param("0 0 0 29 2 * 2027", "year", "or 'manual', for a schedule that only Run", id="never-in-that-year"),
        pytest.param("0 9 * sept *", "month", "three-letter names: SEP", id="september"),
    ],
)
def test_a_message_says_what_was_meant(expression: str, field: str, hint: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        parse(expression, anchor=0)

    assert caught.value.field == field
    assert hint in caught.value.allowed


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("0 9 * * FOODAY", id="no-name"),
        pytest.param("61 9 * * *", id="five-fields"),
        pytest.param("0 61 9 * * MON", id="six-fields"),
        pytest.param("cron(0 9 * * * 2027)", id="within-cron"),
    ],
)
def test_no_message_suggests_what_nobody_meant(expression: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        parse(expression, anchor=0)

    assert "did you mean" not in caught.value.allowed
    assert "seventh" not in caught.value.allowed


@pytest.mark.parametrize(
    ("zone", "suggested"),
    [
        pytest.param("GMT+2", "Europe/Helsinki", id="GMT+2-is-east"),
        pytest.param("gmt+02:00", "Europe/Helsinki", id="with-minutes"),
        pytest.param("UTC+1", "Europe/Berlin", id="UTC+1"),
        pytest.param("UTC-5", "America/New_York", id="UTC-5"),
        pytest.param("+09:00", "Asia/Tokyo", id="an-offset-alone"),
        pytest.param("PST", "America/Los_Angeles", id="PST"),
        pytest.param("BST", "Europe/London", id="BST"),
        pytest.param("cest", "Europe/Berlin", id="CEST"),
        pytest.param("new york", "America/New_York", id="city"),
        pytest.param("etc/utc", "Etc/UTC", id="case-alone"),
    ],
)
def test_a_zone_that_is_none_gets_a_city(zone: str, suggested: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        load_zone(zone)

    assert caught.value.allowed.endswith(f"did you mean {suggested}?")
    assert load_zone(suggested).name == suggested


@pytest.mark.parametrize("sign", ["+", "-"])
@pytest.mark.parametrize("before", ["GMT", "UTC", "UT", "Z", ""])
def test_no_offset_gets_a_zone_of_which_the_sign_is_the_other_way_round(before: str, sign: str) -> None:
    for hours in range(1, 15):
        with pytest.raises(InvalidSchedule) as caught:
            load_zone(f"{before}{sign}{hours}")

        assert "Etc/" not in caught.value.allowed
        city = caught.value.allowed.rpartition("did you mean ")[2].removesuffix("?")
        if "/" in city and " " not in city:
            offsets = [load_zone(city).span(instant).offset for instant in (1_800_000_000, 1_815_000_000)]

            assert min(offsets) == int(f"{sign}{hours}") * 3600, "the offset of January or July 2027"
