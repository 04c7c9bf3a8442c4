"""The days that ``--calendar`` reads from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventcron.entrypoints.cli.calendar_file import read_calendar, read_calendar_file
from eventcron.errors import InvalidSchedule


def ics(*events: str) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for event in events:
        lines += ["BEGIN:VEVENT", *event.splitlines(), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def days(text: str) -> list[str]:
    return [str(span) for span in read_calendar(text)]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            "DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227", "2026-12-24/2026-12-26", id="end-exclusive"
        ),
        pytest.param("DTSTART;VALUE=DATE:20261224", "2026-12-24", id="no-end-is-one-day"),
        pytest.param("DTSTART:20261224", "2026-12-24", id="a-date-without-its-type"),
        pytest.param("DTSTART:20261224T120000Z", "2026-12-24", id="an-instant"),
        pytest.param("DTSTART:20261224T000000Z", "2026-12-24", id="midnight"),
        pytest.param(
            "DTSTART:20261224T180000Z\nDTEND:20261225T020000Z", "2026-12-24/2026-12-25", id="hours-touch-dates"
        ),
        pytest.param("DTSTART:20261224T180000\nDTEND:20261225T000000", "2026-12-24", id="until-midnight"),
        pytest.param(
            "DTSTART;TZID=Asia/Tokyo:20261224T010000\nDTEND;TZID=Asia/Tokyo:20261224T020000",
            "2026-12-24",
            id="as-written-in-its-zone",
        ),
        pytest.param("DTSTART;TZID=Nowhere/At_All:20261224T010000", "2026-12-24", id="a-zone-nobody-knows"),
        pytest.param("DTSTART;VALUE=DATE:20261224\nDURATION:P2D", "2026-12-24/2026-12-25", id="duration"),
        pytest.param("SUMMARY:a folded\n  line\nDTSTART;VALUE=\n DATE:20261224", "2026-12-24", id="folded-lines"),
        pytest.param("dtstart;value=date:20261224", "2026-12-24", id="lower-case"),
        pytest.param(
            "DTSTART:20261224\nBEGIN:VALARM\nTRIGGER:-PT15M\nDURATION:PT15M\nREPEAT:2\nEND:VALARM",
            "2026-12-24",
            id="an-alarm-is-no-day",
        ),
        pytest.param(
            "dtstart:20261224\nbegin:valarm\ntrigger:-pt15m\nduration:pt15m\nrepeat:2\nend:valarm",
            "2026-12-24",
            id="an-alarm-in-lower-case",
        ),
        pytest.param("dtstart;value=date:20261224\nduration:p2d", "2026-12-24/2026-12-25", id="duration-in-lower-case"),
        pytest.param("DTSTART:20261224\nSTATUS:CONFIRMED", "2026-12-24", id="confirmed"),
    ],
)
def test_an_event_covers_the_dates_it_touches(event: str, expected: str) -> None:
    assert days(ics(event)) == [expected]


@pytest.mark.parametrize("status", ["CANCELLED", "cancelled"])
def test_a_cancelled_event_covers_none(status: str) -> None:
    assert days(ics(f"DTSTART:20261224\nSTATUS:{status}", "DTSTART:20261231")) == ["2026-12-31"]


def test_a_file_that_cancels_its_events_covers_none() -> None:
    text = ics("DTSTART:20261224").replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:CANCEL")

    assert days(text + ics("DTSTART:20261231")) == ["2026-12-31"]


@pytest.mark.parametrize("recurrence", ["rrule:freq=yearly", "rdate:20261226", "exdate:20261224"])
def test_a_file_in_lower_case_with_a_mark_at_its_beginning_is_read_the_same(recurrence: str) -> None:
    assert days("\ufeff" + ics("dtstart:20261224", "dtstart:20261226\nstatus:cancelled").lower()) == ["2026-12-24"]
    with pytest.raises(InvalidSchedule, match="events that do not recur"):
        days(ics(f"dtstart:20261224\n{recurrence}").lower())


def test_the_time_zones_of_a_file_are_no_events() -> None:
    zone = (
        "BEGIN:VTIMEZONE\nTZID:Home\nBEGIN:STANDARD\nDTSTART:19701025T030000\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\n"
        "TZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\nBEGIN:VEVENT"
    )

    assert days(ics("DTSTART;TZID=Home:20261224T235900").replace("BEGIN:VEVENT", zone)) == ["2026-12-24"]


def test_events_of_several_calendars_and_a_json_list_are_merged() -> None:
    assert days(ics("DTSTART:20261225", "DTSTART:20261224") + ics("DTSTART:20270101")) == [
        "2026-12-24/2026-12-25",
        "2027-01-01",
    ]
    assert days('["2026-12-24/2026-12-26", "2026-12-26", "2027-01-01"]') == ["2026-12-24/2026-12-26", "2027-01-01"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("nonsense", "an .ics file or a JSON list of dates", id="neither"),
        pytest.param('["2026-02-30"]', "got '2026-02-30'; allowed: dates that exist", id="no-such-date"),
        pytest.param('["2026-12-26/2026-12-24"]', "the earlier date first", id="backwards"),
        pytest.param(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261224\n",
            "allowed: an .ics file that ends with END",
            id="cut-short",
        ),
        *(
            pytest.param(
                ics(f"SUMMARY:Christmas\nDTSTART:20261224\n{recurrence}"),
                f"got event 'Christmas' with {recurrence.partition(':')[0]}; allowed: events that do not recur; "
                "exclude an expression instead, such as '* * 24 12 *'",
                id=recurrence.partition(":")[0],
            )
            for recurrence in ("RRULE:FREQ=YEARLY", "RDATE:20261226", "EXDATE:20261224", "EXRULE:FREQ=YEARLY")
        ),
        pytest.param(
            ics("SUMMARY:Christmas\nDTSTART:soon"), "got event 'Christmas'; allowed: DTSTART and DTEND", id="bad-start"
        ),
        pytest.param("BEGIN:VCALENDAR\n:\nEND:VCALENDAR", "allowed: an .ics file (", id="no-content-line"),
        pytest.param(ics("DTSTART:20260230"), "got event 'without a name'; allowed: DTSTART and DTEND", id="no-date"),
        pytest.param(ics("UID:1"), "got event '1'; allowed: DTSTART and DTEND such as 20261224 (", id="no-start"),
    ],
)
def test_a_bad_calendar_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        read_calendar(text)

    assert message in str(caught.value)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "holidays.ics"
    path.write_text(ics("DTSTART:20261224"), encoding="utf-8-sig")

    assert list(map(str, read_calendar_file(path, field="--calendar"))) == ["2026-12-24"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"nonsense", "--calendar {path}: got 'nonsense'", id="bad-text"),
        pytest.param(b"\xff", "allowed: a readable file in UTF-8", id="not-utf-8"),
        pytest.param(None, "allowed: a readable file in UTF-8", id="no-such-file"),
    ],
)
def test_an_error_names_the_file(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "holidays.ics"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InvalidSchedule) as caught:
        read_calendar_file(path, field="--calendar")

    assert message.format(path=path) in str(caught.value)
