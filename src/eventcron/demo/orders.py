"""What the demo asks of eventcron: commands, and when each was sent."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key

PUT, DELETE, PAUSE = "Put Schedule", "Delete Schedule", "Pause Schedule"


class Order(Struct, frozen=True, kw_only=True):
    """One command, and what must come of it."""

    command: str
    key: Key
    #: JSON.
    detail: bytes
    #: What is put; None for another command, and for one that is to be refused.
    schedule: Schedule | None = None
    #: The code that it must be refused with; None = it must be accepted.
    refused: str | None = None


class Sent(NamedTuple):
    """An order on its way. *at* is just before it was sent, so no later than anything that it caused."""

    order: Order
    at: Instant

    @property
    def event_time(self) -> Instant:
        """EventBridge's time of it: whole seconds. A schedule fires after it."""
        return self.at // 1000 * 1000


def put(schedule: Schedule, *, refused: str | None = None) -> Order:
    """*schedule*, as it would stand in a file."""
    return Order(
        command=PUT, key=schedule.key, detail=msgspec.json.encode(schedule), schedule=schedule, refused=refused
    )


def unreadable(detail: dict[str, Any], *, refused: str) -> Order:
    """A ``Put Schedule`` that is no schedule, refused with that code."""
    return Order(command=PUT, key=_key(detail), detail=msgspec.json.encode(detail), refused=refused)


def switch(command: str, key: Key) -> Order:
    """``Pause Schedule`` or ``Delete Schedule``."""
    return Order(command=command, key=key, detail=msgspec.json.encode(key._asdict()))


def _key(detail: dict[str, Any]) -> Key:
    return Key(detail["tenant"], detail["name"])
