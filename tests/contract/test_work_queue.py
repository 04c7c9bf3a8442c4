"""What every ``WorkQueue`` does."""

from __future__ import annotations

from eventcron.ports.work import WorkMessage
from tests.contract.conftest import Backend, WorkQueueRig
from tests.waiting import until


async def _next(rig: WorkQueueRig, *, hidden_seconds: int = 60) -> list[WorkMessage]:
    return await until(lambda: rig.port.receive(10, wait_seconds=1, hidden_seconds=hidden_seconds), every=0)


async def test_a_received_message_is_hidden_and_a_deleted_one_is_gone(backend: Backend) -> None:
    rig = await backend.work_queue()
    await rig.send("one")
    [message] = await _next(rig)

    assert (message.body, message.receives) == ("one", 1)
    assert await rig.port.receive(10, wait_seconds=0, hidden_seconds=60) == []
    assert await rig.port.delete([message]) == []
    assert await rig.port.hide([message], seconds=0) != []
    assert await rig.port.receive(10, wait_seconds=0, hidden_seconds=60) == []


async def test_a_message_is_visible_when_its_time_has_passed(backend: Backend) -> None:
    rig = await backend.work_queue()
    await rig.send("one")
    await _next(rig, hidden_seconds=1)
    [again] = await _next(rig)

    assert (again.body, again.receives) == ("one", 2)


async def test_a_message_is_hidden_anew_or_shown_at_once(backend: Backend) -> None:
    rig = await backend.work_queue()
    await rig.send("one")
    [message] = await _next(rig, hidden_seconds=5)

    assert await rig.port.hide([message], seconds=600) == []
    await rig.send("other")
    await _next(rig, hidden_seconds=5)
    # What was received later shows again: by then the one would have, too.
    assert [again.body for again in await _next(rig)] == ["other"]
    assert await rig.port.hide([message], seconds=0) == []
    assert [(again.body, again.receives) for again in await _next(rig)] == [("one", 2)]


async def test_more_than_a_batch_is_answered(backend: Backend) -> None:
    rig = await backend.work_queue()
    for number in range(12):
        await rig.send(str(number))
    messages = await _next(rig)
    while len(messages) < 12:
        messages += await _next(rig)

    assert await rig.port.hide(messages, seconds=30) == []
    assert await rig.port.delete(messages) == []
    assert await rig.port.receive(10, wait_seconds=0, hidden_seconds=60) == []


async def test_no_more_than_asked_for_are_received(backend: Backend) -> None:
    rig = await backend.work_queue()
    for number in range(3):
        await rig.send(str(number))

    assert len(await until(lambda: rig.port.receive(2, wait_seconds=1, hidden_seconds=60), every=0)) <= 2


async def test_a_message_that_was_received_too_often_goes_to_the_dead_letter_queue(backend: Backend) -> None:
    rig = await backend.work_queue()
    await rig.send("poison")
    for _ in range(2):
        assert await rig.port.hide(await _next(rig), seconds=0) == []

    assert await rig.port.max_receives() == 2
    assert await rig.port.receive(10, wait_seconds=0, hidden_seconds=60) == []
    assert await until(rig.dead) == ["poison"]
