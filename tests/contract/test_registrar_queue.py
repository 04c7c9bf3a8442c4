"""What every ``RegistrarQueue`` promises."""

from __future__ import annotations

import pytest

from eventcron.model.messages import GroupedCommand
from tests.contract.conftest import Backend, RegistrarQueueRig


@pytest.fixture(name="rig")
async def _rig(backend: Backend) -> RegistrarQueueRig:
    return await backend.registrar_queue()


async def test_any_number_of_commands_of_any_groups_arrive_as_they_were_sent(rig: RegistrarQueueRig) -> None:
    groups = ["acme", "beta", "~strangers", "A.b_c-9", "x" * 64]
    sent = [GroupedCommand(group=groups[number % 5], body=f'{{"n": {number}, "æ": "☃"}}') for number in range(25)]

    assert await rig.port.send(sent) == []

    arrived: list[str] = []
    while len(arrived) < len(sent):
        arrived += await rig.receive()
    assert sorted(arrived) == sorted(command.body for command in sent)


async def test_nothing_is_sent_of_nothing(rig: RegistrarQueueRig) -> None:
    assert await rig.port.send([]) == []
    assert await rig.receive() == []
