"""The state in which the commands for a schedule must end, whatever happened: an independent check of guarantee 5.

It sees only the commands and knows one rule. Of puts, deletes, and pauses or resumes the one with the highest revision
counts, and a put loses a tie.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations, combinations_with_replacement, groupby, permutations, product
from typing import Any, Literal, NamedTuple

import msgspec

from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Instant
from eventcron.rules.planning import first_occurrence
from eventcron.timing.instant import from_rfc3339
from eventcron.timing.trigger import parse
from tools.faultsim.workload import Kind, Sent

#: Milliseconds: EventBridge cuts an event's time to whole seconds.
EVENT_TIME_MS = 1_000

_PAUSE_OR_RESUME = ("Pause Schedule", "Resume Schedule")
_ACTING = ("Put Schedule", "Delete Schedule", *_PAUSE_OR_RESUME)


class FinalState(NamedTuple):
    """The event id of the put whose definition is stored (None: there is none), and whether it is paused.

    Of puts with the same definition, the one that was sent first stands for all.
    """

    put: str | None
    paused: bool


def possible_final_states(sent: Sequence[Sent], *, refused: Collection[str] = ()) -> set[FinalState]:
    """The states in which the commands of one schedule may end. There is more than one

    - if commands without a revision carry the same second: only their arrival orders them;
    - if a put may be rejected: by one anchor of its rate it fires, by another it never does;
    - if a command was *refused* (event ids): a later delivery of it may have been accepted.
    """
    puts = [one for one in sent if one.command == "Put Schedule"]
    good = [one for one in sent if one.kind is Kind.VALID and one.command in _ACTING]
    acts = {one.event_id: set(_acts(one, puts)) for one in good}
    acting = [one for one in good if True in acts[one.event_id]]
    doubtful = [one for one in acting if one.event_id in refused or False in acts[one.event_id]]
    ends: set[FinalState] = set()
    for count in range(len(doubtful) + 1):
        for without in combinations(doubtful, count):
            for revisions in _orders([one for one in acting if one not in without]):
                ends |= _final_states(revisions, puts)
    return ends


def definition_of(put: Sent) -> dict[str, Any]:
    """What the put defines."""
    return {name: value for name, value in put.detail.items() if name not in {"revision", "state"}}


def first_like(put: Sent, puts: Sequence[Sent]) -> str:
    """The event id of the first of *puts* with the definition of *put*."""
    return next(one.event_id for one in puts if definition_of(one) == definition_of(put))


def _orders(acting: Sequence[Sent]) -> Iterator[list[tuple[int, Sent]]]:
    """Every order in which the commands may count: (revision, command)."""
    numbered = [(one.detail["revision"], one) for one in acting if "revision" in one.detail]
    timed = sorted((one for one in acting if "revision" not in one.detail), key=lambda one: one.time)
    seconds = [_orders_of_second(list(group), numbered) for _, group in groupby(timed, key=lambda one: one.time)]
    for chosen in product(*seconds):
        yield numbered + [one for second in chosen for one in second]


def _orders_of_second(timed: Sequence[Sent], numbered: Sequence[tuple[int, Sent]]) -> list[list[tuple[int, Sent]]]:
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


def _final_states(commands: list[tuple[int, Sent]], sent: Sequence[Sent]) -> set[FinalState]:
    """One state; two where the last put gives none. It then leaves the state that it finds, by order of arrival."""
    puts = [(revision, one) for revision, one in commands if one.command == "Put Schedule"]
    deleted_at = max((revision for revision, one in commands if one.command == "Delete Schedule"), default=-1)
    changes = [
        (revision, one) for revision, one in commands if one.command in _PAUSE_OR_RESUME and revision > deleted_at
    ]
    if not puts:
        return {FinalState(None, paused=False)}
    put_at, put = max(puts, key=lambda item: item[0])
    if deleted_at >= put_at:
        return {FinalState(None, paused=False)}
    name = first_like(put, sent)
    changed_at, change = max(changes, key=lambda item: item[0], default=(-1, None))
    if change is not None and changed_at >= put_at:
        return {FinalState(name, paused=change.command == "Pause Schedule")}
    if "state" in put.detail:
        return {FinalState(name, paused=put.detail["state"] == "PAUSED")}
    pauses = any(one.command == "Pause Schedule" or one.detail.get("state") == "PAUSED" for _, one in commands)
    return {FinalState(name, paused=False)} | ({FinalState(name, paused=True)} if pauses else set())


def _acts(sent: Sent, puts: Sequence[Sent]) -> Iterator[bool]:
    """Whether a command acts, by each anchor that its rate may have: any put may have created the schedule.

    A put that would never fire is rejected.
    """
    if sent.command != "Put Schedule":
        yield True
        return
    for anchor in {put.time for put in puts} if _is_anchored(sent.detail["expression"]) else {sent.time}:
        fires = _first(sent, anchor=anchor) is not None
        yield fires
        if not fires and any(put is not sent and _series(put) == _series(sent) for put in puts):
            yield True  # it may continue a schedule that is at its end


def _series(put: Sent) -> tuple[object, ...]:
    return tuple(put.detail.get(name) for name in ("expression", "timezone", "start"))


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
    return None if text is None else from_rfc3339(text)
