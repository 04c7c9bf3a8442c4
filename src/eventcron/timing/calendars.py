"""Named calendars: the days that schedules may exclude by a name."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.errors import InvalidSchedule
from eventcron.timing.exclusions import DateSpan, merge, parse_dates


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
