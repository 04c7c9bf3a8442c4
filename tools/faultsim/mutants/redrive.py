"""Faults in sending dead letters back."""

from __future__ import annotations

from typing import Any

from eventcron.adapters.memory import MemoryDeadLetterQueue
from eventcron.ports import DeadLetter
from tools.faultsim.mutants.planting import Function, Mutant, changes


def _remove_first(original: Any) -> Function:
    async def send_back(self: Any, dead_letter: DeadLetter, body: str) -> None:
        await self.remove(dead_letter)
        await original(self, dead_letter, body)

    return send_back


MUTANTS = (
    Mutant(
        "a dead letter is removed before it was sent back", changes(MemoryDeadLetterQueue, "send_back", _remove_first)
    ),
)
