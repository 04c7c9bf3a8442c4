"""The days in a calendar file: iCalendar (RFC 5545), or a JSON list of dates and ranges."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RequestCode
from eventcron.timing.exclusions import DateSpan, merge, parse_dates
from eventcron.timing.fields import shorten

if TYPE_CHECKING:
    from icalendar import Event

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

#: What makes an event happen on other days than those from DTSTART to DTEND.
_RECURRENCE = ("RRULE", "RDATE", "EXDATE", "EXRULE")

#: An alarm is no day, and its values may be what the library does not read.
_ALARM = re.compile(r"^BEGIN:VALARM\s.*?^END:VALARM[ \t]*\r?\n", re.IGNORECASE | re.MULTILINE | re.DOTALL)
#: The library reads a duration in capitals only.
_DURATION = re.compile(r"^DURATION[^:\r\n]*:[^\r\n]*", re.IGNORECASE | re.MULTILINE)


def read_calendar_file(path: Path, *, field: str) -> tuple[DateSpan, ...]:
    """The days in the file at *path*. *field* is the field of the error.

    Raises:
        InvalidSchedule: the file cannot be read, or ``read_calendar`` refuses its text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        allowed = "a readable file in UTF-8"
        raise InvalidSchedule(RequestCode.UNREADABLE, field=field, given=f"{path} ({error})", allowed=allowed) from None
    try:
        return read_calendar(text)
    except InvalidSchedule as error:
        field = f"{field} {path}"
        raise InvalidSchedule(error.code, field=field, given=error.given, allowed=error.allowed) from None


def read_calendar(text: str) -> tuple[DateSpan, ...]:
    """The days in *text*: those of an iCalendar file's events, or those of a JSON list.

    An event covers each date that it touches, as the file writes the dates; its time zone does not matter. A cancelled
    event covers none, nor does a file that cancels its events. A recurring event is refused: an expression such as
    ``* * 24 12 *`` recurs without an end.

    Raises:
        InvalidSchedule: *text* is neither, an event recurs, or a date does not exist.
    """
    text = text.lstrip("\ufeff \t\r\n")
    if text.upper().startswith("BEGIN:VCALENDAR"):
        return merge(list(_events(text)))
    try:
        entries = msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError as error:
        allowed = f"an .ics file or a JSON list of dates ({error})"
        raise InvalidSchedule(
            RequestCode.INVALID_CALENDAR, field="calendar", given=shorten(text), allowed=allowed
        ) from None
    return merge([parse_dates(entry) for entry in entries])


def _events(text: str) -> Iterator[DateSpan]:
    from icalendar import Calendar  # noqa: PLC0415  # slow to import, and only an .ics file needs it

    if not text.rstrip().upper().endswith("END:VCALENDAR"):  # the library drops what is cut short
        raise _invalid(shorten(text), "an .ics file that ends with END:VCALENDAR")
    try:
        calendars = Calendar.from_ical(_DURATION.sub(_upper, _ALARM.sub("", text)), multiple=True)
    except ValueError as error:
        raise _invalid(shorten(text), f"an .ics file ({error})") from None
    for calendar in calendars:
        if str(calendar.get("METHOD", "")).upper() == "CANCEL":
            continue
        for event in calendar.events:
            if str(event.get("STATUS", "")).upper() != "CANCELLED":
                yield _days(event)


def _upper(matched: re.Match[str]) -> str:
    return matched[0].upper()


def _days(event: Event) -> DateSpan:
    name = str(event.get("SUMMARY") or event.get("UID") or "without a name")
    for recurrence in _RECURRENCE:
        if recurrence in event:
            allowed = "events that do not recur; exclude an expression instead, such as '* * 24 12 *'"
            raise _invalid(f"event {shorten(name)} with {recurrence}", allowed)
    try:
        first, _ = _day(event.start)
        end, ends_at_midnight = _day(event.end)
    except ValueError as error:
        allowed = f"DTSTART and DTEND such as 20261224 ({error})"
        raise _invalid(f"event {shorten(name)}", allowed) from None
    return DateSpan(first, max(first, end - 1 if ends_at_midnight else end))


def _day(moment: date | datetime) -> tuple[int, bool]:
    """The day of *moment*, counted from 1970-01-01, and whether *moment* is the very beginning of that day."""
    at_midnight = not isinstance(moment, datetime) or moment.time() == time()
    return moment.toordinal() - _EPOCH_ORDINAL, at_midnight


def _invalid(given: str, allowed: str) -> InvalidSchedule:
    return InvalidSchedule(RequestCode.INVALID_CALENDAR, field="calendar", given=given, allowed=allowed)
