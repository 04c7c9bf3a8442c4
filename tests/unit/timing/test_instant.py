"""Instants as RFC 3339 text and as datetimes, exact to the millisecond from 1970 to 2200."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.model.names import BEGINNING_OF_TIME, END_OF_TIME, Instant
from eventcron.oracle.occurrences import zone_info
from eventcron.timing.instant import from_datetime, from_rfc3339, rfc3339, to_datetime

NOON = 1_796_126_400_000  # 2026-12-01T12:00:00Z


@pytest.mark.parametrize(
    ("instant", "text", "short"),
    [
        pytest.param(BEGINNING_OF_TIME, "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00Z", id="the-beginning"),
        pytest.param(END_OF_TIME, "2200-01-01T00:00:00.000Z", "2200-01-01T00:00:00Z", id="the-end"),
        pytest.param(END_OF_TIME - 1, "2199-12-31T23:59:59.999Z", "2199-12-31T23:59:59.999Z", id="just-before-the-end"),
        pytest.param(-1, "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z", id="just-before-the-beginning"),
        pytest.param(951_782_400_000, "2000-02-29T00:00:00.000Z", "2000-02-29T00:00:00Z", id="29-february"),
        pytest.param(NOON + 50, "2026-12-01T12:00:00.050Z", "2026-12-01T12:00:00.050Z", id="milliseconds-in-full"),
    ],
)
def test_an_instant_is_written_in_utc(instant: Instant, text: str, short: str) -> None:
    assert rfc3339(instant) == text
    assert rfc3339(instant, millis=False) == short
    assert from_rfc3339(text) == from_rfc3339(short) == instant


def test_a_datetime_of_an_instant_is_aware_and_exact() -> None:
    assert to_datetime(END_OF_TIME - 1) == datetime(2199, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    assert to_datetime(NOON).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param(datetime(2026, 12, 1, 12, 0, 0, 999, tzinfo=UTC), NOON, id="microseconds-are-cut"),
        pytest.param(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1, id="down-also-before-1970"),
        pytest.param(datetime(2026, 12, 1, 17, 45, tzinfo=timezone(timedelta(hours=5, minutes=45))), NOON, id="offset"),
        pytest.param(
            datetime(2026, 10, 25, 2, 30, tzinfo=zone_info("Europe/Oslo")), 1_792_888_200_000, id="the-first-02:30"
        ),
        pytest.param(
            datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zone_info("Europe/Oslo")),
            1_792_891_800_000,
            id="the-second-02:30",
        ),
    ],
)
def test_a_datetime_of_any_zone_is_an_instant_rounded_down(moment: datetime, expected: Instant) -> None:
    assert from_datetime(moment) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01T12:00:00Z",
        "2026-12-01T13:00:00+01:00",
        "2026-11-30T22:00:00.000-14:00",
        "2026-12-01T12:00:00.000999Z",
    ],
)
def test_a_text_with_any_offset_is_read(text: str) -> None:
    assert from_rfc3339(text) == NOON


@pytest.mark.parametrize("text", ["noon", "2026-02-29T12:00:00Z", "2026-12-01T25:00:00Z", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Invalid isoformat string|out of range|must be in"):
        from_rfc3339(text)


@given(st.integers(BEGINNING_OF_TIME, END_OF_TIME))
def test_text_and_datetime_say_the_same_and_lose_nothing(instant: Instant) -> None:
    assert from_rfc3339(rfc3339(instant)) == from_rfc3339(rfc3339(instant, millis=False)) == instant
    assert from_datetime(to_datetime(instant)) == instant
