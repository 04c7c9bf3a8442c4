"""When a schedule fires: a pure function from a window to the occurrences in it.

``parse`` makes a ``Trigger`` from a schedule's fields. ``walk`` and ``occurrences`` answer for any window and keep no
state between calls, so splitting a window changes nothing. ``canonical`` is the trigger as text. Every search stops at
the end of the year 2199.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta, timezone
from functools import cached_property, lru_cache
from heapq import merge
from itertools import groupby, islice, takewhile
from operator import itemgetter
from typing import Literal

from eventcron.errors import InvalidExpression, InvalidSchedule
from eventcron.model.codes import RejectionCode, SkipReason
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import END_OF_TIME, Instant, Key, Occurrence, Window
from eventcron.timing import canonical as text_form
from eventcron.timing.cron import Cron
from eventcron.timing.daylight import ZoneRules, counted, end_of_gap, fires, to_instants, walk_cron
from eventcron.timing.exclusions import DateSpan, Excluder, Exclusion, excluder, read_exclusions
from eventcron.timing.expression import At, Item, Manual, Rate, read_expression
from eventcron.timing.instant import rfc3339, to_datetime
from eventcron.timing.rates import Looks, dues, dues_left
from eventcron.timing.remaining import Remaining
from eventcron.timing.zones import Zone, load_zone

#: The policy named ``eventbridge``. EventBridge Scheduler skips a time that the clocks skip, and fires once for a time
#: that they repeat.
EVENTBRIDGE_POLICY = DaylightSaving(gap="skip", overlap="once")

_due = itemgetter(Occurrence._fields.index("due"))

#: How many decoded triggers stay in memory. A million schedules share a few thousand triggers.
_CACHED_TRIGGERS = 8_192
#: Milliseconds: a week.
_SOON_MS = 604_800_000
#: Milliseconds: ten minutes, in which sixteen ``rate(1 second)`` have 10,000 due instants.
_AT_FIRST_MS = 600_000
#: Milliseconds: eight years. What is known of their days stays in memory for all rates.
_AT_MOST_MS = 2_922 * 86_400_000
#: For how many triggers the sets of local times stay in memory. Those of one are at most a few megabytes.
_CACHED_SETS = 64


@dataclass(frozen=True)
class Trigger:
    """Decides when a schedule fires. Triggers with the same canonical text are equal and have the same occurrences."""

    canonical: str
    items: tuple[Item, ...] = field(compare=False)
    timezone: str = field(compare=False)
    policy: DaylightSaving = field(compare=False)
    exclusions: tuple[Exclusion, ...] = field(compare=False, default=())

    def __str__(self) -> str:
        return self.canonical

    @property
    def zone(self) -> Zone:
        return load_zone(self.timezone)

    def shown_in(self, timezone: str) -> Trigger:
        """The trigger as people see it in *timezone*: ``rate()`` has no zone of its own."""
        return replace(self, timezone=timezone)

    @cached_property
    def is_cron(self) -> bool:
        """Whether all items are cron expressions, so that they are sets of local times."""
        return all(isinstance(item, Cron) for item in self.items)

    @cached_property
    def distinct(self) -> tuple[Item, ...]:
        """The items without each ``rate()`` that only fires when another one does."""
        rates = [item for item in self.items if isinstance(item, Rate)]
        return tuple(
            item
            for item in self.items
            if not (isinstance(item, Rate) and any(_adds_nothing(item, other) for other in rates if other != item))
        )

    @property
    def excluded(self) -> Excluder | None:
        return self._excluder if self.exclusions else None

    @cached_property
    def _excluder(self) -> Excluder | None:
        return excluder(self.exclusions)


def parse(
    expression: str | Sequence[str],
    *,
    timezone: str = "UTC",
    daylight_saving: DaylightSaving | Literal["eventbridge"] = DaylightSaving(),  # noqa: B008  it is immutable
    exclude: Sequence[str] = (),
    anchor: Instant,
    key: Key | None = None,
    calendars: Mapping[str, Sequence[DateSpan]] | None = None,
) -> Trigger:
    """Return the trigger of a schedule: the union of its expressions, minus its exclusions.

    ``rate()`` counts from *anchor* in both directions, so the trigger also has occurrences before *anchor*. The caller
    bounds them. *key* decides the value of ``H``. *calendars* holds the calendars that *exclude* may name.

    Raises:
        InvalidExpression: an expression does not parse, or can never match.
        InvalidSchedule: the zone is unknown, or an entry of *exclude* does not parse.
    """
    load_zone(timezone)
    expressions = [expression] if isinstance(expression, str) else expression
    if not expressions:
        raise InvalidSchedule(
            RejectionCode.WRONG_LENGTH, field="expression", given="an empty list", allowed="1 to 16 expressions"
        )
    policy = EVENTBRIDGE_POLICY if daylight_saving == "eventbridge" else daylight_saving
    items = tuple(read_expression(text, anchor=anchor, key=key) for text in expressions)
    if Manual() in items and len(items) > 1:
        allowed = "'manual' alone, or expressions that fire"
        raise InvalidExpression(field="expression", given=f"'manual' among {len(items)} expressions", allowed=allowed)
    return from_canonical(
        text_form.encode(text_form.Parts(timezone, policy, items, read_exclusions(exclude, calendars)))
    )


@lru_cache(maxsize=_CACHED_TRIGGERS)
def from_canonical(text: str) -> Trigger:
    """Return the trigger whose ``canonical`` text is *text*.

    Raises:
        InvalidSchedule: *text* is no canonical text, has another format version, or names a zone that is unknown.
    """
    zone, policy, items, exclusions = text_form.decode(text)
    load_zone(zone)
    return Trigger(text, items, zone, policy, exclusions)


def is_manual(canonical: str) -> bool:
    """Whether a stored trigger never fires by itself.

    Raises:
        InvalidSchedule: as ``from_canonical``.
    """
    return Manual() in from_canonical(canonical).items


def walk(trigger: Trigger, window: Window) -> Iterator[Occurrence]:
    """Yield every occurrence due in *window*, strictly increasing. Those that will not fire carry the reason."""
    return _walk(trigger, window)


def occurrences(trigger: Trigger, window: Window) -> Iterator[Instant]:
    """Yield the instants in *window* at which the trigger fires, strictly increasing.

    Unlike ``walk``, it does not look at what is excluded, so an exclusion costs little however much it covers.
    """
    return _merged(_fires(trigger, window))


def _merged(streams: Sequence[Iterable[Instant]]) -> Iterator[Instant]:
    if len(streams) == 1:
        return iter(streams[0])
    return (due for due, _ in groupby(merge(*streams)))


def next_occurrence(trigger: Trigger, at_or_after: Instant, *, before: Instant | None = None) -> Instant | None:
    """Return the first instant in ``[at_or_after, before)`` at which the trigger fires, or None."""
    return next(first_occurrences(trigger, Window(at_or_after, END_OF_TIME if before is None else before)), None)


def first_occurrences(trigger: Trigger, window: Window) -> Iterator[Instant]:
    """As ``occurrences``, for a long *window* of which only the first few are wanted."""
    if trigger.is_cron:
        return occurrences(trigger, window)
    # Where one of several rates fires soon, the others need not be followed for decades.
    return (due for part in _parts(window) for due in occurrences(trigger, part))


def last_occurrence(trigger: Trigger, window: Window) -> Instant | None:
    """Return the last instant in *window* at which the trigger fires, or None."""
    start, end = window.start, min(window.end, END_OF_TIME)
    last = None
    while start < end:
        middle = (start + end) // 2
        found = next_occurrence(trigger, middle, before=end)
        if found is not None:
            last, start = found, found + 1
        else:
            end = middle
    return last


def nth_occurrence(
    trigger: Trigger,
    at_or_after: Instant,
    count: int,
    *,
    before: Instant | None = None,
    max_looks: int | None = None,
) -> Instant | None:
    """Return the *count*-th instant in ``[at_or_after, before)`` at which the trigger fires; None if there are fewer.

    Raises:
        InvalidSchedule: more than *max_looks* due instants of ``rate()`` have to be looked at one by one.
    """
    end = END_OF_TIME if before is None else before
    looks = None if max_looks is None else Looks(max_looks)
    left = count
    for window, fires_in in _counted(trigger, Window(at_or_after, end)):
        if fires_in is not None and fires_in < left:
            left -= fires_in
            continue
        found = _first_of(trigger, window, left, looks)
        if len(found) >= left:
            return found[left - 1]
        left -= len(found)
    return None


def count_occurrences(trigger: Trigger, window: Window, *, limit: int) -> int:
    """Return how many times the trigger fires in *window*; *limit* if there are more."""
    count = 0
    for part, fires_in in _counted(trigger, window):
        count += len(_first_of(trigger, part, limit - count)) if fires_in is None else fires_in
        if count >= limit:
            return limit
    return count


def _first_of(trigger: Trigger, window: Window, count: int, looks: Looks | None = None) -> list[Instant]:
    """The first *count* instants in *window* at which the trigger fires, or all."""
    streams = _fires(trigger, window, looks)
    if len(streams) == 1 or count == 1:
        return list(islice(_merged(streams), count))
    # To sort them is quicker than to merge them one by one. What one stream has says how far the next has to go.
    found: set[Instant] = set()
    until = window.end
    for stream in streams:
        found.update(islice(takewhile(until.__gt__, stream), count))
        if 2 * len(found) > 3 * count:
            found = set(sorted(found)[:count])
            until = max(found)
    return sorted(found)[:count]


def _counted(trigger: Trigger, window: Window) -> Iterator[tuple[Window, int | None]]:
    """Yield consecutive parts of *window*, with the fires in each where arithmetic tells; None where they are to count.

    What ``rate()`` and ``at()`` have in common with others is no set of local times. So there the parts grow until
    they end, and each is to count.
    """
    # Most schedules fire often, or soon: then stepping is quicker than counting a year.
    soon = max(min(window.start + _SOON_MS, window.end), window.start)
    if trigger.is_cron:
        yield Window(window.start, soon), None
        rules = ZoneRules(trigger.zone, trigger.policy)
        yield from counted(_remaining(trigger).sets, rules, Window(soon, window.end))
        return
    yield from ((part, None) for part in _parts(window))


def _parts(window: Window) -> Iterator[Window]:
    """Yield consecutive parts of *window* that grow."""
    start, size = window.start, _AT_FIRST_MS
    while start < window.end:
        end = min(start + size, window.end)
        yield Window(start, end)
        start, size = end, min(4 * size, _AT_MOST_MS)


@lru_cache(maxsize=4_096)
def local_time(instant: Instant, zone: str, *, millis: bool = True) -> str:
    """Return *instant* as local time of *zone*, RFC 3339 with its offset. ``millis`` works as in ``rfc3339``.

    >>> local_time(1764550800000, "Europe/Oslo")
    '2025-12-01T02:00:00.000+01:00'

    Raises:
        InvalidSchedule: the zone is unknown.
    """
    offset = load_zone(zone).offset(instant // 1000)
    local = to_datetime(instant).astimezone(timezone(timedelta(seconds=offset)))
    return local.isoformat(timespec="milliseconds" if millis or instant % 1000 else "seconds")


def _walk(trigger: Trigger, window: Window) -> Iterator[Occurrence]:
    if len(trigger.items) == 1:
        return _walk_item(trigger.items[0], trigger, window)
    return _union([_walk_item(item, trigger, window) for item in trigger.distinct])


def _walk_item(item: Item, trigger: Trigger, window: Window) -> Iterator[Occurrence]:
    if isinstance(item, Cron):
        return walk_cron(item, trigger.zone, trigger.policy, window, excluded=trigger.excluded)
    if isinstance(item, Rate):
        return _walk_rate(item, trigger, window)
    if isinstance(item, Manual):
        return iter(())
    return _walk_at(item, trigger, window)


def _walk_rate(rate: Rate, trigger: Trigger, window: Window) -> Iterator[Occurrence]:
    for due in dues(rate, window):
        by = None
        if trigger.excluded is not None:
            by = trigger.excluded(due // 1000 + trigger.zone.span(due // 1000).offset)
        yield Occurrence(due) if by is None else Occurrence(due, SkipReason.EXCLUDED, by)


def _adds_nothing(rate: Rate, other: Rate) -> bool:
    return rate.period % other.period == 0 and (rate.phase - other.phase) % other.period == 0


def _fires(trigger: Trigger, window: Window, looks: Looks | None = None) -> list[Iterable[Instant]]:
    """The instants in *window* at which the cron expressions of *trigger* fire, and those at which each other does."""
    streams: list[Iterable[Instant]] = []
    left = _remaining(trigger)
    if left.all is not None:
        streams.append(fires(left.all, left.fixed, left.wild, ZoneRules(trigger.zone, trigger.policy), window))
    for item in trigger.distinct:
        if isinstance(item, Rate):
            by_looking = dues_left(item, left, trigger.zone, window, looks)
            streams.append(by_looking if trigger.exclusions else dues(item, window))
        elif isinstance(item, At):
            streams.append(found.due for found in _walk_at(item, trigger, window) if found.skipped is None)
    return streams


@lru_cache(maxsize=_CACHED_SETS)
def _remaining(trigger: Trigger) -> Remaining:
    return Remaining([item for item in trigger.items if isinstance(item, Cron)], trigger.exclusions)


def _walk_at(at: At, trigger: Trigger, window: Window) -> Iterator[Occurrence]:
    """Yield at most one occurrence: in an overlap the first, in a gap its end, which the policy may skip."""
    instants = to_instants(at.local, trigger.zone)
    due = instants[0] if instants else end_of_gap(at.local, trigger.zone)
    if not window.start <= due < window.end:
        return
    by = None if trigger.excluded is None else trigger.excluded(at.local // 1000)
    if by is not None:
        yield Occurrence(due, SkipReason.EXCLUDED, by)
    elif instants or trigger.policy.gap == "shift":
        yield Occurrence(due)
    else:
        yield Occurrence(due, SkipReason.DAYLIGHT_SAVING_GAP)


def _union(streams: Sequence[Iterator[Occurrence]]) -> Iterator[Occurrence]:
    """Merge the occurrences of all expressions, one per instant. An instant fires if one of the expressions fires."""
    best: Occurrence | None = None
    for occurrence in merge(*streams, key=_due):
        if best is None or occurrence.due != best.due:
            if best is not None:
                yield best
            best = occurrence
        elif best.skipped is not occurrence.skipped and _precedence(occurrence) < _precedence(best):
            best = occurrence
    if best is not None:
        yield best


def _precedence(occurrence: Occurrence) -> int:
    return (None, SkipReason.DAYLIGHT_SAVING_GAP, SkipReason.EXCLUDED).index(occurrence.skipped)


__all__ = [
    "EVENTBRIDGE_POLICY",
    "Trigger",
    "count_occurrences",
    "first_occurrences",
    "from_canonical",
    "last_occurrence",
    "local_time",
    "next_occurrence",
    "nth_occurrence",
    "occurrences",
    "parse",
    "rfc3339",
    "walk",
]
