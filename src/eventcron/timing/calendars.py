"""Named calendars: days from an iCalendar file or a list of dates and ranges."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date

import msgspec

from eventcron.errors import InvalidSchedule
from eventcron.timing.exclusions import DateSpan, merge, parse_dates
from eventcron.timing.fields import shorten

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_FOLD = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r"(?P<name>[A-Z-]+)(?:;[^:]*)?:(?P<value>.*)")
_DATE = re.compile(r"(?P<date>[0-9]{8})(?:T(?P<time>[0-9]{6})Z?)?")


def read_calendar(text: str) -> tuple[DateSpan, ...]:
    """Return the days of an iCalendar file's events (RFC 5545) or of a JSON list, merged and in order.

    A JSON list looks like ``["2026-12-24", "2026-12-31/2027-01-02"]``. An iCalendar event covers every date it
    touches, as the file writes them; its time zone is ignored. Recurring events are rejected: an expression such as
    ``* * 24 12 *`` repeats without an end, where a list of dates would run out.

    Raises:
        InvalidSchedule: *text* is neither format, contains a recurring event, or names a date that does not exist.
    """
    if text.lstrip().startswith("BEGIN:VCALENDAR"):
        return merge(list(_events(_FOLD.sub("", text))))
    try:
        entries = msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError as error:
        allowed = f"an .ics file or a JSON list of dates ({error})"
        raise InvalidSchedule("invalid_calendar", field="calendar", given=shorten(text), allowed=allowed) from None
    return merge([parse_dates(entry) for entry in entries])


def read_dates(dates: Sequence[str]) -> tuple[DateSpan, ...]:
    """Return the days of a ``Put Calendar`` command, merged and in order.

    Raises:
        InvalidSchedule: an entry of *dates* is no date and no range; ``field`` is ``dates.N``, counted from 0.
    """
    spans = []
    for index, text in enumerate(dates):
        try:
            spans.append(parse_dates(text))
        except InvalidSchedule as error:
            raise InvalidSchedule(
                error.code, field=f"dates.{index}", given=error.given, allowed=error.allowed
            ) from None
    return merge(spans)


def _events(text: str) -> Iterator[DateSpan]:
    event: dict[str, str] | None = None
    for line in text.splitlines():
        matched = _LINE.fullmatch(line.strip())
        if matched is None:
            continue
        name, value = matched["name"], matched["value"]
        if (name, value) == ("BEGIN", "VEVENT"):
            event = {}
        elif (name, value) == ("END", "VEVENT") and event is not None:
            yield _span(event)
            event = None
        elif event is not None:
            event.setdefault(name, value)


def _span(event: dict[str, str]) -> DateSpan:
    for unsupported, instead in (("RRULE", "an expression such as '* * 24 12 *'"), ("DURATION", "DTEND")):
        if unsupported in event:
            raise InvalidSchedule(
                "invalid_calendar", field="calendar", given=f"{unsupported}:{event[unsupported]}", allowed=instead
            )
    first, _ = _day(event.get("DTSTART", ""))
    if "DTEND" not in event:
        return DateSpan(first, first)
    end, ends_at_midnight = _day(event["DTEND"])
    return DateSpan(first, max(first, end - 1 if ends_at_midnight else end))


def _day(value: str) -> tuple[int, bool]:
    """Return the day of a DTSTART or DTEND, and whether *value* is its midnight (RFC 5545: DTEND is exclusive)."""
    matched = _DATE.fullmatch(value)
    try:
        day = date.fromisoformat(matched["date"] if matched else "").toordinal() - _EPOCH_ORDINAL
    except ValueError:
        raise InvalidSchedule(
            "invalid_calendar", field="calendar", given=shorten(value), allowed="DTSTART and DTEND such as 20261224"
        ) from None
    return day, matched is None or matched["time"] in {None, "000000"}
