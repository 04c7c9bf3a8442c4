"""Pass each command on to the registrar queue, with the message group of its sender.

An EventBridge rule cannot do that: its target has one fixed group. Without groups, the commands of a tenant that sends
very many stand before everybody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eventcron.app.retry import Retry
from eventcron.model.messages import GroupedCommand
from eventcron.ports import Clock, Refusal, RegistrarQueue
from eventcron.settings import Settings
from eventcron.wire.senders import group_of


class Dispatcher:
    """Passes commands on, whatever is in them: the registrar answers what is wrong."""

    def __init__(
        self, *, clock: Clock, registrar_queue: RegistrarQueue, jitter: Callable[[], float], settings: Settings
    ) -> None:
        self._queue = registrar_queue
        self._retry = Retry(clock=clock, jitter=jitter)
        self._trusted_sources = settings.trusted_sources

    async def run(self, bodies: Sequence[str]) -> list[Refusal]:
        """Send the commands in *bodies*. Returns those that the queue did not take, each with its index."""
        commands = [
            GroupedCommand(group=group_of(body, trusted_sources=self._trusted_sources), body=body) for body in bodies
        ]
        return await self._retry.deliver(commands, self._queue.send)
