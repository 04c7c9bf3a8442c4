"""Decide which late occurrences still fire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from eventcron.model.commands import Misfire, MisfirePolicy
from eventcron.model.names import Instant

#: Milliseconds. A fire that is less late than this is always published. A later one is missed, and the policy decides.
#: The number is EventBridge Scheduler's precision: "within 60 seconds".
LATE_MS = 60_000
#: Milliseconds. A fire that is less late than this counts as punctual whatever the grace, since publishing takes time.
TIMELY_MS = 1_000


class Sorted(NamedTuple):
    """Late instants split into those that still fire and those that do not, both in order."""

    fire: list[Instant]
    miss: list[Instant]


def sort_late(instants: Sequence[Instant], misfire: Misfire, *, now: Instant, fires_later: bool = False) -> Sorted:
    """Split *instants*, in order, into those that still fire at *now* and those that do not.

    An instant older than the grace never fires. The policy decides about instants within the grace that are more than
    ``LATE_MS`` late. ``fire_all`` fires all of them and ``skip`` none. ``fire_once`` fires the latest, unless a less
    late one fires now anyway, or *fires_later*: a later one that is due too is sorted in another call.

    >>> sort_late([0, 3_540_000, 3_720_000], Misfire(), now=3_700_000)
    Sorted(fire=[3540000, 3720000], miss=[0])
    """
    grace_ms = misfire.grace_seconds * 1000
    timely_from = _timely_from(misfire, now=now)
    timely = [instant for instant in instants if instant >= timely_from]
    late = [instant for instant in instants if instant < timely_from]
    within = [instant for instant in late if instant >= now - grace_ms]
    fired = _fired_late(within, misfire.policy, fires_now=fires_later or any(instant <= now for instant in timely))
    missed = set(late).difference(fired)
    return Sorted(fired + timely, [instant for instant in late if instant in missed])


def is_missed(at: Instant, misfire: Misfire, *, now: Instant, is_followed: Callable[[], bool]) -> bool:
    """Whether a fire with the instant of publication *at* is too late to be published at *now*.

    *is_followed* tells whether a later occurrence of the schedule is due by *now* as well. With ``fire_once`` that one
    fires instead, whoever made this one late.
    """
    if at >= _timely_from(misfire, now=now):
        return False
    if not sort_late([at], misfire, now=now).fire:
        return True
    return misfire.policy is MisfirePolicy.FIRE_ONCE and is_followed()


def _timely_from(misfire: Misfire, *, now: Instant) -> Instant:
    """The earliest instant of publication that is not late at *now*."""
    return now - max(min(LATE_MS, misfire.grace_seconds * 1000), TIMELY_MS)


def _fired_late(late: list[Instant], policy: MisfirePolicy, *, fires_now: bool) -> list[Instant]:
    if policy is MisfirePolicy.FIRE_ALL:
        return late
    return late[-1:] if policy is MisfirePolicy.FIRE_ONCE and not fires_now else []
