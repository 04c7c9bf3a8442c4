"""Faults in how commands change a schedule, and in how one revision hands over to the next."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from eventcron.app import executor, registrar
from eventcron.app.registrar import Registrar
from eventcron.model.messages import Fire
from eventcron.model.names import Key
from eventcron.model.records import Record
from eventcron.rules import lifecycle
from eventcron.rules.paused import skips_missed
from tools.faultsim.mutants.planting import Change, Function, Mutant, changes, changes_everywhere

#: Milliseconds for which a replaced revision goes on.
LONG_CUTOVER_MS = 60_000


# --- The late path ---------------------------------------------------------------------------------------------------


def _with_enabled(**changed: Any) -> Change:
    """An enabled record with those fields; a wake only where it has one."""

    def change(original: Any) -> Function:
        def enable(record: Record, when: Any, **earliest: int) -> Record | None:
            enabled: Record | None = original(record, when, **earliest)
            if enabled is None or ("wake" in changed and enabled.wake is None):
                return enabled
            return replace(enabled, **changed)

        return enable

    return change


def _leave_unpaid(_original: Any) -> Function:
    async def paid(self: Any, key: Key, _event_id: str, **_redelivered: bool) -> Record | None:
        stored = (await self._store.get([key])).get(key)
        return None if stored is None else replace(stored, owed=None)

    return paid


def _settle_first(original: Any) -> Function:
    async def pay(self: Any, record: Record) -> None:
        if record.owed is not None:
            await self._store.settle(record.key, revision=record.revision)
        await original(self, record)

    return pay


# --- The order of commands -------------------------------------------------------------------------------------------


def _without_registers(**registers: int) -> Change:
    """A verdict on a command as if those registers were empty."""

    def change(original: Any) -> Function:
        return lambda stored, revision: original(stored and replace(stored, **registers), revision)

    return change


def _ignore_event_ids(original: Any) -> Function:
    return lambda stored, **place: original(stored and replace(stored, seen=()), **place)


def _put_enabled(original: Any) -> Function:
    def put(stored: Record | None, *rest: Any, **calendars: Any) -> Record:
        record: Record = original(stored and replace(stored, switched=-1), *rest, **calendars)
        return record if stored is None else replace(record, switched=stored.switched)

    return put


# --- From one revision to the next -----------------------------------------------------------------------------------


def _stay_in_the_index(original: Any) -> Function:
    return lambda record, when: replace(original(record, when), segment=record.segment, wake=record.wake)


def _as_the_stored_revision(original: Any) -> Function:
    def judge(fire: Fire, record: Record | None, **now: int) -> object:
        if record is not None and fire.cause == "schedule" and fire.revision < record.revision:
            fire = replace(fire, revision=record.revision)
        return original(fire, record, **now)

    return judge


def _only_the_last_former(original: Any) -> Function:
    def judge(fire: Fire, record: Record | None, **now: int) -> object:
        return original(fire, record and replace(record, former=record.former[-1:]), **now)

    return judge


MUTANTS = (
    Mutant(
        "the registrar hands over to the planner at once",
        changes(Registrar, "_reach_ms", lambda _original: property(lambda _self: 0)),
    ),
    Mutant("the registrar hands over no fires itself", changes(lifecycle, "_enable", _with_enabled(owed=None))),
    Mutant("pending fires of a dead registrar are not delivered", changes(Registrar, "_paid", _leave_unpaid)),
    Mutant("pending fires are settled before they are sent", changes(Registrar, "_pay", _settle_first)),
    Mutant(
        "an update fires again what the revision before it fires already",
        changes(registrar, "is_own", lambda _original: lambda _record: lambda _due: True),
    ),
    Mutant(
        "unplanned fires of a replaced revision are lost",
        changes(lifecycle, "_rest", lambda _original: lambda *_replaced, **_until: None),
    ),
    Mutant("a replaced revision goes on for a minute", changes(lifecycle, "CUTOVER_MS", lambda _ms: LONG_CUTOVER_MS)),
    Mutant("a paused schedule stays in the index", changes(lifecycle, "_pause", _stay_in_the_index)),
    Mutant("a sleeping schedule is read with each tick", changes(lifecycle, "_enable", _with_enabled(wake=0))),
    Mutant("a put does not see the tombstone", changes(lifecycle, "judge_put", _without_registers(deleted=-1))),
    Mutant(
        "a delete does not ask which revision it deletes",
        changes(lifecycle, "judge_delete", _without_registers(defined=-1)),
    ),
    Mutant("a put ignores the pause that overtook it", changes(lifecycle, "put", _put_enabled)),
    Mutant(
        "a stale pause or resume acts",
        changes(lifecycle, "judge_switch", _without_registers(defined=-1, deleted=-1)),
    ),
    Mutant(
        "the ids of the events of one second are not remembered", changes(lifecycle, "version_of", _ignore_event_ids)
    ),
    Mutant("the revision of a fire is not compared", changes(executor, "_judge", _as_the_stored_revision)),
    Mutant("only the last revision but one may still fire", changes(executor, "_judge", _only_the_last_former)),
    Mutant(
        "a put does not report what the pause before it kept from firing",
        changes(lifecycle, "_with_missed_before", lambda _original: lambda _paused, record, _when: record),
    ),
    Mutant(
        "a resume does not report what it skips", changes_everywhere(skips_missed, lambda _original: lambda _record: [])
    ),
)
