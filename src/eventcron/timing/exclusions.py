"""A schedule's exclusions: dates, date ranges, cron expressions and named calendars, all matched on local time."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from typing import NamedTuple

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.names import MAX_CALENDAR_SPANS
from eventcron.timing.cron import HOUR_S, Cron
from eventcron.timing.expression import dialect_of, split_call
from eventcron.timing.fields import shorten

#: Entries that stay in memory as they were read. Each is read from a command and again from the canonical text.
_KNOWN_ENTRIES = 1_024
#: Hours that an excluder remembers at once.
_MAX_KNOWN_HOURS = 64

#: Takes a local time in seconds, returns the entry that excludes it, or None.
Excluder = Callable[[int], "str | None"]

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DATES = re.compile(rf"({_DATE})(?:/({_DATE}))?")
_CALENDAR = re.compile(r"calendar:([A-Za-z0-9._-]{1,64})")
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

_ALLOWED = "a date (2026-12-24), a range of dates (2026-12-24/2026-12-26), a cron expression or calendar:NAME"
_ALLOWED_DATES = "a date (2026-12-24) or a range of dates (2026-12-24/2026-12-26)"


class DateSpan(NamedTuple):
    """Days ``first`` to ``last``, both included, counted from 1970-01-01."""

    first: int
    last: int

    def __str__(self) -> str:
        first, last = (date.fromordinal(day + _EPOCH_ORDINAL).isoformat() for day in self)
        return first if first == last else f"{first}/{last}"


@dataclass(frozen=True)
class Exclusion:
    """One entry of ``exclude``. ``entry`` is its text, which ``Schedule Skipped`` events repeat in ``by``."""

    entry: str
    spans: tuple[DateSpan, ...] = ()
    cron: Cron | None = None

    def covers_some_of_hour(self, hour: int) -> bool:
        """Whether the entry excludes at least one time of *hour*, counted from 1970-01-01T00:00:00 local time."""
        day, of_day = divmod(hour, 24)
        if self.cron is not None:
            return of_day in self.cron.hours and self.cron.first_day(day, day) is not None
        index = bisect_right(self._firsts, day) - 1
        return index >= 0 and day <= self.spans[index].last

    @cached_property
    def _firsts(self) -> list[int]:
        return [span.first for span in self.spans]


def read_exclusions(
    entries: Sequence[str], calendars: Mapping[str, Sequence[DateSpan]] | None = None
) -> tuple[Exclusion, ...]:
    """Read the entries of ``exclude``, in the given order, without repetitions.

    Raises:
        InvalidSchedule: an entry does not parse, or names a calendar that is not in *calendars*; ``field`` is
            ``exclude.N``, counted from 0. Also if the calendars have more than ``MAX_CALENDAR_SPANS`` spans in all.
    """
    found: dict[str, Exclusion] = {}
    for index, entry in enumerate(entries):
        text = " ".join(entry.split())
        try:
            found.setdefault(text, _read(text, calendars or {}))
        except InvalidSchedule as error:
            field = f"exclude.{index}" if error.field in {"exclude", "expression"} else f"exclude.{index}.{error.field}"
            raise InvalidSchedule(error.code, field=field, given=error.given, allowed=error.allowed) from None
    _check_length(sum(len(exclusion.spans) for entry, exclusion in found.items() if _CALENDAR.fullmatch(entry)))
    return tuple(found.values())


def calendar_names(entries: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the calendars in *entries* of ``exclude``, in order.

    >>> calendar_names(["2026-12-24", "calendar:norway", "* * * * SUN"])
    ('norway',)
    """
    return tuple(matched[1] for entry in entries if (matched := _CALENDAR.fullmatch(entry.strip())))


def _read(text: str, calendars: Mapping[str, Sequence[DateSpan]]) -> Exclusion:
    if matched := _DATES.fullmatch(text):
        return Exclusion(text, (parse_dates(text),))
    if matched := _CALENDAR.fullmatch(text):
        name = matched[1]
        if name not in calendars:
            known = f", such as {', '.join(sorted(calendars))}" if calendars else ""
            allowed = f"a known calendar{known}"
            raise InvalidSchedule(RejectionCode.UNKNOWN_CALENDAR, field="exclude", given=shorten(text), allowed=allowed)
        return Exclusion(text, merge(calendars[name]))
    return Exclusion(text, cron=_cron(text))


@lru_cache(maxsize=_KNOWN_ENTRIES)
def _cron(text: str) -> Cron:
    """Read a cron expression. One without a seconds field excludes whole minutes."""
    if split_call(text)[0] in {"rate", "at"} or not re.search(r"[*?@ ]", text):
        raise InvalidSchedule(RejectionCode.INVALID_EXCLUSION, field="exclude", given=shorten(text), allowed=_ALLOWED)
    dialect, fields = dialect_of(text)
    cron = dialect.read(fields)
    return cron if "second" in dialect.order.split() else replace(cron, seconds=tuple(range(60)))


def parse_dates(text: str) -> DateSpan:
    """Read ``2026-12-24`` or ``2026-12-24/2026-12-26``. A range includes its last day.

    Raises:
        InvalidSchedule: *text* has neither form, a date does not exist, or the later date comes first.
    """
    matched = _DATES.fullmatch(text)
    if matched is None:
        raise InvalidSchedule(RejectionCode.INVALID_DATE, field="exclude", given=shorten(text), allowed=_ALLOWED_DATES)
    try:
        first, last = (
            date.fromisoformat(day).toordinal() - _EPOCH_ORDINAL for day in (matched[1], matched[2] or matched[1])
        )
    except ValueError as error:
        allowed = f"dates that exist ({error})"
        raise InvalidSchedule(
            RejectionCode.INVALID_DATE, field="exclude", given=shorten(text), allowed=allowed
        ) from None
    if last < first:
        raise InvalidSchedule(
            RejectionCode.INVALID_DATE, field="exclude", given=shorten(text), allowed="the earlier date first"
        )
    return DateSpan(first, last)


def merge(spans: Sequence[DateSpan]) -> tuple[DateSpan, ...]:
    """Return the days of *spans* in order, in as few spans as possible.

    Raises:
        InvalidSchedule: the result has more than ``MAX_CALENDAR_SPANS`` spans.
    """
    merged: list[DateSpan] = []
    for span in sorted(spans):
        if merged and span.first <= merged[-1].last + 1:
            merged[-1] = DateSpan(merged[-1].first, max(merged[-1].last, span.last))
        else:
            merged.append(span)
    _check_length(len(merged))
    return tuple(merged)


def _check_length(spans: int) -> None:
    if spans > MAX_CALENDAR_SPANS:
        given, allowed = f"{spans} spans of days", f"at most {MAX_CALENDAR_SPANS}"
        raise InvalidSchedule(RejectionCode.CALENDAR_TOO_LONG, field="exclude", given=given, allowed=allowed)


def excluder(exclusions: Sequence[Exclusion]) -> Excluder | None:
    """Return a function that finds the first entry to exclude a local time. None if there are no entries.

    It remembers which entries apply to the hours and seconds that it was asked about last.
    """
    return _Excluder(exclusions).first if exclusions else None


class _Excluder:
    def __init__(self, exclusions: Sequence[Exclusion]) -> None:
        self._exclusions = exclusions
        #: For an hour, the entries that apply in it and what is known of its seconds.
        self._hours: dict[int, tuple[tuple[int, ...], dict[int, str | None]]] = {}
        self._seconds: dict[tuple[int, ...], dict[int, str | None]] = {}

    def first(self, local: int) -> str | None:
        hour, second = divmod(local, HOUR_S)
        active, known = self._hours.get(hour) or self._look_up(hour)
        if second not in known:
            known[second] = self._first_of(active, second)
        return known[second]

    def _look_up(self, hour: int) -> tuple[tuple[int, ...], dict[int, str | None]]:
        if len(self._hours) >= _MAX_KNOWN_HOURS:
            self._hours, self._seconds = {}, {}
        entries = enumerate(self._exclusions)
        active = tuple(index for index, exclusion in entries if exclusion.covers_some_of_hour(hour))
        found = self._hours[hour] = (active, self._seconds.setdefault(active, {}))
        return found

    def _first_of(self, active: tuple[int, ...], second: int) -> str | None:
        for index in active:
            exclusion = self._exclusions[index]
            if exclusion.cron is None or exclusion.cron.hour_mask >> second & 1:
                return exclusion.entry
        return None
