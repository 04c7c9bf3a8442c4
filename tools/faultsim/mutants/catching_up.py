"""Faults in catching up: its rate, the remainder that carries it on, and what a tenant's limit does to it."""

from __future__ import annotations

from typing import Any

from eventcron.app import executor
from eventcron.app.backfill import BackfillCommands
from eventcron.app.executor import Executor
from eventcron.model.records import Backfill, Record
from eventcron.rules import catch_up
from eventcron.rules.judging import Known
from tools.faultsim.mutants.planting import Function, Mutant, changes


def _never(_original: Any) -> Function:
    return lambda _self, _fire, **_now: False


def _dropped(_original: Any) -> Function:
    async def put_off(*_pack: object) -> None:
        pass

    return put_off


def _room_for_all(_original: Any) -> Function:
    async def without_room(*_pack: object, **_limits: int) -> frozenset[Any]:
        return frozenset()

    return without_room


def _not_stored(_original: Any) -> Function:
    async def open_catch_up(_self: Any, record: Record) -> Backfill | None:
        return catch_up.remainder_of(record)

    return open_catch_up


def _not_entered(original: Any) -> Function:
    async def enter(self: Any, backfill: Backfill) -> None:
        if not backfill.key.is_catch_up:
            await original(self, backfill)

    return enter


MUTANTS = (
    Mutant("what is caught up on is skipped where a limit has no room", changes(Known, "may_wait", _never)),
    Mutant("what waits for a limit is dropped", changes(Executor, "_put_off", _dropped)),
    Mutant("what is caught up on knows no limit", changes(executor, "without_room", _room_for_all)),
    Mutant("what a remainder would catch up on nobody sends", changes(BackfillCommands, "open_catch_up", _not_stored)),
    Mutant("no planner knows of a resume's remainder", changes(BackfillCommands, "_enter", _not_entered)),
    Mutant("a resume catches up at once", changes(catch_up, "gap_ms", lambda _original: lambda _per_minute: 1)),
)
