"""Named calendars: the days that schedules may exclude by a name."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.errors import InvalidSchedule
from eventcron.timing.exclusions import DateSpan, merge, parse_dates


def read_dates(dates: Sequence[str]) -> tuple[DateSpan, ...]:
    """Return the days of a ``Put Calendar`` command, merged and in order.

    Raises:
        InvalidSchedule: an entry of *dates* is no date and no range, and ``field`` is ``dates.N``, counted from 0; or
            they are too many, and ``field`` is ``dates``.
    """
    spans = []
    for index, text in enumerate(dates):
        try:
            spans.append(parse_dates(text))
        except InvalidSchedule as error:
            raise _renamed(error, f"dates.{index}") from None
    try:
        return merge(spans)
    except InvalidSchedule as error:
        raise _renamed(error, "dates") from None


def _renamed(error: InvalidSchedule, field: str) -> InvalidSchedule:
    return InvalidSchedule(error.code, field=field, given=error.given, allowed=error.allowed)
