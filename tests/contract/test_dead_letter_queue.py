"""What every ``DeadLetterQueue`` promises."""

from __future__ import annotations

import pytest

from eventcron.ports import DeadLetter, DeadLetterQueue
from tests.contract.conftest import Backend, DeadLetterQueueRig


@pytest.fixture(name="rig")
async def _rig(backend: Backend) -> DeadLetterQueueRig:
    return await backend.dead_letter_queue()


async def all_of(queue: DeadLetterQueue) -> list[DeadLetter]:
    """Every dead letter there is, in hand for a minute."""
    dead_letters: list[DeadLetter] = []
    while batch := await queue.take(10, seconds=60):
        dead_letters += batch
    return dead_letters


async def test_a_dead_letter_has_its_body_its_reason_and_its_age(rig: DeadLetterQueueRig) -> None:
    await rig.send_to_dlq("{}", "undecodable", "not an EventBridge event: æøå")

    (dead_letter,) = await rig.port.take(1, seconds=60)

    assert (dead_letter.body, dead_letter.code, dead_letter.reason) == (
        "{}",
        "undecodable",
        "not an EventBridge event: æøå",
    )
    assert dead_letter.sent > 1_600_000_000_000
    assert dead_letter.target == ""


async def test_dead_letters_are_taken_in_tens_at_most_and_each_once(rig: DeadLetterQueueRig) -> None:
    for number in range(13):
        await rig.send_to_dlq(str(number), "c", "r")
    assert await rig.port.waiting() == 13

    first = await rig.port.take(100, seconds=60)
    dead_letters = first + await all_of(rig.port)

    assert 1 <= len(first) <= 10
    assert sorted(dead_letter.body for dead_letter in dead_letters) == sorted(map(str, range(13)))
    assert len({dead_letter.id for dead_letter in dead_letters}) == 13
    assert await rig.port.take(10, seconds=60) == []


async def test_what_is_put_back_is_there_again_and_what_is_removed_is_not(rig: DeadLetterQueueRig) -> None:
    await rig.send_to_dlq("keep", "c", "r")
    await rig.send_to_dlq("drop", "c", "r")
    dead_letters = {dead_letter.body: dead_letter for dead_letter in await all_of(rig.port)}

    await rig.port.remove(dead_letters["drop"])
    await rig.port.put_back(dead_letters["keep"])

    again = await all_of(rig.port)
    assert [(dead_letter.id, dead_letter.body) for dead_letter in again] == [(dead_letters["keep"].id, "keep")]


async def test_what_is_sent_back_arrives_and_the_dead_letter_stays(rig: DeadLetterQueueRig) -> None:
    await rig.send_to_dlq("old", "c", "r")
    (dead_letter,) = await rig.port.take(1, seconds=60)

    await rig.port.send_back(dead_letter, "new")
    await rig.port.put_back(dead_letter)

    assert await rig.arrived() == ["new"]
    assert [again.body for again in await all_of(rig.port)] == ["old"]
