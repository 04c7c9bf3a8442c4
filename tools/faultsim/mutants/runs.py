"""Faults in runs: who opens one, how it ends, what waits for it, and whose word counts."""

from __future__ import annotations

from itertools import count
from typing import Any

from msgspec.structs import replace as changed

from eventcron.adapters.memory.documents import MemoryDocuments
from eventcron.app import runs as app
from eventcron.app.runs import Opened, Tracker
from eventcron.model.messages import Pack
from eventcron.model.runs import Lane, PastRun
from eventcron.model.tracking import RunEnd
from eventcron.rules import runs
from eventcron.rules.packing import make_pack
from eventcron.rules.runs import Admission, Ending, Known, Ruling
from tools.faultsim.mutants.planting import Change, Function, Mutant, changes


def _another_token(_original: Any) -> Function:
    numbers = count()
    return lambda _secret, _fire_id, *, shared: f"{'s' if shared else 'a'}{next(numbers)}"


def _same_token(original: Any) -> Function:
    return lambda secret, _fire_id, *, shared: original(secret, "", shared=shared)


def _any_token(_original: Any) -> Function:
    return lambda *_token, **_lane: True


def _never_open(original: Any) -> Function:
    def admit(lane: Lane, *given: Any, now: int) -> Admission:
        found: Admission = original(changed(lane, open=None), *given, now=now)
        return found

    return admit


def _unconditional(original: Any) -> Function:
    async def put(self: MemoryDocuments[Any, Any], document: Any, *, replacing: int | None) -> bool:
        if not isinstance(document, Lane):
            stored: bool = await original(self, document, replacing=replacing)
            return stored
        self._stored[document.key] = document
        return True

    return put


def _with_pack(wrong: Function) -> Change:
    """What makes a pack makes another one, or none."""

    def change(original: Any) -> Function:
        return lambda *given, **more: wrong(original(*given, **more))

    return change


def _long(pack: Pack) -> Pack:
    return changed(pack, at=pack.at + 86_400_000)


def _of_its_first_round(pack: Pack | None) -> Pack | None:
    return None if pack is None else make_pack(pack.fires)


def _a_minute_later(pack: Pack | None) -> Pack | None:
    return None if pack is None else changed(pack, at=pack.at + 60_000)


def _nothing(_pack: Pack | None) -> None:
    return None


def _without(field: str) -> Change:
    """Of the fires that are due, those of one kind are forgotten."""

    def change(original: Any) -> Function:
        async def opened(*given: Any) -> Opened:
            found: Opened = await original(*given)
            return found._replace(**{field: ()})  # type: ignore[arg-type]  # each of these fields is a sequence

        return opened

    return change


def _last_word(original: Any) -> Function:
    """Each report ends its run, whatever ended it before."""

    def end(lane: Lane, named: str, how: RunEnd, *, now: int, by: str) -> Ending:
        found: Ending = original(lane, named, how, now=now, by=by)
        if found.known is not Known.ENDED_BEFORE or found.past is None:
            return found
        return Ending(Known.ENDED_NOW, lane, changed(found.past, end=how, by=by))

    return end


def _once_only(original: Any) -> Function:
    """What follows from an end is not done again."""

    def end(lane: Lane, *given: Any, **more: Any) -> Ending:
        found: Ending = original(lane, *given, **more)
        repeated = found.known is Known.ENDED_NOW and found.lane is lane
        return found._replace(known=Known.ENDED_BEFORE) if repeated else found

    return end


def _opened_again(original: Any) -> Function:
    """A run that has ended is forgotten at once."""

    def admit(lane: Lane, *given: Any, now: int) -> Admission:
        found: Admission = original(changed(lane, past=(), skipped=()), *given, now=now)
        return found

    return admit


def _latest_waits(original: Any) -> Function:
    """A later fire takes the place of the one that waits."""

    def admit(lane: Lane, fire: Any, policy: Any, *, now: int) -> Admission:
        found: Admission = original(lane, fire, policy, now=now)
        if found.ruling is Ruling.SKIP and lane.waiting is not None:
            after = changed(lane, version=lane.version + 1, waiting=fire)
            return Admission(Ruling.WAIT, after)
        return found

    return admit


def _blocked_for_ever(original: Any) -> Function:
    """A run that is overdue still holds up others."""

    def end_at_deadline(lane: Lane, *given: Any, **more: Any) -> Ending:
        found: Ending = original(lane, *given, **more)
        return found._replace(lane=changed(found.lane, open=lane.open)) if lane.open is not None else found

    return end_at_deadline


def _waits_on(original: Any) -> Function:
    """A fire that is published still waits."""

    def admit(lane: Lane, *given: Any, now: int) -> Admission:
        found: Admission = original(lane, *given, now=now)
        return found._replace(lane=changed(found.lane, waiting=lane.waiting)) if lane.waiting else found

    return admit


def _after_a_success_too(_original: Any) -> Function:
    """A success does not begin the count of failures anew."""

    def counted(lane: Lane, past: PastRun) -> PastRun:
        failures = lane.failures + (past.end is not RunEnd.SUCCEEDED)
        pauses = past.end is not RunEnd.SUCCEEDED and 0 < past.pause_after <= failures
        return changed(past, failures=failures, pauses=pauses)

    return counted


def _one_later(original: Any) -> Function:
    """One more failure is allowed than the schedule says."""

    def counted(lane: Lane, past: PastRun) -> PastRun:
        found: PastRun = original(lane, past)
        return changed(found, pauses=found.pauses and found.failures != found.pause_after)

    return counted


def _counted_on(original: Any) -> Function:
    """After a pause the failures before it count still."""

    def with_past(lane: Lane, past: PastRun) -> Lane:
        found: Lane = original(lane, past)
        return changed(found, failures=past.failures) if past.pauses and past.failures else found

    return with_past


def _counted_twice(original: Any) -> Function:
    """Each message about an end in a lane of its own counts it."""

    def counted(lane: Lane, past: PastRun, *, now: int) -> tuple[Lane, PastRun]:
        found: tuple[Lane, PastRun] = original(changed(lane, past=()), past, now=now)
        return found

    return counted


def _no_pause(_original: Any) -> Function:
    async def pause(_self: Tracker, _past: PastRun) -> None:
        return None

    return pause


def _kept_open(_original: Any) -> Function:
    async def not_published(*_given: Any) -> list[PastRun]:
        return []

    return not_published


def _is_an_end(_original: Any) -> property:
    return property(lambda _run: False)


def _not_reported(_original: Any) -> Function:
    async def follow(_self: Tracker, _lane: Lane, past: PastRun, *_report: Any, **_event: Any) -> PastRun:
        return past

    return follow


MUTANTS = (
    Mutant("a fire that comes again has another token", changes(app, "run_token", _another_token)),
    Mutant("all fires of a schedule have one token", changes(app, "run_token", _same_token)),
    Mutant("any token is believed", changes(app, "is_token", _any_token)),
    Mutant("no run holds up another", changes(runs, "admit", _never_open)),
    Mutant("lanes are written whoever changed them", changes(MemoryDocuments, "put", _unconditional)),
    Mutant("the deadline of a run comes a day later", changes(runs, "deadline_pack", _with_pack(_long))),
    Mutant("nobody sends what waited for a run", changes(runs, "released_pack", _with_pack(_nothing))),
    Mutant("what waited for a run waits a minute longer", changes(runs, "released_pack", _with_pack(_a_minute_later))),
    Mutant("what waited comes in the pack it was in", changes(runs, "released_pack", _with_pack(_of_its_first_round))),
    Mutant("a fire that is held up is not reported", changes(Tracker, "open", _without("skip"))),
    Mutant("a fire whose run cannot be opened is dropped", changes(Tracker, "open", _without("failed"))),
    Mutant("the last report of an end counts", changes(runs, "end", _last_word)),
    Mutant("what follows from an end is done once", changes(runs, "end", _once_only)),
    Mutant("a lane forgets at once what it decided", changes(runs, "admit", _opened_again)),
    Mutant("a later fire takes the place of one that waits", changes(runs, "admit", _latest_waits)),
    Mutant("a run that is overdue stays open", changes(runs, "end_at_deadline", _blocked_for_ever)),
    Mutant("a fire that waited is published and waits on", changes(runs, "admit", _waits_on)),
    Mutant(
        "a run's success does not begin the count of failures anew", changes(runs, "_counted", _after_a_success_too)
    ),
    Mutant("a schedule is paused one failed run later", changes(runs, "_counted", _one_later)),
    Mutant("failed runs before a pause count after it", changes(runs, "with_past", _counted_on)),
    Mutant("a run counts as often as its end is reported", changes(runs, "counted", _counted_twice)),
    Mutant("no schedule is paused for its failed runs", changes(Tracker, "_pause", _no_pause)),
    Mutant("the run of a fire that is refused for good stays open", changes(Tracker, "not_published", _kept_open)),
    Mutant("a fire refused for good had its run when it comes again", changes(PastRun, "is_unpublished", _is_an_end)),
    Mutant("no event says how a run ended", changes(Tracker, "_follow", _not_reported)),
)
