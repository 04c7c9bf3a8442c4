"""In which state the commands for a schedule must end, whatever happened on the way: the second opinion on guarantee 5.

It sees only what was sent, and knows one rule: of puts, deletes and switches the highest revision of each counts,
a delete and a switch win a tie.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import combinations, combinations_with_replacement, groupby, permutations, product
from typing import Any, Literal, NamedTuple

import msgspec

from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Instant
from eventcron.rules.planning import first_occurrence
from eventcron.timing.instant import from_datetime
from eventcron.timing.trigger import parse
from tools.faultsim.workload import Kind, Sent

#: Milliseconds: EventBridge cuts an event's time to whole seconds.
EVENT_TIME_MS = 1_000

_SWITCHES = ("Pause Schedule", "Resume Schedule")
_ACTING = ("Put Schedule", "Delete Schedule", *_SWITCHES)


class End(NamedTuple):
    """The put whose definition stands (None: there is none) and whether it is paused."""

    put: str | None
    paused: bool


def possible_ends(sent: Sequence[Sent], *, refused: Collection[str] = ()) -> set[End]:
    """Where the commands of one schedule may end.

    More than one where commands without a revision carry the same second, as only their arrival orders them; where a
    put may be refused, as it would never fire by one anchor of its rate and not by another; and where one was
    *refused* (event ids), and a replay of it may have come in time.
    """
    puts = [one for one in sent if one.command == "Put Schedule"]
    good = [one for one in sent if one.kind is Kind.GOOD and one.command in _ACTING]
    acts = {one.event_id: set(_acts(one, puts)) for one in good}
    acting = [one for one in good if True in acts[one.event_id]]
    doubtful = [one for one in acting if one.event_id in refused or False in acts[one.event_id]]
    ends: set[End] = set()
    for count in range(len(doubtful) + 1):
        for without in combinations(doubtful, count):
            ends |= {_end(revisions) for revisions in _orders([one for one in acting if one not in without])}
    return ends


def _orders(acting: Sequence[Sent]) -> Iterator[list[tuple[int, Sent]]]:
    """Every order in which they may count: (revision, command)."""
    numbered = [(one.detail["revision"], one) for one in acting if "revision" in one.detail]
    timed = sorted((one for one in acting if "revision" not in one.detail), key=lambda one: one.time)
    seconds = [_orders_of_second(list(group), numbered) for _, group in groupby(timed, key=lambda one: one.time)]
    for chosen in product(*seconds):
        yield numbered + [one for second in chosen for one in second]


def _orders_of_second(
    timed: Sequence[Sent], numbered: Sequence[tuple[int, Sent]]
) -> list[list[tuple[int, Sent]]]:
    """Every order of commands without a revision that carry the same second, among the *numbered* of that second.

    Such a command takes its second for a revision, or one more than the revision of that second that is stored when
    it arrives. So it may count before or after each numbered command, whatever happens in other seconds.
    """
    second = timed[0].time
    starts = sorted({second, *(number + 1 for number, _ in numbered if second <= number < second + EVENT_TIME_MS)})
    orders = []
    for order in permutations(timed):
        for chosen in combinations_with_replacement(starts, len(order)):
            revision, revisions = second - 1, []
            for start, one in zip(chosen, order, strict=True):
                revision = max(revision + 1, start)
                revisions.append((revision, one))
            orders.append(revisions)
    return orders


def _end(commands: list[tuple[int, Sent]]) -> End:
    puts = [(revision, one) for revision, one in commands if one.command == "Put Schedule"]
    deleted = max((revision for revision, one in commands if one.command == "Delete Schedule"), default=-1)
    switches = [(revision, one) for revision, one in commands if one.command in _SWITCHES and revision > deleted]
    if not puts:
        return End(None, paused=False)
    defined, put = max(puts, key=lambda item: item[0])
    if deleted >= defined:
        return End(None, paused=False)
    switched, switch = max(switches, key=lambda item: item[0], default=(-1, None))
    if switch is not None and switched >= defined:
        return End(put.event_id, paused=switch.command == "Pause Schedule")
    return End(put.event_id, paused=put.detail.get("state") == "PAUSED")


def _acts(sent: Sent, puts: Sequence[Sent]) -> Iterator[bool]:
    """A put that would never fire is refused. A rate is anchored where its schedule was created, by whichever put."""
    if sent.command != "Put Schedule":
        yield True
        return
    for anchor in {put.time for put in puts} if _is_anchored(sent.detail["expression"]) else {sent.time}:
        yield _first(sent, anchor=anchor) is not None


def _is_anchored(expression: str | list[str]) -> bool:
    return any(one.startswith("rate(") for one in ([expression] if isinstance(expression, str) else expression))


def _first(sent: Sent, *, anchor: Instant) -> Instant | None:
    detail = sent.detail
    start, end = (_moment(detail.get(name)) for name in ("start", "end"))
    first = max(sent.time + 1, start or 0)
    trigger = parse(
        detail["expression"],
        timezone=detail.get("timezone", "UTC"),
        daylight_saving=_daylight_saving(detail.get("daylight_saving", {})),
        exclude=[entry for entry in detail.get("exclude", ()) if not entry.startswith("calendar:")],
        anchor=start if start is not None else anchor,
        key=sent.key,
    )
    return first_occurrence(trigger.canonical, first, end) if end is None or first < end else None


def _daylight_saving(given: str | dict[str, Any]) -> DaylightSaving | Literal["eventbridge"]:
    return "eventbridge" if isinstance(given, str) else msgspec.convert(given, DaylightSaving)


def _moment(text: str | None) -> Instant | None:
    return None if text is None else from_datetime(datetime.fromisoformat(text))
