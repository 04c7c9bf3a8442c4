"""What travels through the queues: fires, packs and segment ranges."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from eventcron.model.names import MAX_SEGMENTS, Cause, Instant, Key


class Fire(Struct, frozen=True, array_like=True):
    """One occurrence of one schedule on its way to the bus, as carried in a pack.

    The input is not in it: the executor reads the schedule again before it publishes.
    """

    tenant: str
    name: str
    revision: int
    #: The nominal instant, before any flexible window.
    due: Instant
    #: Publish no earlier than this: ``due`` plus the flexible window's offset.
    at: Instant
    cause: Cause = "schedule"
    #: The run's or backfill's id; "" for an ordinary fire.
    cause_id: str = ""
    #: No occurrence follows it.
    last: bool = False

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)


class Pack(Struct, frozen=True, kw_only=True):
    """One queue message: fires to be published within the same second."""

    #: The format, always written, so that an older release can tell that it cannot read it.
    v: int = 1
    id: str
    #: The earliest ``at`` among the fires.
    at: Instant
    fires: list[Fire]
    attempt: int = 1


class SegmentRange(Struct, frozen=True, kw_only=True):
    """One message of the plan queue: consecutive segments that one planner is to plan for one tick."""

    #: The format, always written, so that an older release can tell that it cannot read it.
    v: int = 1
    #: Those that are planned through a horizon from here already are left as they are, however often this comes.
    tick: Instant
    #: The first segment.
    first: Annotated[int, Meta(ge=0, le=MAX_SEGMENTS - 1)]
    #: The one after the last.
    end: Annotated[int, Meta(ge=1, le=MAX_SEGMENTS)]
