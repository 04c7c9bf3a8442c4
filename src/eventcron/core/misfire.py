"""Which late occurrences still fire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eventcron.model import Instant, Misfire, MisfirePolicy

#: Milliseconds. Up to here a fire is merely late and always published; beyond it, it was missed and the policy decides.
#: EventBridge Scheduler's own precision: "within 60 seconds".
LATE_MS = 60_000


class Sorted(NamedTuple):
    """Instants split by what happens to them, both in order."""

    fire: list[Instant]
    miss: list[Instant]


def sort_late(instants: Sequence[Instant], misfire: Misfire, *, now: Instant) -> Sorted:
    """Split *instants*, in order, into those that still fire at *now* and those that do not.

    Nothing older than the grace fires. Within it, what is more than ``LATE_MS`` late fires by the policy:
    ``fire_all`` every one, ``fire_once`` the latest only, ``skip`` none.

    >>> sort_late([0, 3_540_000, 3_590_000], Misfire(), now=3_700_000)
    Sorted(fire=[3540000, 3590000], miss=[0])
    """
    grace_ms = misfire.grace_seconds * 1000
    timely_from = now - min(LATE_MS, grace_ms)
    timely = [instant for instant in instants if instant >= timely_from]
    late = [instant for instant in instants if instant < timely_from]
    kept = _kept(late, misfire.policy, oldest=now - grace_ms)
    dropped = set(late).difference(kept)
    return Sorted(kept + timely, [instant for instant in late if instant in dropped])


def _kept(late: Sequence[Instant], policy: MisfirePolicy, *, oldest: Instant) -> list[Instant]:
    if policy is MisfirePolicy.SKIP:
        return []
    within = [instant for instant in late if instant >= oldest]
    return within if policy is MisfirePolicy.FIRE_ALL else within[-1:]
