"""Dead letters: none is lost, none goes back twice, and what cannot go back says why."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryDeadLetterQueue
from eventcron.app.redrive import HIDE_SECONDS, Redrive
from eventcron.errors import Unavailable
from eventcron.model.messages import Fire
from eventcron.ports import DeadLetter
from eventcron.rules.packing import make_pack
from eventcron.testing import JumpingClock
from eventcron.wire.encode import decode_pack, encode_pack

NOW = 1_796_112_000_000


class Killed(Exception):
    """The process is gone."""


class Stage:
    """The dead letters of one queue, and the use case that handles them."""

    def __init__(self, name: str = "commands") -> None:
        self.clock = JumpingClock(NOW)
        self.die_at = ""
        self.queue = MemoryDeadLetterQueue(self.clock, pause=self._pause)
        self.redrive = Redrive(clock=self.clock, queue=self.queue, name=name)

    async def _pause(self, point: str) -> None:
        if point == self.die_at:
            self.die_at = ""
            raise Killed

    def send_to_dlq(self, count: int) -> list[str]:
        return [self.queue.send_to_dlq(f"message {number}", code="c", reason="r") for number in range(count)]


@pytest.fixture(name="stage")
def _stage() -> Stage:
    return Stage()


async def test_looking_changes_nothing(stage: Stage) -> None:
    ids = stage.send_to_dlq(25)

    assert len(await stage.redrive.look(limit=100)) == 25
    assert len(await stage.redrive.look(limit=7)) == 7
    assert [dead_letter.id for dead_letter in await stage.redrive.look(limit=10, ids=[ids[3]])] == [ids[3]]
    assert (await stage.redrive.waiting(), stage.queue.sent) == (25, [])


async def test_all_go_back_and_are_removed_at_the_rate(stage: Stage) -> None:
    stage.send_to_dlq(25)
    seen: list[int] = []

    report = await stage.redrive.send(limit=25, per_second=5, on_progress=seen.append)

    assert (report.done, report.failed, report.missing) == (25, {}, [])
    assert sorted(stage.queue.sent) == sorted(f"message {number}" for number in range(25))
    assert stage.clock.instant == NOW + 24 * 200
    assert await stage.redrive.waiting() == 0
    assert seen == list(range(1, 26))


async def test_those_asked_for_go_back_and_the_others_stay(stage: Stage) -> None:
    ids = stage.send_to_dlq(25)

    report = await stage.redrive.send(limit=2, ids=[ids[20], ids[3], "unknown"], per_second=100)

    assert sorted(stage.queue.sent) == ["message 20", "message 3"]
    assert (report.done, report.missing) == (2, ["unknown"])
    assert await stage.redrive.waiting() == 23


async def test_no_more_than_the_limit(stage: Stage) -> None:
    stage.send_to_dlq(25)

    assert (await stage.redrive.send(limit=13, per_second=100)).done == 13
    assert await stage.redrive.waiting() == 12


async def test_what_comes_back_while_it_is_sent_does_not_keep_it_going(stage: Stage) -> None:
    stage.send_to_dlq(5)

    async def comes_back(dead_letter: DeadLetter, body: str) -> None:
        await MemoryDeadLetterQueue.send_back(stage.queue, dead_letter, body)
        stage.queue.send_to_dlq(body)

    stage.queue.send_back = comes_back  # type: ignore[method-assign]  # its handler fails at once
    report = await stage.redrive.send(limit=5, per_second=100)

    assert report.done == 5
    assert await stage.redrive.waiting() == 5


async def test_what_cannot_be_sent_stays_and_says_why(stage: Stage) -> None:
    ids = stage.send_to_dlq(3)

    async def refuse(dead_letter: DeadLetter, body: str) -> None:
        if dead_letter.id == ids[1]:
            raise Unavailable("sqs", "ThrottlingException")
        await MemoryDeadLetterQueue.send_back(stage.queue, dead_letter, body)

    stage.queue.send_back = refuse  # type: ignore[method-assign]  # SQS is busy
    report = await stage.redrive.send(limit=10, per_second=100)

    assert (report.done, report.failed) == (2, {ids[1]: "sqs is unavailable: ThrottlingException"})
    assert [dead_letter.id for dead_letter in await stage.redrive.look(limit=10)] == [ids[1]]


@pytest.mark.parametrize("point", ["take.before", "take.after", "send_back.before", "send_back.after", "remove.before"])
async def test_a_crash_anywhere_loses_no_dead_letter(stage: Stage, point: str) -> None:
    stage.send_to_dlq(3)
    stage.die_at = point

    with pytest.raises(Killed):
        await stage.redrive.send(limit=3, per_second=100)
    stage.clock.instant += HIDE_SECONDS * 1000
    await stage.redrive.send(limit=3, per_second=100)

    assert set(stage.queue.sent) == {"message 0", "message 1", "message 2"}
    assert len(stage.queue.sent) <= 4
    assert await stage.redrive.waiting() == 0


async def test_a_dead_letter_is_dropped_only_once_it_is_recorded(stage: Stage) -> None:
    stage.send_to_dlq(3)
    recorded: list[str] = []

    def record(dead_letter: DeadLetter) -> None:
        if len(recorded) == 2:
            raise Killed
        recorded.append(dead_letter.body)

    with pytest.raises(Killed):
        await stage.redrive.drop(limit=10, record=record)
    stage.clock.instant += HIDE_SECONDS * 1000

    assert recorded == ["message 0", "message 1"]
    assert [dead_letter.body for dead_letter in await stage.redrive.look(limit=10)] == ["message 2"]
    assert stage.queue.sent == []


async def test_a_pack_goes_back_under_an_id_that_no_ledger_knows_and_the_same_each_time() -> None:
    stage = Stage("fires")
    pack = replace(make_pack([Fire("acme", "report", 1, NOW, NOW)]), attempt=30)
    dead_letter_id = stage.queue.send_to_dlq(encode_pack(pack))
    stage.die_at = "send_back.after"

    with pytest.raises(Killed):
        await stage.redrive.send(limit=1, per_second=1)
    stage.clock.instant += HIDE_SECONDS * 1000
    await stage.redrive.send(limit=1, per_second=1)

    first, second = map(decode_pack, stage.queue.sent)
    assert first == second
    assert (first.id, first.attempt, first.fires) == (f"{pack.id}-{dead_letter_id}", 1, pack.fires)


async def test_poison_among_the_fires_stays() -> None:
    stage = Stage("fires")
    dead_letter_id = stage.queue.send_to_dlq("not a pack")

    report = await stage.redrive.send(limit=10, per_second=100)

    assert list(report.failed) == [dead_letter_id]
    assert report.failed[dead_letter_id].startswith("not a pack: ")
    assert await stage.redrive.waiting() == 1
