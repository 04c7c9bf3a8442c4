"""What travels through the queues: commands, fires, packs and segment ranges."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from eventcron.model.names import MAX_SEGMENTS, Cause, Instant, Key


class Fire(Struct, frozen=True, array_like=True, gc=False):
    """One occurrence of one schedule on its way to the bus, as carried in a pack.

    The fire does not carry the input: the executor reads the schedule again before it publishes.
    """

    tenant: str
    name: str
    revision: int
    due: Annotated[Instant, Meta(description="The nominal instant, before any flexible window.")]
    at: Annotated[Instant, Meta(description="Publish no earlier than this: due plus the flexible window's offset.")]
    cause: Cause = "schedule"
    cause_id: Annotated[
        str,
        Meta(
            description="The id of the run or backfill, or of the catch-up of a resume; empty for every other "
            "ordinary fire."
        ),
    ] = ""
    last: Annotated[bool, Meta(description="The schedule has no later occurrence.")] = False

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)

    @property
    def is_caught_up(self) -> bool:
        """Whether a resume asked for it: an ordinary fire of a pause, sent late and at a rate."""
        return self.cause == "schedule" and self.cause_id != ""

    @property
    def public_id(self) -> str:
        """The ``cause_id`` that events carry: to a target, a fire that a resume catches up on is an ordinary one."""
        return "" if self.cause == "schedule" else self.cause_id


#: The version of a message's format. It is always written, so that an older release refuses what it cannot read.
Format: TypeAlias = Annotated[int, Meta(description="The version of the message's format.")]


#: What a pack of format 2 is for. Its one fire belongs to a tracked run.
DEADLINE: Final = "deadline"
RELEASED: Final = "released"
#: Its one fire is an instant at which a report is expected.
EXPECTED: Final = "expected"


class Pack(Struct, frozen=True, kw_only=True):
    """One queue message: fires to be published within the same second."""

    #: 1; 2 if there is a ``kind``, which a release that reads format 1 only would not know.
    v: Format = 1
    id: str
    at: Annotated[Instant, Meta(description="The earliest instant at which one of the fires is published.")]
    fires: list[Fire]
    attempt: int = 1
    kind: (
        Annotated[
            Literal["deadline", "released", "expected"],
            Meta(
                description="deadline: the fire's run is overdue at that instant, and nothing is published. released: "
                "the fire waited for another run to end. expected: a report is to have come by then, and nothing is "
                "published if one has."
            ),
        ]
        | UnsetType
    ) = UNSET
    lane: Annotated[str, Meta(description="Of a deadline: the id of the lane of the run.")] | UnsetType = UNSET


class GroupedCommand(Struct, frozen=True, kw_only=True):
    """A command on its way to the registrars: the event as the bus delivered it, and its sender's message group."""

    group: str
    body: str


class SegmentRange(Struct, frozen=True, kw_only=True):
    """One message of the segment queue: consecutive segments that one planner plans for one tick."""

    v: Format = 1
    tick: Annotated[
        Instant,
        Meta(
            description="The tick's instant. A segment that is already planned through a horizon from here stays as it "
            "is, so a repeated message changes nothing."
        ),
    ]
    first: Annotated[int, Meta(ge=0, le=MAX_SEGMENTS - 1, description="The first segment.")]
    end: Annotated[int, Meta(ge=1, le=MAX_SEGMENTS, description="The segment after the last one.")]
