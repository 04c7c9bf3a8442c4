"""Faults in how commands change a schedule, and in how one era hands over to the next."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from eventcron.app import executor
from eventcron.app.registrar import Registrar
from eventcron.model.names import Instant, Key
from eventcron.model.records import Era, Record
from eventcron.rules import handover, lifecycle, ordering
from tools.faultsim.mutants.planting import Change, Function, Mutant, changes

#: Milliseconds for which an era that was replaced goes on.
LONG_CUTOVER_MS = 60_000


# --- What the registrar delivers -------------------------------------------------------------------------------------


def _with_enabled(**changed: Any) -> Change:
    """An enabled record with those fields; a wake only where it has one."""

    def change(original: Any) -> Change:
        def fire_from(*given: Any, **more: Any) -> Record | None:
            enabled: Record | None = original(*given, **more)
            if enabled is None or ("wake" in changed and enabled.wake is None):
                return enabled
            return replace(enabled, **changed)

        return fire_from

    return change


def _skip_delivery(_original: Any) -> Function:
    async def delivered(self: Any, key: Key, _event_id: str, **_redelivered: bool) -> Record | None:
        stored = (await self._store.get([key])).get(key)
        return None if stored is None else replace(stored, pending=None)

    return delivered


def _clear_first(original: Any) -> Function:
    async def deliver(self: Any, record: Record) -> None:
        if record.pending is not None:
            await self._store.clear_pending(record.key, revision=record.revision)
        await original(self, record)

    return deliver


def _nothing_unplanned(_original: Any) -> Function:
    return lambda *_record, **_now: handover.Handover([], [], is_over=False)


# --- The order of commands -------------------------------------------------------------------------------------------


def _without(**revisions: int) -> Change:
    """A verdict on a command as if the record remembered no such command."""

    def blank(stored: Record | None) -> Record | None:
        return stored and replace(stored, last_commands=replace(stored.last_commands, **revisions))

    def change(original: Any) -> Change:
        return lambda stored, *rest, **more: original(blank(stored), *rest, **more)

    return change


def _forget_event_ids(original: Any) -> Function:
    return lambda stored, **given: original(stored and replace(stored, recent_event_ids=()), **given)


# --- From one era to the next ----------------------------------------------------------------------------------------


def _stay_in_the_index(original: Any) -> Function:
    def pause(stored: Record | None, *rest: Any, **more: Any) -> Record:
        paused: Record = original(stored, *rest, **more)
        return paused if stored is None else replace(paused, segment=stored.segment, wake=stored.wake)

    return pause


def _overlap(original: Any) -> Function:
    """As if no earlier era had a due instant."""
    return lambda eras: original(eras[-1:])


def _only_two_eras(original: Any) -> Function:
    return lambda eras, *fire, **instants: original(eras[-2:], *fire, **instants)


def _planned_everything(_original: Any) -> Function:
    return lambda _stored, _when: None


def _unbounded_cut(original: Any) -> Function:
    """An era that was cut ends where it was cut, though its definition ended before."""

    def cut(stored: Record | None, when: Any, *, at: Instant, pause_ends: Instant | None = None) -> tuple[Era, ...]:
        eras: tuple[Era, ...] = original(stored, when, at=at, pause_ends=pause_ends)
        return eras and (*eras[:-1], eras[-1] if eras[-1].paused else replace(eras[-1], end=at))

    return cut


MUTANTS = (
    Mutant(
        "the registrar hands over to the planner at once",
        changes(Registrar, "_reach_ms", lambda _original: property(lambda _self: 0)),
    ),
    Mutant("the registrar enqueues no fires itself", changes(lifecycle, "_fire_from", _with_enabled(pending=None))),
    Mutant("pending fires of a dead registrar are not delivered", changes(Registrar, "_delivered", _skip_delivery)),
    Mutant("pending is cleared before the fires are sent", changes(Registrar, "_deliver_pending", _clear_first)),
    Mutant("an update fires again what the era before it has", changes(handover, "not_taken", _overlap)),
    Mutant("unplanned fires of an era that was cut are lost", changes(handover, "_unplanned", _nothing_unplanned)),
    Mutant("an era that was cut is taken for planned to its end", changes(lifecycle, "_planned", _planned_everything)),
    Mutant(
        "an era that was cut takes what is due after its definition ended", changes(lifecycle, "_cut", _unbounded_cut)
    ),
    Mutant(
        "an era that was replaced goes on for a minute", changes(lifecycle, "CUTOVER_MS", lambda _ms: LONG_CUTOVER_MS)
    ),
    Mutant("a paused schedule stays in the index", changes(lifecycle, "pause", _stay_in_the_index)),
    Mutant("a sleeping schedule is read with each tick", changes(lifecycle, "_fire_from", _with_enabled(wake=0))),
    Mutant("a put does not see the tombstone", changes(ordering, "judge_put", _without(delete_revision=-1))),
    Mutant(
        "a delete does not ask which revision it deletes", changes(ordering, "judge_delete", _without(put_revision=-1))
    ),
    Mutant("a put ignores the pause that overtook it", changes(lifecycle, "put", _without(pause_revision=-1))),
    Mutant(
        "a stale pause or resume acts",
        changes(ordering, "judge_switch", _without(put_revision=-1, delete_revision=-1)),
    ),
    Mutant(
        "the ids of the events of one second are not remembered", changes(ordering, "version_of", _forget_event_ids)
    ),
    Mutant(
        "the executor accepts a fire from any sender",
        changes(executor, "may_publish", lambda _original: lambda *_fire, **_instants: True),
    ),
    Mutant("only the last era but one may still fire", changes(executor, "may_publish", _only_two_eras)),
    Mutant(
        "what a pause kept back is not reported", changes(handover, "_dropped", lambda _original: lambda *_record: [])
    ),
    Mutant(
        "a resume fires none of what the pause kept back",
        changes(handover, "_caught_up", lambda _original: lambda *_record: []),
    ),
)
