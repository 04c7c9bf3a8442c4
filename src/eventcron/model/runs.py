"""Runs as they are stored: what targets make of tracked fires. ``rules/runs.py`` draws a run's life."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from eventcron.model.messages import Fire
from eventcron.model.names import Instant
from eventcron.model.tracking import RunEnd

#: Marks, as the first character of a token, a run that shares its lane with the schedule's other runs.
SHARED, ALONE = "s", "a"


class LaneKey(NamedTuple):
    """Names a lane. Prints as ``tenant/name``, or as ``tenant/name/fire_id`` where each run has a lane of its own."""

    tenant: str
    name: str
    #: The run's ``fire_id``; "" = the schedule's one lane for runs that must not overlap.
    id: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


class OpenRun(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run that has begun and has not ended."""

    fire: Fire
    fire_id: str
    opened: Instant
    deadline: Instant
    #: Runs in a row that fail or are overdue before the schedule is paused; 0 = it never is.
    pause_after: int = 0
    #: Its end was announced before: it was overdue, and then its fire was delivered again.
    is_announced: bool = False


class PastRun(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fire that is settled: its run ended, or it was skipped while another run was open."""

    fire: Fire
    fire_id: str
    #: None = the fire was skipped.
    end: RunEnd | None = None
    opened: Instant = 0
    deadline: Instant = 0
    #: When it ended, or was skipped.
    at: Instant = 0
    #: Names the message that ended it, so that the same message repeats what follows from it; of a skipped fire, the
    #: ``fire_id`` of the run that was open.
    by: str = ""
    #: The fire that waited for it, and is to be sent now.
    released: Fire | None = None
    #: Runs in a row that have failed or been overdue, this one included; None = nobody counts.
    failures: int | None = None
    #: Whether the schedule is to be paused for that.
    pauses: bool = False
    is_announced: bool = False


class Lane(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where runs of one schedule follow each other, at most one of them open.

    Runs that may overlap have a lane each. ``version`` rises with each write: whoever comes second with the same one is
    refused.
    """

    tenant: str
    name: str
    id: str = ""
    version: int = 0
    #: What the tokens of its runs are made of, with their ``fire_id``.
    secret: str
    open: OpenRun | None = None
    #: The fire that waits for the open run to end.
    waiting: Fire | None = None
    #: The latest that were settled, the latest last.
    past: tuple[PastRun, ...] = ()
    #: Runs in a row that have failed or been overdue.
    failures: int = 0
    #: When TTL may remove it, seconds since 1970.
    expires: int | None = None

    @property
    def key(self) -> LaneKey:
        return LaneKey(self.tenant, self.name, self.id)
