"""Which late occurrences still fire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eventcron.model.commands import Misfire, MisfirePolicy
from eventcron.model.names import Instant

#: Milliseconds. Up to here a fire is merely late and always published; beyond it, it was missed and the policy decides.
#: EventBridge Scheduler's own precision: "within 60 seconds".
LATE_MS = 60_000
#: Milliseconds. Never called late, whatever the grace: no publication is instantaneous.
TIMELY_MS = 1_000


class Sorted(NamedTuple):
    """Instants split by what happens to them, both in order."""

    fire: list[Instant]
    miss: list[Instant]


def sort_late(instants: Sequence[Instant], misfire: Misfire, *, now: Instant) -> Sorted:
    """Split *instants*, in order, into those that still fire at *now* and those that do not.

    Nothing older than the grace fires. Within it, what is more than ``LATE_MS`` late fires by the policy:
    ``fire_all`` every one, ``fire_once`` the latest only (and not that if a merely late one fires now), ``skip`` none.

    >>> sort_late([0, 3_540_000, 3_720_000], Misfire(), now=3_700_000)
    Sorted(fire=[3540000, 3720000], miss=[0])
    """
    grace_ms = misfire.grace_seconds * 1000
    timely_from = now - max(min(LATE_MS, grace_ms), TIMELY_MS)
    timely = [instant for instant in instants if instant >= timely_from]
    late = [instant for instant in instants if instant < timely_from]
    within = [instant for instant in late if instant >= now - grace_ms]
    kept = _kept(within, misfire.policy, fires_now=any(instant <= now for instant in timely))
    dropped = set(late).difference(kept)
    return Sorted(kept + timely, [instant for instant in late if instant in dropped])


def is_missed(at: Instant, misfire: Misfire, *, now: Instant) -> bool:
    """Whether one fire that was to be published *at* must not be any more, at *now*."""
    return not sort_late([at], misfire, now=now).fire


def _kept(late: list[Instant], policy: MisfirePolicy, *, fires_now: bool) -> list[Instant]:
    if policy is MisfirePolicy.FIRE_ALL:
        return late
    return late[-1:] if policy is MisfirePolicy.FIRE_ONCE and not fires_now else []
