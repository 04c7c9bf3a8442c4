"""Runs as they are stored: what targets make of tracked fires. ``rules/runs.py`` draws a run's life."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from eventcron.model.messages import Fire
from eventcron.model.names import Instant
from eventcron.model.tracking import RunEnd

#: Who ends a run of which the bus refuses the fire for good. If the fire is sent back from the dead letters, its run
#: begins anew and has an end of its own.
NOT_PUBLISHED = "not_published"


class LaneKey(NamedTuple):
    """Names a lane. Prints as ``tenant/name``, or as ``tenant/name/fire_id`` where each run has a lane of its own."""

    tenant: str
    name: str
    #: The run's ``fire_id``; "" = the schedule's one lane for runs that must not overlap.
    id: str = ""

    @property
    def is_shared(self) -> bool:
        """Whether all runs of the schedule follow each other here."""
        return self.id == ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


class OpenRun(Struct, frozen=True, array_like=True):
    """A run that has begun and has not ended."""

    fire: Fire
    fire_id: str
    opened: Instant
    deadline: Instant
    #: Runs in a row that fail or are overdue before the schedule is paused; 0 = it never is.
    pause_after: int = 0
    #: It was overdue before, and then its fire was delivered again. Each run has one end, so no event says another.
    is_again: bool = False


class PastRun(Struct, frozen=True, array_like=True):
    """A run that has ended, and what follows from it."""

    fire: Fire
    fire_id: str
    opened: Instant
    deadline: Instant
    end: RunEnd
    ended: Instant
    #: The message that ended it, so that what follows is repeated if the message comes again; "" = the fire after it.
    by: str = ""
    #: As of ``OpenRun``.
    pause_after: int = 0
    #: Runs in a row that have failed or been overdue, this one included; None = nobody has counted.
    failures: int | None = None
    #: Whether the schedule is to be paused for that.
    pauses: bool = False
    is_again: bool = False

    @property
    def is_unpublished(self) -> bool:
        """Whether it ended because its fire could not be published."""
        return self.by == NOT_PUBLISHED


class Skipped(Struct, frozen=True, array_like=True):
    """A fire that was skipped while another run was open."""

    fire_id: str
    #: The ``fire_id`` of the open run.
    by: str
    at: Instant


class Outage(Struct, frozen=True, array_like=True):
    """A schedule with ``expect`` is silent or has reported a failure. It lasts until a success is reported."""

    #: The instant at which no report came; or, of a failure, when it was reported.
    fire: Fire
    since: Instant

    @property
    def is_silence(self) -> bool:
        """Whether silence began it or followed in it: then more silence is no news."""
        return self.fire.cause == "schedule"


class Lane(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where runs of one schedule follow each other, at most one of them open.

    Runs that may overlap have a lane each. ``version`` rises with each write: whoever comes second with the same one is
    refused.
    """

    tenant: str
    name: str
    id: str = ""
    #: 0 = it is not stored yet.
    version: int = 0
    #: What the tokens of its runs are made of, with their ``fire_id``.
    secret: str
    open: OpenRun | None = None
    #: The fire that waits for the open run to end; sent again then, it stays here until it is decided.
    waiting: Fire | None = None
    #: The runs that ended lately, the last one last.
    past: tuple[PastRun, ...] = ()
    #: The fires that were skipped lately.
    skipped: tuple[Skipped, ...] = ()
    #: Runs in a row that have failed or been overdue.
    failures: int = 0
    #: Of a schedule with ``expect``: when the latest reports were sent, in order, and the outage that lasts.
    beats: tuple[Instant, ...] = ()
    outage: Outage | None = None
    #: When TTL may remove it, seconds since 1970.
    expires: int | None = None

    @property
    def key(self) -> LaneKey:
        return LaneKey(self.tenant, self.name, self.id)

    @property
    def heard(self) -> Instant:
        """When the latest report was sent; 0 = there was none."""
        return self.beats[-1] if self.beats else 0

    @property
    def stored_version(self) -> int | None:
        """What a write replaces; None: nothing is stored."""
        return self.version or None
