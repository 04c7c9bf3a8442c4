"""What a schedule leaves out: dates, date ranges, cron expressions and named calendars, matched on local time."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import NamedTuple

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.names import MAX_CALENDAR_SPANS
from eventcron.timing.cron import DAY_S, Cron, DayTest
from eventcron.timing.expression import dialect_of, split_call
from eventcron.timing.fields import shorten

#: Local time in seconds → the entry that excludes it, or None.
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
    """One entry of ``exclude``. ``entry`` is its text, shown in what is skipped by it."""

    entry: str
    spans: tuple[DateSpan, ...] = ()
    cron: Cron | None = None

    def covers(self, local: int) -> bool:
        """Whether it excludes that second of the wall clock."""
        if self.cron is not None:
            return self.cron.matches(local)
        return self.covers_some_of(local // DAY_S)

    def covers_some_of(self, day: int) -> bool:
        """Whether it excludes any time of that day."""
        if self.cron is not None:
            return self.cron.first_day(day, day) is not None
        index = bisect_right(self._firsts, day) - 1
        return index >= 0 and day <= self.spans[index].last

    @cached_property
    def _firsts(self) -> list[int]:
        return [span.first for span in self.spans]


def read_exclusions(
    entries: Sequence[str], calendars: Mapping[str, Sequence[DateSpan]] | None = None
) -> tuple[Exclusion, ...]:
    """Each entry once, in the given order.

    Raises:
        InvalidSchedule: an entry does not parse, or names a calendar that *calendars* lacks; ``field`` counts the
            entries from 0. Or the calendars have more than ``MAX_CALENDAR_SPANS`` in all.
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
    """The calendars that *entries* of ``exclude`` name, in order.

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


def _cron(text: str) -> Cron:
    """An expression without a seconds field covers whole minutes."""
    if split_call(text)[0] in {"rate", "at"} or not re.search(r"[*?@ ]", text):
        raise InvalidSchedule(RejectionCode.INVALID_EXCLUSION, field="exclude", given=shorten(text), allowed=_ALLOWED)
    dialect, fields = dialect_of(text)
    cron = dialect.read(fields)
    return cron if "second" in dialect.order.split() else replace(cron, seconds=tuple(range(60)))


def parse_dates(text: str) -> DateSpan:
    """``2026-12-24`` or ``2026-12-24/2026-12-26``, the last day included.

    Raises:
        InvalidSchedule: it is neither, a date does not exist, or the later one comes first.
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
    """The same days in order, each once, in as few spans as can be.

    Raises:
        InvalidSchedule: they are more than ``MAX_CALENDAR_SPANS``.
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
    """Tells which entry, the first in order, excludes a local time; None if there are no entries."""
    if not exclusions:
        return None

    def excluded(local: int) -> str | None:
        for exclusion in exclusions:
            if exclusion.covers(local):
                return exclusion.entry
        return None

    return excluded


def spent_days(cron: Cron, exclusions: Sequence[Exclusion]) -> DayTest | None:
    """Tells the days on which *exclusions* leave nothing of *cron*; None if there are no exclusions.

    What is left of a day depends only on which exclusions have a part in it, and few combinations occur.
    """
    if not exclusions:
        return None
    known: dict[tuple[int, ...], bool] = {(): False}

    def spent(day: int) -> bool:
        active = tuple(index for index, exclusion in enumerate(exclusions) if exclusion.covers_some_of(day))
        if active not in known:
            known[active] = _nothing_left(cron, [exclusions[index].cron for index in active])
        return known[active]

    return spent


def _nothing_left(cron: Cron, taken: Sequence[Cron | None]) -> bool:
    """Whether *taken*, all of which apply to the day, cover each time of day of *cron*; None covers all of them."""
    crons = [other for other in taken if other is not None]
    if len(crons) < len(taken):
        return True
    for hour in cron.hours:
        left = set(cron.within_hour).difference(*(other.within_hour for other in crons if hour in other.hours))
        if left:
            return False
    return True
