"""Explain a trigger: one English sentence, and its behaviour at each clock change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from eventcron.model.names import Instant, Window
from eventcron.timing.cron import Cron
from eventcron.timing.describe import describe, join, last_or_nth
from eventcron.timing.expression import MANUAL, At, Item, Manual, dialect_of, split_call
from eventcron.timing.instant import rfc3339
from eventcron.timing.trigger import Trigger, local_time
from eventcron.timing.zones import OffsetSpan

#: Milliseconds. 366 days contain every yearly clock change.
YEAR_MS = 366 * 86_400_000
#: A sentence names up to this many local times one by one.
_MAX_NAMED = 3


class Change(NamedTuple):
    """One clock change. At the instant ``at``, the local time jumps from ``before`` to ``after``."""

    at: Instant
    kind: Literal["gap", "overlap"]
    before: datetime
    after: datetime

    @property
    def sentence(self) -> str:
        """``2027-03-28 (the last Sunday of March): clocks go forward 1 hour, from 02:00 to 03:00``."""
        forward = self.kind == "gap"
        size = self.after - self.before if forward else self.before - self.after
        whole_dates = self.before.date() != self.after.date()
        before, after = (_clock(moment, dated=whole_dates) for moment in (self.before, self.after))
        direction = "forward" if forward else "back"
        day = self.before.date()
        return f"{day} ({last_or_nth(day)}): clocks go {direction} {_size(size)}, from {before} to {after}"


class Night(NamedTuple):
    """The effect of one clock change on a trigger.

    ``affected`` is false if the change neither skips nor repeats a time that the trigger matches. ``happens`` is a
    sentence for people.
    """

    change: Change
    affected: bool
    happens: str


def dialect_name(expression: str) -> str:
    """Return the name of the dialect of *expression*, for people."""
    kind, inside = split_call(expression)
    if kind == "rate":
        return "rate()"
    if kind == "at":
        return "at()"
    if inside.lower() == MANUAL:
        return MANUAL
    name = dialect_of(expression)[0].name
    return f"macro for {name}" if expression.strip().startswith("@") else name


def describe_trigger(trigger: Trigger) -> str:
    """Return one English sentence that says when the trigger fires."""
    sentence = join([describe(item) for item in trigger.items], "or")
    if trigger.exclusions:
        sentence += ", except " + join([exclusion.entry for exclusion in trigger.exclusions])
    return sentence[0].upper() + sentence[1:] + "."


def clock_rule(item: Item) -> str:
    """Return which daylight-saving rule of docs/reference/expressions.md applies to *item*."""
    if isinstance(item, Manual):
        return "none: it has no time of day"
    if isinstance(item, Cron):
        return "fixed time of day" if item.fixed else "wildcard: follows real time"
    return "fixed time of day" if isinstance(item, At) else "fixed interval, unaffected by daylight saving"


def nights(trigger: Trigger, window: Window) -> list[Night]:
    """Return every clock change in *window* and its effect on the trigger, in order."""
    return [_night(trigger, span) for span in _changes(trigger, window)]


def nights_of_year(trigger: Trigger, start: Instant) -> list[Night]:
    """As ``nights``, of the year after *start*."""
    return nights(trigger, Window(start + 1, start + YEAR_MS))


def _changes(trigger: Trigger, window: Window) -> Iterator[OffsetSpan]:
    span = trigger.zone.span(window.start // 1000)
    while span.end * 1000 < window.end:
        boundary = span.end
        span = trigger.zone.span(boundary)
        if span.start == boundary and span.before != span.offset:
            yield span


def _night(trigger: Trigger, span: OffsetSpan) -> Night:
    kind: Literal["gap", "overlap"] = "gap" if span.before < span.offset else "overlap"
    change = Change(span.start * 1000, kind, _wall(span.start + span.before), _wall(span.start + span.offset))
    sentences = [
        _gap(trigger, item, span) if kind == "gap" else _overlap(trigger, item, span) for item in trigger.items
    ]
    effects = [sentence for sentence in sentences if sentence]
    return Night(change, bool(effects), "; ".join(dict.fromkeys(effects)) if effects else "no effect")


def _gap(trigger: Trigger, item: Item, span: OffsetSpan) -> str:
    lost = _matches(trigger, item, span.start + span.before, span.start + span.offset)
    if not lost:
        return ""
    dated = span.offset - span.before >= 86_400  # noqa: PLR2004  seconds of a day
    times = f"{_name(lost, dated=dated)} {'does' if len(lost) == 1 else 'do'} not exist"
    if isinstance(item, Cron) and not item.fixed:
        return f"{times} and {'is' if len(lost) == 1 else 'are'} left out, because a wildcard follows real time"
    landing = _moment(trigger, span.start * 1000)
    if _matches(trigger, item, span.start + span.offset, span.start + span.offset + 1):
        return f"{times}; it fires at {landing} as on any day, once"
    if trigger.policy.gap == "skip":
        return f"{times}: skipped, with reason daylight_saving_gap"
    return f"{times}: fires once at {landing}, the first instant after the gap"


def _overlap(trigger: Trigger, item: Item, span: OffsetSpan) -> str:
    again = _matches(trigger, item, span.start + span.offset, span.start + span.before)
    if not again:
        return ""
    times = f"{_name(again, dated=False)} {'comes' if len(again) == 1 else 'come'} twice"
    first, second = (_moment(trigger, (again[0] - offset) * 1000) for offset in (span.before, span.offset))
    if isinstance(item, At) or (isinstance(item, Cron) and item.fixed and trigger.policy.overlap == "once"):
        return f"{times}: fires once, the first time, {first}"
    why = "" if isinstance(item, Cron) and item.fixed else ", because a wildcard follows real time"
    return f"{times}: fires both times, {first} and {second}{why}"


def _matches(trigger: Trigger, item: Item, low: int, high: int) -> list[int]:
    """Return the local times in ``[low, high)`` that the item matches and no exclusion covers."""
    if isinstance(item, Cron):
        found = list(item.local_times(low, high))
    elif isinstance(item, At):
        found = [item.local // 1000] if low <= item.local // 1000 < high else []
    else:
        found = []
    return [local for local in found if trigger.excluded is None or trigger.excluded(local) is None]


def _name(locals_: Sequence[int], *, dated: bool) -> str:
    named = [_clock(_wall(local), dated=dated) for local in locals_[:_MAX_NAMED]]
    more = len(locals_) - len(named)
    return join([*named, f"{more} more"] if more else named)


def _moment(trigger: Trigger, instant: Instant) -> str:
    """Return the local time and the instant, ``03:00 (2027-03-28T01:00:00Z)``. The change already names the date."""
    shown = local_time(instant, trigger.timezone, millis=False)
    return f"{shown[11:].replace(':00+', '+').replace(':00-', '-')} ({rfc3339(instant, millis=False)})"


def _wall(local: int) -> datetime:
    return datetime(1970, 1, 1) + timedelta(seconds=local)  # noqa: DTZ001  a wall clock has no offset


def _clock(moment: datetime, *, dated: bool) -> str:
    shown = moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
    return f"{moment.date()} {shown}" if dated else shown


def _size(size: timedelta) -> str:
    minutes = round(size.total_seconds() / 60)
    for unit, length in (("day", 1440), ("hour", 60)):
        count, remainder = divmod(minutes, length)
        if count and not remainder:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{minutes} minutes"
