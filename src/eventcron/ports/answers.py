"""The port by which a program hears what eventcron publishes."""

from __future__ import annotations

from typing import Protocol

from eventcron.model.events import Answer


class Answers(Protocol):
    """The events that eventcron publishes from now on."""

    async def receive(self) -> list[Answer]:
        """The next events, some twice. Waits some seconds for them, and may then return none."""
