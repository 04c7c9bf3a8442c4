"""Faults in backfills, and in the calendars that schedules exclude."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from eventcron.app import calendars
from eventcron.app.backfill import BackfillCommands, Backfiller
from eventcron.model.commands import BackfillSchedule
from eventcron.model.names import BackfillKey
from eventcron.rules import backfill
from eventcron.rules.ordering import Verdict
from tools.faultsim.mutants.planting import Function, Mutant, changes

#: Milliseconds: longer than any backfill of a simulation lasts.
LONG_MS = 10_000_000


def _count_first(original: Any) -> Function:
    async def send(self: Any, part: backfill.Slice) -> None:
        await self._backfills.put(part.after, replacing=part.after.version - 1)
        await original(self, part)

    return send


def _report_no_skips(original: Any) -> Function:
    return lambda self, part: original(self, part._replace(skips=[]))


def _leave_behind(original: Any) -> Function:
    async def start(self: Any, command: BackfillSchedule, *, event_id: str) -> object:
        stored = await self._find(BackfillKey(command.tenant, command.name, command.backfill_id or event_id))
        if stored is not None and stored.event_id == event_id:
            return stored, False
        return await original(self, command, event_id=event_id)

    return start


def _end_early(original: Any) -> Function:
    async def carry_on(self: Any, key: BackfillKey, stored: Any, **deadline: int) -> object:
        if stored is not None and backfill.is_spent(stored):
            stored = replace(stored, at=stored.at - LONG_MS)
        return await original(self, key, stored, **deadline)

    return carry_on


def _any_other(original: Any) -> Function:
    def judge(stored: Any, command: Any, revision: int) -> Verdict:
        if stored is not None and revision < stored.revision:
            return Verdict.APPLY
        verdict: Verdict = original(stored, command, revision)
        return verdict

    return judge


MUTANTS = (
    Mutant("a slice of a backfill is counted before its packs are sent", changes(Backfiller, "_send", _count_first)),
    Mutant(
        "a backfill whose registrar died before it was entered is left behind",
        changes(BackfillCommands, "start", _leave_behind),
    ),
    Mutant("a backfill knows no rate", changes(backfill, "gap_ms", lambda _original: lambda _per_minute: 0)),
    Mutant(
        "a backfill is complete with its last slice, not with its last fire",
        changes(Backfiller, "_carry_on", _end_early),
    ),
    Mutant("a backfill does not report what it skips", changes(Backfiller, "_send", _report_no_skips)),
    Mutant("a stale calendar replaces a later one", changes(calendars, "_judge", _any_other)),
)
