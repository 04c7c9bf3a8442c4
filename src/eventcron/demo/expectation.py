"""What must come of the orders, by the independent computation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from eventcron.demo.observed import Answer, Due
from eventcron.demo.orders import DELETE, PAUSE, PUT, Sent
from eventcron.model.names import Instant, Key
from eventcron.oracle.occurrences import due_instants

#: Milliseconds after a change was confirmed during which fires of what it replaced may still come: DESIGN's one lead.
ALLOWANCE_MS = 1_000

_CONFIRMED_BY = {DELETE: "Schedule Deleted", PAUSE: "Schedule Paused", PUT: "Schedule Updated"}


class Confirmed(NamedTuple):
    """When a change was known to all, and the revision it made: an older one's fires end there."""

    at: Instant
    revision: int


class Expectation(Struct):
    """What is to be fired before an instant, and what may be."""

    until: Instant
    #: Each must be published, or be excused by a fact that says why not.
    required: set[Due] = field(default_factory=set)
    #: Due between a change's order and ``ALLOWANCE_MS`` after its confirmation: may come or not.
    allowed: set[Due] = field(default_factory=set)
    changes: dict[Key, list[Confirmed]] = field(default_factory=dict)
    #: Changes that nothing confirmed, such as ``Delete Schedule of acme/deleted``.
    unconfirmed: list[str] = field(default_factory=list)

    def ended(self, due: Due, revision: int) -> bool:
        """Whether a fire of that revision must not come any more, because the revision was replaced."""
        return any(
            revision < change.revision and due.at > change.at + ALLOWANCE_MS for change in self.changes.get(due.key, ())
        )


def expect(sent: Iterable[Sent], answers: Sequence[Answer], until: Instant) -> Expectation:
    """What is due before *until* of all that was *sent*, in that order; *answers* say when changes were confirmed."""
    stories: dict[Key, list[Sent]] = {}
    for one in sent:
        if one.order.refused is None:
            stories.setdefault(one.order.key, []).append(one)
    by_key: dict[Key, list[Answer]] = {}
    for answer in answers:
        by_key.setdefault(answer.key, []).append(answer)
    expectation = Expectation(until)
    for key, story in stories.items():
        _add(expectation, story, by_key.get(key, []))
    return expectation


def _add(expectation: Expectation, story: Sequence[Sent], answers: Sequence[Answer]) -> None:
    """One schedule's part: each order holds from its event's time until the next one is sent."""
    key = story[0].order.key
    created: Instant = 0
    previous = DELETE
    for one, following in zip(story, [*story[1:], None], strict=True):
        if previous == DELETE:
            created = one.event_time
        previous = one.order.command
        end = expectation.until if following is None else min(following.at, expectation.until)
        expectation.required |= _due(one, one.event_time + 1, end, created)
        if following is None:
            continue
        confirmed = _confirmed(following, answers)
        if confirmed is None:
            expectation.unconfirmed.append(f"{following.order.command} of {key}")
            expectation.allowed |= _due(one, end, expectation.until, created)
        else:
            expectation.changes.setdefault(key, []).append(confirmed)
            last = min(confirmed.at + ALLOWANCE_MS + 1, expectation.until)
            expectation.allowed |= _due(one, end, last, created)


def _due(one: Sent, first: Instant, until: Instant, created: Instant) -> set[Due]:
    schedule = one.order.schedule
    if schedule is None:
        return set()
    return {Due(one.order.key, instant) for instant in due_instants(schedule, first, until, created)}


def _confirmed(change: Sent, answers: Sequence[Answer]) -> Confirmed | None:
    fact = _CONFIRMED_BY[change.order.command]
    found = (
        Confirmed(answer.at, answer.revision) for answer in answers if answer.fact == fact and answer.at >= change.at
    )
    return next(found, None)
