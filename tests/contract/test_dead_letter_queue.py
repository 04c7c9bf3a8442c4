"""What every ``DeadLetterQueue`` promises."""

from __future__ import annotations

import pytest

from eventcron.ports import DeadLetter, DeadLetterQueue
from tests.contract.conftest import Backend, DeadLetterQueueRig


@pytest.fixture(name="rig")
async def _rig(backend: Backend) -> DeadLetterQueueRig:
    return await backend.letters()


async def all_of(queue: DeadLetterQueue) -> list[DeadLetter]:
    """Every letter there is, in hand for a minute."""
    letters: list[DeadLetter] = []
    while batch := await queue.take(10, seconds=60):
        letters += batch
    return letters


async def test_a_letter_has_its_body_its_reason_and_its_age(rig: DeadLetterQueueRig) -> None:
    await rig.send_to_dlq("{}", "undecodable", "not an EventBridge event: æøå")

    (letter,) = await rig.port.take(1, seconds=60)

    assert (letter.body, letter.code, letter.reason) == ("{}", "undecodable", "not an EventBridge event: æøå")
    assert letter.sent > 1_600_000_000_000
    assert letter.target == ""


async def test_letters_are_taken_in_tens_at_most_and_each_once(rig: DeadLetterQueueRig) -> None:
    for number in range(13):
        await rig.send_to_dlq(str(number), "c", "r")
    assert await rig.port.waiting() == 13

    first = await rig.port.take(100, seconds=60)
    letters = first + await all_of(rig.port)

    assert 1 <= len(first) <= 10
    assert sorted(letter.body for letter in letters) == sorted(map(str, range(13)))
    assert len({letter.id for letter in letters}) == 13
    assert await rig.port.take(10, seconds=60) == []


async def test_what_is_put_back_is_there_again_and_what_is_removed_is_not(rig: DeadLetterQueueRig) -> None:
    await rig.send_to_dlq("keep", "c", "r")
    await rig.send_to_dlq("drop", "c", "r")
    letters = {letter.body: letter for letter in await all_of(rig.port)}

    await rig.port.remove(letters["drop"])
    await rig.port.put_back(letters["keep"])

    again = await all_of(rig.port)
    assert [(letter.id, letter.body) for letter in again] == [(letters["keep"].id, "keep")]


async def test_what_is_sent_back_arrives_and_the_letter_stays(rig: DeadLetterQueueRig) -> None:
    await rig.send_to_dlq("old", "c", "r")
    (letter,) = await rig.port.take(1, seconds=60)

    await rig.port.send_back(letter, "new")
    await rig.port.put_back(letter)

    assert await rig.arrived() == ["new"]
    assert [again.body for again in await all_of(rig.port)] == ["old"]
