"""Triggers as one line of text, which is stored: the same text for the same meaning, and the same meaning back."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidSchedule
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Key
from eventcron.timing import canonical
from eventcron.timing.canonical import Parts, decode, encode, render, render_rule
from eventcron.timing.cron import Cron
from eventcron.timing.exclusions import DateSpan, Exclusion, read_exclusions
from eventcron.timing.expression import At, Item, Manual, Rate
from eventcron.timing.fields import (
    DAY_OF_WEEK,
    MONTH,
    YEAR,
    DayRule,
    Field,
    LastDay,
    NearestWeekday,
    NthWeekday,
    Reading,
    read_field,
)
from eventcron.timing.trigger import from_canonical, parse
from tests.unit.timing.moments import at, cron, day

NIGHTLY = "f& 0 30 2 * * * *"
SHIFT, SKIP = DaylightSaving(), DaylightSaving(gap="skip", overlap="twice")


def encoded(
    *items: Item, zone: str = "Europe/Oslo", policy: DaylightSaving = SKIP, exclude: tuple[str, ...] = ()
) -> str:
    return encode(Parts(zone, policy, items, read_exclusions(exclude)))


@pytest.mark.parametrize(
    ("item", "text"),
    [
        pytest.param(cron("30 2 * * *"), NIGHTLY, id="fixed-time"),
        pytest.param(cron("*/20 9-17 * * 0,6"), "w& 0 0,20,40 9-17 * * 0,6 *", id="wildcard"),
        pytest.param(cron("0 0 13 * FRI"), "f| 0 0 0 13 * 5 *", id="either-day-field"),
        pytest.param(cron("5 0 0 L-3,15W,LW 2 ? 2027-2030"), "f& 5 0 0 15W,L-3,LW 2 * 2027-2030", id="rules-of-days"),
        pytest.param(cron("0 0 * * 1#2,3,5L"), "f& 0 0 0 * * 3,1#2,5L *", id="rules-of-weekdays"),
        pytest.param(Rate(300_000, 62_000), "r 300000 62000", id="rate"),
        pytest.param(At(1_500), "a 1500", id="at"),
        pytest.param(Manual(), "m", id="manual"),
    ],
)
def test_an_item_is_written_as(item: Item, text: str) -> None:
    """These texts are stored: another release must write and read the same."""
    whole = encoded(item, zone="UTC")

    assert whole == f"1;UTC;shift,once;{text}"
    assert encode(decode(whole)) == whole


@pytest.mark.parametrize(
    ("items", "exclude", "text"),
    [
        pytest.param([cron("30 2 * * *")], (), f"1;Europe/Oslo;skip,twice;{NIGHTLY}", id="a-fixed-time-has-both"),
        pytest.param([At(0)], (), "1;Europe/Oslo;skip,twice;a 0", id="at-has-both"),
        pytest.param([cron("* * * * *")], (), "1;Europe/Oslo;shift,once;w& 0 * * * * * *", id="a-wildcard-no-policy"),
        pytest.param([Rate(60_000, 0)], (), "1;UTC;shift,once;r 60000 0", id="a-rate-no-zone"),
        pytest.param([Rate(60_000, 0)], ("2026-12-24",), "1;Europe/Oslo;shift,once;r 60000 0;x 2026-12-24",
                     id="an-excluded-rate-has-its-zone"),
        pytest.param([Manual()], ("2026-12-24",), "1;UTC;shift,once;m", id="manual-excludes-nothing"),
        pytest.param([Rate(60_000, 0), At(0), Rate(60_000, 0)], (), "1;Europe/Oslo;skip,twice;a 0;r 60000 0",
                     id="items-are-sorted-and-each-once"),
        pytest.param([At(0)], ("0 9 * * *", "2026-12-24"), "1;Europe/Oslo;skip,twice;a 0;x 0 9 * * *;x 2026-12-24",
                     id="exclusions-keep-their-order"),
    ],
)  # fmt: skip
def test_what_makes_no_difference_is_not_in_the_text(items: list[Item], exclude: tuple[str, ...], text: str) -> None:
    assert encoded(*items, exclude=exclude) == text


def test_triggers_of_equal_meaning_share_their_canonical_text() -> None:
    texts = {parse(text, anchor=0).canonical for text in ("0 2 * * 1-5", " 0  2 * * MON-FRI ", "cron(0 2 ? * 2-6 *)")}

    assert texts == {"1;UTC;shift,once;f& 0 0 2 * * 1-5 *"}
    assert parse("0 2 * * *", daylight_saving="eventbridge", anchor=0) == parse("0 2 * * *", anchor=0), "in UTC"
    assert parse("rate(5 minutes)", timezone="Europe/Oslo", anchor=at("2026-01-01T00:01:02")).canonical == (
        "1;UTC;shift,once;r 300000 62000"
    )


def test_all_parts_come_back() -> None:
    parts = Parts(
        "Europe/Oslo",
        SKIP,
        (At(1), cron("*/5 * * * * 2#3,5L 2030"), cron("0 2 15W,L-3 * *"), Rate(7_000, 345)),
        (
            *read_exclusions(["2026-12-24/2026-12-26", "* * 1 1 *", "30 0 9 * * *"]),
            Exclusion("calendar:no", (DateSpan(0, 2), DateSpan(day("2027-01-01"), day("2027-01-01")))),
            Exclusion("calendar:empty"),
        ),
    )
    text = encode(parts)
    back = decode(text)

    assert (back.zone, back.policy, back.exclusions) == (parts.zone, parts.policy, parts.exclusions)
    assert set(back.items) == set(parts.items)
    assert text.endswith(";x calendar:no 1970-01-01/1970-01-03 2027-01-01;x calendar:empty ")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(f"2;UTC;shift,once;{NIGHTLY}", id="version"),
        pytest.param("1;UTC;shift,once;f& 0 0 2", id="fields-missing"),
        pytest.param("1;UTC;shift,once;f& 0 0 2 * * * * *", id="a-field-more"),
        pytest.param("1;UTC;shift,once;f 0 30 2 * * * *", id="a-kind-of-one-letter"),
        pytest.param("1;UTC;shift,once;q& 0 30 2 * * * *", id="an-unknown-kind"),
        pytest.param("1;UTC;shift,once;r 5", id="rate-without-phase"),
        pytest.param("1;UTC;shift,once;a soon", id="at-without-a-number"),
        pytest.param(f"1;UTC;shift;{NIGHTLY}", id="half-a-policy"),
    ],
)
def test_what_is_no_canonical_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        decode(text)

    error = caught.value
    assert (error.code, error.field, error.given) == ("invalid_trigger", "trigger", repr(text))
    assert error.allowed == "the canonical text of a trigger, version 1"


@pytest.mark.parametrize(
    ("values", "field", "text"),
    [
        ((1, 2, 3, 12), MONTH, "1-3,12"),
        (tuple(range(1, 13)), MONTH, "*"),
        ((0, 1, 3, 5, 6), DAY_OF_WEEK, "0-1,3,5-6"),
        (tuple(range(7)), DAY_OF_WEEK, "*"),
        ((2027, 2028, 2199), YEAR, "2027-2028,2199"),
        ((), MONTH, ""),
    ],
)
def test_numbers_are_ranges(values: tuple[int, ...], field: Field, text: str) -> None:
    assert render(values, field) == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (LastDay(), "L"),
        (LastDay(3), "L-3"),
        (LastDay(0, weekday=True), "LW"),
        (LastDay(3, weekday=True), "L-3W"),
        (NearestWeekday(15), "15W"),
        (NthWeekday(0, 1), "0#1"),
        (NthWeekday(5, -1), "5L"),
    ],
)
def test_a_day_rule_is_written_as_in_cron(rule: DayRule, text: str) -> None:
    assert render_rule(rule) == text


def test_triggers_with_the_same_fields_read_each_once_and_share_their_days(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(field: Field, text: str, *, key: Key | None) -> Reading:
        read.append(text)
        return read_field(field, text, key=key)

    monkeypatch.setattr(canonical, "read_field", counted)
    canonical._read_field.cache_clear()

    triggers = [
        from_canonical(f"1;UTC;shift,once;f& 11 {minute} {hour} 3 * 1 *") for minute in range(12) for hour in range(12)
    ]

    assert len(read) == 1 + 12 + 12 + 4
    assert len({id(item._days) for trigger in triggers for item in trigger.items if isinstance(item, Cron)}) == 1
