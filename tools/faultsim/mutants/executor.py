"""Faults in the executor: what is published, when, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from eventcron.adapters.memory import MemoryPublishedPacks
from eventcron.app import executor
from eventcron.app.executor import Executor
from eventcron.model.events import Event
from eventcron.model.messages import Fire
from eventcron.model.names import Instant
from eventcron.rules import judging
from tools.faultsim.mutants.planting import Change, Function, Mutant, changes


def _know_no_pack(_original: Any) -> Function:
    async def published(_self: Any, _pack_ids: Sequence[str]) -> set[str]:
        return set()

    return published


def _record_first(original: Any) -> Function:
    async def publish_at(self: Any, at: Instant, fires: Sequence[Fire], pack: Any, *rest: Any) -> None:
        await self._packs.record(pack.id, now=pack.at, expires=pack.at)
        await original(self, at, fires, pack, *rest)

    return publish_at


def _drop_refused(original: Any) -> Function:
    async def handle_refused(self: Any, fires: Sequence[Fire], refused: Any, *rest: Any) -> Any:
        final = {index: refusal for index, refusal in refused.items() if not refusal.retryable}
        return await original(self, fires, final, *rest)

    return handle_refused


def _publish_early(original: Any) -> Function:
    async def publish_portion(self: Any, _at: Instant, fires: Sequence[Fire], *rest: Any) -> object:
        return await original(self, 0, fires, *rest)

    return publish_portion


def _without(detail_type: str) -> Change:
    """The executor reports everything except events of that type."""

    def change(original: Any) -> Function:
        async def report(self: Any, events: Sequence[Event]) -> None:
            await original(self, [event for event in events if event.detail_type != detail_type])

        return report

    return change


def _skip_no_last_fire(original: Any) -> Function:
    async def skip(self: Any, fires: Sequence[tuple[Fire, str]], *rest: Any) -> None:
        await original(self, [(replace(fire, last=False), reason) for fire, reason in fires], *rest)

    return skip


def _go_on(original: Any) -> Function:
    def stopped(self: Any, fire: Fire) -> str:
        reason: str = original(self, fire)
        return "" if reason == "cancelled" else reason

    return stopped


MUTANTS = (
    Mutant(
        "the executor does not ask whether a pack was published",
        changes(MemoryPublishedPacks, "published", _know_no_pack),
    ),
    Mutant("a pack is recorded as published before it is published", changes(Executor, "_publish_at", _record_first)),
    Mutant("a fire that the bus refused is not put back", changes(Executor, "_handle_refused", _drop_refused)),
    Mutant("a fire is not held to its instant", changes(Executor, "_publish_portion", _publish_early)),
    Mutant(
        "the schedule is read when the pack arrives, not at the last moment",
        changes(executor, "REREAD_MS", lambda _original: 3_600_000),
    ),
    Mutant(
        "the executor knows no grace",
        changes(judging, "is_missed", lambda _original: lambda *_fire, **_now: False),
    ),
    Mutant("the executor does not report what it skips", changes(Executor, "_report", _without("Schedule Skipped"))),
    Mutant("the executor does not report a fire given up", changes(Executor, "_report", _without("Schedule Failed"))),
    Mutant("a schedule whose last fire is skipped never ends", changes(Executor, "_skip", _skip_no_last_fire)),
    Mutant("a cancelled backfill goes on", changes(judging.Known, "_stopped", _go_on)),
)
