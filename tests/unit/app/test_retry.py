"""One place decides how often a refused call is repeated, and how long it waits in between."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.fire_queue import SqsFireQueue
from eventcron.adapters.memory import MemoryDeadLetters
from eventcron.app.delivery import PackSender, Publisher
from eventcron.app.retry import TRIES, Retry
from eventcron.errors import Unavailable, Undecodable
from eventcron.model.events import Event
from eventcron.model.messages import Fire
from eventcron.ports import Refusal
from eventcron.rules.packing import make_pack
from eventcron.testing import JumpingClock
from tests.adapters.scripted import Script, refused

LATER = Unavailable("sqs", "RequestThrottled")


def retry(*, jitter: float = 0.5, **more: Any) -> tuple[Retry, JumpingClock]:
    clock = JumpingClock(0)
    return Retry(clock=clock, jitter=lambda: jitter, **more), clock


@pytest.mark.parametrize(
    ("jitter", "waits"), [(0.0, [0, 0, 0, 0]), (0.5, [50, 100, 200, 400]), (1.0, [100, 200, 400, 800])]
)
async def test_waits_double_within_the_jitter(jitter: float, waits: list[int]) -> None:
    repeated, clock = retry(jitter=jitter)

    for tried in range(1, repeated.tries):
        await repeated.wait(tried)

    assert [after - before for before, after in pairwise([0, *clock.slept_to])] == waits


async def test_no_wait_is_longer_than_the_cap() -> None:
    repeated, clock = retry(jitter=1.0, cap_ms=150)

    await repeated.wait(1)
    await repeated.wait(9)

    assert clock.slept_to == [100, 250]


class Flaky:
    """Raises each of *errors* in turn, then returns the number of calls."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return self.calls


async def test_a_call_is_repeated_until_it_succeeds() -> None:
    repeated, _ = retry()

    assert await repeated.call(Flaky(LATER, LATER)) == 3


async def test_the_last_failure_is_raised_without_another_wait() -> None:
    repeated, clock = retry()
    call = Flaky(*[LATER] * 9)

    with pytest.raises(Unavailable):
        await repeated.call(call)

    assert (call.calls, len(clock.slept_to)) == (repeated.tries, repeated.tries - 1)


async def test_a_call_that_cannot_succeed_is_not_repeated() -> None:
    repeated, clock = retry()
    call = Flaky(Undecodable("never"))

    with pytest.raises(Undecodable):
        await repeated.call(call)

    assert (call.calls, clock.slept_to) == (1, [])


async def test_only_what_is_refused_for_now_is_delivered_again_and_keeps_its_index() -> None:
    repeated, _ = retry(tries=3)
    rounds: list[list[str]] = []

    async def send(items: Sequence[str]) -> list[Refusal]:
        rounds.append(list(items))
        return [
            Refusal(index=index, code=item, retryable=item != "never")
            for index, item in enumerate(items)
            if item != "taken" and not (item == "second" and len(rounds) == 2)
        ]

    refused = await repeated.deliver(["taken", "never", "second", "taken", "always"], send)

    assert rounds == [["taken", "never", "second", "taken", "always"], ["second", "always"], ["always"]]
    assert [(refusal.index, refusal.code) for refusal in refused] == [(1, "never"), (4, "always")]


# --- A throttled service, from the use case down to the client --------------------------------------------------------


async def test_what_has_until_then_is_repeated_as_long_as_it_is_not_later() -> None:
    repeated, clock = retry()
    began, calls = clock.now(), 0

    async def once() -> str:
        nonlocal calls
        calls += 1
        if clock.now() < began + 20_000:
            raise Unavailable("dynamodb", "ThrottlingException")
        return "done"

    assert await repeated.call_until(once, until=began + 30_000) == "done"
    assert TRIES < calls < 60  # the waits grow to half a second on average
    calls, began = 0, clock.now() + 100_000
    with pytest.raises(Unavailable):
        await repeated.call_until(once, until=clock.now() + 10_000)


async def test_a_throttled_send_makes_as_many_calls_as_retry_has_tries() -> None:
    script = Script("sqs", lambda _request: refused("RequestThrottled"))
    queue = SqsFireQueue(script.client, "http://127.0.0.1/queue")
    sender = PackSender(clock=JumpingClock(0), fire_queue=queue, dead_letters=MemoryDeadLetters(), jitter=lambda: 0.5)

    with pytest.raises(Unavailable):
        await sender.send([make_pack([Fire("acme", "tea", 1, 0, 0)])], visible_at=lambda pack: pack.at)

    assert len(script.requests) == TRIES == 5


async def test_a_throttled_publication_makes_as_many_calls_as_retry_has_tries() -> None:
    script = Script("events", lambda _request: refused("ThrottlingException"))
    publisher = Publisher(clock=JumpingClock(0), bus=EventBridgeBus(script.client, "bus"), jitter=lambda: 0.5)

    with pytest.raises(Unavailable):
        await publisher.publish([Event(source="eventcron", detail_type="Schedule Created", detail=b"{}", time=0)])

    assert len(script.requests) == TRIES == 5
