"""Faults in which command acts, in the eras of a schedule, and in what one era hands over to the next."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from eventcron.adapters.memory import MemoryScheduleStore
from eventcron.app import registrar
from eventcron.app.pending import PendingFires
from eventcron.app.registrar import Registrar
from eventcron.model.commands import Command, DeleteSchedule, PauseSchedule, ResumeSchedule, Schedule
from eventcron.model.events import SkipNotice
from eventcron.model.records import Era, Record, State
from eventcron.rules import handover, judging, lifecycle, ordering
from eventcron.rules.handover import Handover
from tools.faultsim.mutants.planting import Change, Function, Mutant, changes

#: Milliseconds for which a replaced revision goes on.
LONG_CUTOVER_MS = 60_000
#: Delivers nothing.
NOTHING = Handover([], [], is_over=False)


# --- Which command acts ----------------------------------------------------------------------------------------------


def _judged_without(*kinds: type[Command], **revisions: int) -> Change:
    """Commands of these kinds are judged as if the record had those revisions of its last commands."""

    def change(table: Any) -> object:
        changed = {kind: table[kind]._replace(judge=_without(table[kind].judge, revisions)) for kind in kinds}
        return table | changed

    return change


def _without(judge: Any, revisions: dict[str, int]) -> Function:
    return lambda stored, revision: judge(stored and _with_commands(stored, **revisions), revision)


def _with_commands(record: Record, **revisions: int) -> Record:
    return replace(record, last_commands=replace(record.last_commands, **revisions))


def _ignore_event_ids(original: Any) -> Function:
    return lambda stored, **version: original(stored and replace(stored, recent_event_ids=()), **version)


def _never_the_same(_original: Any) -> Function:
    return lambda *_put: False


def _not_paused_still(original: Any) -> Function:
    def is_paused(stored: Record | None, *put: Any) -> bool:
        return bool(original(stored and replace(stored, state=State.ENABLED), *put))

    return is_paused


def _note_nothing(_original: Any) -> Function:
    async def note_put(*_self: Any, **_revisions: int) -> bool:
        return True

    return note_put


def _put_enabled(original: Any) -> Function:
    def put(stored: Record | None, *rest: Any, **calendars: Any) -> Record:
        record: Record = original(stored and _with_commands(stored, pause_revision=-1), *rest, **calendars)
        return record if stored is None else _with_commands(record, pause_revision=stored.last_commands.pause_revision)

    return put


# --- What the registrar delivers -------------------------------------------------------------------------------------


def _deliver_nothing(_original: Any) -> Function:
    return lambda *_record, **_now: [NOTHING]


def _ignore_pending(_original: Any) -> Function:
    async def wait_for(_self: Any, stored: Record) -> Record | None:
        return replace(stored, pending=None)

    return wait_for


def _clear_first(original: Any) -> Function:
    async def deliver(self: Any, record: Record, **known: bool) -> list[Any]:
        if record.pending is not None:
            await self._store.clear_pending(record.key, revision=record.revision)
        skips: list[Any] = await original(self, record, **known)
        return skips

    return deliver


def _note_nothing_sent(_original: Any) -> Function:
    async def note_sent(_self: Any, _record: Record) -> None:
        return

    return note_sent


def _report_no_pause(*, of_puts: bool) -> Change:
    """A pause that ended with a put, or else with a resume, is not reported."""

    def change(original: Any) -> Function:
        def dropped(record: Record, before: Era) -> list[SkipNotice]:
            last = record.last_commands
            notices: list[SkipNotice] = original(record, before)
            return [] if of_puts == (last.put_revision > last.pause_revision) else notices

        return dropped

    return change


# --- Eras ------------------------------------------------------------------------------------------------------------


def _stay_in_the_index(original: Any) -> Function:
    def pause(stored: Record | None, *rest: Any, **expires: int) -> Record:
        record: Record = original(stored, *rest, **expires)
        if stored is None or record.state is not State.PAUSED:
            return record
        return replace(record, segment=stored.segment, wake=stored.wake)

    return pause


def _always_awake(original: Any) -> Function:
    def fire_from(*record: Any, **catch_up: int) -> Record | None:
        enabled: Record | None = original(*record, **catch_up)
        return enabled if enabled is None or enabled.wake is None else replace(enabled, wake=0)

    return fire_from


def _only_the_last_two(original: Any) -> Function:
    return lambda eras, revision, **fire: original(eras[-2:], revision, **fire)


MUTANTS = (
    Mutant(
        "a put does not see the tombstone", changes(registrar, "TABLE", _judged_without(Schedule, delete_revision=-1))
    ),
    Mutant(
        "a delete does not ask which revision it deletes",
        changes(registrar, "TABLE", _judged_without(DeleteSchedule, put_revision=-1)),
    ),
    Mutant(
        "a stale pause or resume acts",
        changes(
            registrar, "TABLE", _judged_without(PauseSchedule, ResumeSchedule, state_revision=-1, delete_revision=-1)
        ),
    ),
    Mutant("a put ignores the pause that overtook it", changes(lifecycle, "put", _put_enabled)),
    Mutant("a put of what is stored changes it again", changes(ordering, "is_stored", _never_the_same)),
    Mutant("a put without a state ends a pause", changes(lifecycle, "is_paused", _not_paused_still)),
    Mutant(
        "a put of what is stored does not count against older commands",
        changes(MemoryScheduleStore, "note_put", _note_nothing),
    ),
    Mutant(
        "max_fires counts anew with every put", changes(lifecycle, "spent_before", lambda _original: lambda *_put: 0)
    ),
    Mutant(
        "the ids of the events of one second are not remembered", changes(ordering, "version_of", _ignore_event_ids)
    ),
    Mutant(
        "the registrar hands over to the planner at once",
        changes(Registrar, "_reach_ms", lambda _original: property(lambda _self: 0)),
    ),
    Mutant("the registrar enqueues no fires before the handoff", changes(handover, "_until_handoff", _deliver_nothing)),
    Mutant("unplanned fires of a replaced revision are lost", changes(handover, "_unplanned", _deliver_nothing)),
    Mutant(
        "an era that was cut counts as planned to its end",
        changes(lifecycle, "_planned", lambda _original: lambda _stored, _when: None),
    ),
    Mutant(
        "a resume catches up on nothing", changes(handover, "_caught_up", lambda _original: lambda _record, _era: [])
    ),
    Mutant("pending fires of a dead registrar are not delivered", changes(PendingFires, "wait_for", _ignore_pending)),
    Mutant("pending fires count as delivered before they are sent", changes(PendingFires, "deliver", _clear_first)),
    Mutant(
        "fires are sent with each try while the bus refuses a notice",
        changes(PendingFires, "_note_sent", _note_nothing_sent),
        first_seed=6_750,
    ),
    Mutant(
        "an update fires again what the revision before it fires already",
        changes(handover, "not_taken", lambda _original: lambda _eras, _within=None: lambda _due: True),
    ),
    Mutant(
        "a put does not report what the pause before it kept from firing",
        changes(handover, "_dropped", _report_no_pause(of_puts=True)),
    ),
    Mutant("a resume does not report what it skips", changes(handover, "_dropped", _report_no_pause(of_puts=False))),
    Mutant("a replaced revision goes on for a minute", changes(lifecycle, "CUTOVER_MS", lambda _ms: LONG_CUTOVER_MS)),
    Mutant("a paused schedule stays in the index", changes(lifecycle, "pause", _stay_in_the_index)),
    Mutant("a sleeping schedule is read with each tick", changes(lifecycle, "_fire_from", _always_awake)),
    Mutant(
        "the revision of a fire is not compared",
        changes(judging, "may_publish", lambda _original: lambda *_eras, **_fire: True),
    ),
    Mutant("only the last revision but one may still fire", changes(judging, "may_publish", _only_the_last_two)),
)
