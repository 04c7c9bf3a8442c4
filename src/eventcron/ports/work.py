"""The ports of a program that does the work of fires: its queue, what it remembers, and to whom it reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from eventcron.errors import EventcronError
from eventcron.model.fires import Fire
from eventcron.model.tracking import RunStatus
from eventcron.ports import Refusal


class WorkMessage(Struct, frozen=True, kw_only=True):
    """A received message. ``handle`` names this receive of it, ``receives`` counts from 1."""

    id: str
    handle: str
    body: str
    receives: int


class WorkQueue(Protocol):
    """A queue whose messages are hidden while they are worked on, and come back unless they are deleted."""

    async def receive(self, limit: int, *, wait_seconds: int, hidden_seconds: int) -> list[WorkMessage]:
        """Up to *limit* messages, at most ten, each hidden for *hidden_seconds*. Waits for the first one.

        Raises:
            Unavailable: there is no answer for now.
        """

    async def delete(self, messages: Sequence[WorkMessage]) -> list[Refusal]:
        """Delete any number of messages. Returns those that may still be there."""

    async def hide(self, messages: Sequence[WorkMessage], *, seconds: int) -> list[Refusal]:
        """Hide any number of messages for *seconds* from now on; 0 shows them. Returns those that it may not have."""

    async def max_receives(self) -> int | None:
        """How often a message is received before the queue gives it up to its dead-letter queue. None: it has none.

        Raises:
            Unavailable: there is no answer for now.
        """


#: ``new``: do the work. ``busy``: another delivery of the fire is at it. ``done``: the work is done.
Claim: TypeAlias = Literal["new", "busy", "done"]


class Seen(Protocol):
    """Remembers which fires are done, so that one delivered twice is worked on once.

    A claim whose worker died has to end by itself, after as long as a job may take. Otherwise nobody would ever do the
    work.
    """

    async def claim(self, fire_id: str) -> Claim:
        """Claim the work of a fire, in one atomic step."""

    async def finish(self, fire_id: str) -> None:
        """Remember that the claimed work is done."""

    async def release(self, fire_id: str) -> None:
        """Give the claim up: the work is not done, and whoever asks next may do it."""


class RunReport(Struct, frozen=True, kw_only=True):
    """What a program says of the run of *fire*. ``result`` is JSON text."""

    fire: Fire[object]
    status: RunStatus
    message: str = ""
    result: bytes = b"null"


class NotReported(EventcronError):
    """Eventcron did not take a report. The work itself is not concerned."""


class RunReports(Protocol):
    """Takes reports to eventcron."""

    async def report(self, report: RunReport) -> None:
        """Hand over a report, which may be done more than once.

        Raises:
            NotReported: it was not taken, and a repetition will not help now.
        """
