"""The dispatcher passes on every command with its sender's group, and says which ones the queue did not take."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from eventcron.app.dispatcher import Dispatcher
from eventcron.app.retry import TRIES
from eventcron.model.messages import GroupedCommand
from eventcron.ports import Refusal
from eventcron.testing import JumpingClock
from eventcron.testing.world import SETTINGS
from eventcron.wire.senders import STRANGERS


class Queue:
    """Takes everything but the body that it refuses, for now or for good."""

    def __init__(self, *, refused: str = "", times: int = 0, retryable: bool = True) -> None:
        self.taken: list[GroupedCommand] = []
        self.calls = 0
        self._refused, self._times, self._retryable = refused, times, retryable

    async def send(self, commands: Sequence[GroupedCommand]) -> list[Refusal]:
        self.calls += 1
        refuses = self.calls <= self._times
        refusals = [
            Refusal(index=index, code="No", retryable=self._retryable)
            for index, command in enumerate(commands)
            if refuses and command.body == self._refused
        ]
        self.taken += [command for command in commands if not refuses or command.body != self._refused]
        return refusals


def dispatcher(queue: Queue) -> Dispatcher:
    settings = replace(SETTINGS, trusted_sources=frozenset({"platform"}))
    return Dispatcher(clock=JumpingClock(0), registrar_queue=queue, jitter=lambda: 0.5, settings=settings)


async def test_each_command_is_passed_on_unchanged_in_its_sender_s_group() -> None:
    queue = Queue()
    bodies = [
        json.dumps({"source": source, "detail": {"tenant": "beta"}})
        for source in ("eventcron.tenant.acme", "platform", "other")
    ]

    assert await dispatcher(queue).run([*bodies, "no json"]) == []

    assert [(command.group, command.body) for command in queue.taken] == [
        ("acme", bodies[0]),
        ("beta", bodies[1]),
        (STRANGERS, bodies[2]),
        (STRANGERS, "no json"),
    ]


async def test_what_is_refused_for_now_is_sent_again_alone() -> None:
    queue = Queue(refused="b", times=1)

    assert await dispatcher(queue).run(["a", "b", "c"]) == []

    assert [command.body for command in queue.taken] == ["a", "c", "b"]


@pytest.mark.parametrize(("retryable", "calls"), [(True, TRIES), (False, 1)])
async def test_what_is_refused_in_the_end_is_named(retryable: bool, calls: int) -> None:
    queue = Queue(refused="b", times=TRIES, retryable=retryable)

    assert [refusal.index for refusal in await dispatcher(queue).run(["a", "b", "c"])] == [1]

    assert queue.calls == calls
