"""Faults in the planner, in what it plans, and in the index that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from eventcron.adapters.memory import MemoryScheduleStore
from eventcron.app import planner
from eventcron.app.planner import Planner
from eventcron.model.names import Instant, Key
from eventcron.model.records import IndexEntry
from eventcron.rules.misfire import Sorted, sort_late
from tools.faultsim.mutants.planting import Function, Mutant, changes, changes_everywhere

#: Milliseconds by which the planner starts too late.
LATE_START_MS = 60_000


def _commit_first(original: Any) -> Function:
    async def plan_claim(self: Any, claim: Any, **options: Any) -> object:
        if claim.start < claim.end:
            await self._leases.commit(claim)
        return await original(self, claim, **options)

    return plan_claim


def _one_page(original: Any) -> Function:
    async def page(self: Any, lease: Any, cursor: str | None, is_quiet: Any = None) -> object:
        read = await original(self, lease, cursor, is_quiet)
        return replace(read, cursor=None) if read.items else read

    return page


def _as_shown(_original: Any) -> Function:
    async def verified(_self: Any, items: Sequence[IndexEntry], *_window: object) -> list[IndexEntry]:
        return list(items)

    return verified


def _move_unconditionally(original: Any) -> Function:
    async def move_wake(self: Any, plan: IndexEntry, wake: Instant | None, *, handoff: Instant | None = None) -> object:
        stored = self.records.get(plan.key)
        if stored is not None:
            plan = replace(plan, revision=stored.revision, wake=stored.wake)
        return await original(self, plan, wake, handoff=handoff)

    return move_wake


def _out_of_the_index(original: Any) -> Function:
    async def complete(self: Any, key: Key, *, revision: int, expires: int | None) -> object:
        completed = await original(self, key, revision=revision, expires=expires)
        if completed:
            self._write(replace(self.records[key], segment=None, wake=None))
        return completed

    return complete


def _without_skips(original: Any) -> Function:
    return lambda *entry, **now: original(*entry, **now)._replace(skips=[])


def _fire_all(_original: Any) -> Function:
    def sort_all(instants: Sequence[Instant], *_misfire: object, **_now: Instant) -> Sorted:
        return Sorted(list(instants), [])

    return sort_all


def _late_start(original: Any) -> Function:
    return lambda plan, *rest, **now: original(replace(plan, handoff=plan.handoff + LATE_START_MS), *rest, **now)


MUTANTS = (
    Mutant("a segment counts as planned before its packs are sent", changes(Planner, "_plan_lease", _commit_first)),
    Mutant("pages of the index after the first are not read", changes(Planner, "_page", _one_page)),
    Mutant(
        "a timed entry that should have been planned before is not looked up", changes(Planner, "_verified", _as_shown)
    ),
    Mutant("wake is moved whatever is stored by now", changes(MemoryScheduleStore, "move_wake", _move_unconditionally)),
    Mutant(
        "a last fire takes its schedule out of the index, though a failed pass has not planned the fires before it",
        changes(MemoryScheduleStore, "complete", _out_of_the_index),
    ),
    Mutant("the planner does not report what it skips", changes(planner, "contribution", _without_skips)),
    Mutant("the planner starts a minute after the handoff", changes(planner, "contribution", _late_start)),
    Mutant(
        "no pass waits until its index has caught up",
        changes(planner, "INDEX_LAG_MS", lambda _milliseconds: 0),
        first_seed=7_900,
    ),
    Mutant(
        "a late occurrence still fires, however late the planner is",
        changes_everywhere(sort_late, _fire_all),
    ),
)
