"""What a worker decides about one message: which handler takes its fire, and when the queue shows it again."""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from eventcron.model.fires import Fire

#: Seconds before the second delivery of a message whose job failed; each further failure doubles them.
FIRST_WAIT_S = 5
#: Seconds. No longer wait is worth it: whoever repaired the cause would wait for it too.
LONGEST_WAIT_S = 900
#: Messages in hand are hidden anew after this part of the time for which they are hidden.
BEAT_PART = 3


class JobEnd(StrEnum):
    """What became of a message."""

    SUCCEEDED = "succeeded"
    #: The same fire was done before.
    REPEATED = "repeated"
    FAILED = "failed"
    #: The worker was stopped before the job ended.
    STOPPED = "stopped"
    #: Another delivery of the same fire is being worked on.
    BUSY = "busy"
    #: It is no fire, or its input does not fit.
    UNREADABLE = "unreadable"
    #: No handler is registered for it.
    UNHANDLED = "unhandled"

    @property
    def is_done(self) -> bool:
        """Whether the message can be deleted."""
        return self in {JobEnd.SUCCEEDED, JobEnd.REPEATED}


class Filter(Struct, frozen=True, kw_only=True):
    """Which fires a handler takes. *name* is a glob; None = any."""

    name: str = "*"
    tenant: str | None = None
    detail_type: str | None = None
    route: str | None = None

    def matches(self, fire: Fire[Any]) -> bool:
        """Whether the handler takes *fire*."""
        exact = ((self.tenant, fire.tenant), (self.detail_type, fire.detail_type), (self.route, fire.route))
        return fnmatchcase(fire.name, self.name) and all(asked in {None, given} for asked, given in exact)


def is_last(receives: int, max_receives: int | None) -> bool:
    """Whether the queue gives the message up after this receive, the first being 1. None: it never does."""
    return max_receives is not None and receives >= max_receives


def seconds_until_next(end: JobEnd, *, receives: int, max_receives: int | None, jitter: float) -> int:
    """How long a message that stays in the queue is hidden.

    A stopped job goes to another worker at once, a message that the queue gives up to the dead-letter queue. All
    others wait twice as long each time, by *jitter* in [0, 1) up to a half less, so that they do not come together.

    >>> [seconds_until_next(JobEnd.FAILED, receives=n, max_receives=12, jitter=0.9999) for n in (1, 2, 3, 10, 12)]
    [4, 9, 19, 899, 0]
    """
    if end is JobEnd.STOPPED or is_last(receives, max_receives):
        return 0
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(receives - 1, 30))
    return int(longest * (1 + jitter) / 2)
