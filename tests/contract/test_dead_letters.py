"""What every ``DeadLetters`` promises."""

from __future__ import annotations

from eventcron.adapters.memory import SentToDlq
from tests.contract.conftest import Backend


async def test_a_message_is_kept_with_its_reason_in_the_queue_it_came_from(backend: Backend) -> None:
    rig = await backend.dead_letters()
    command = SentToDlq(queue="commands", body="not JSON: {", reason="expected '{', got 'n'", code="undecodable")
    fire = SentToDlq(queue="fires", body='{"v": 99}', reason="pack format 99 – naïve ⏰", code="unknown_format")

    plan = SentToDlq(queue="segments", body='{"v": 99}', reason="range format 99", code="unknown_format")

    for one in (command, fire, plan):
        await rig.port.send_to_dlq(one.queue, one.body, reason=one.reason, code=one.code)

    assert await rig.sent() == [command, fire, plan]
