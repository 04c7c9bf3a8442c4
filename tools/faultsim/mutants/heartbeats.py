"""Faults in heartbeats: who is said to be silent, when, how often, and whose report counts."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace as changed

from eventcron.app import heartbeats as app
from eventcron.app.heartbeats import Heartbeats
from eventcron.model.messages import Pack
from eventcron.model.runs import Lane
from eventcron.rules import heartbeats
from eventcron.rules.heartbeats import Heard
from tools.faultsim.mutants.planting import Change, Function, Mutant, changes


def _knowing(**fields: Any) -> Change:
    """Whoever decides finds the lane with other *fields*."""

    def change(original: Any) -> Function:
        def decide(lane: Lane, *given: Any, **more: Any) -> Heard:
            found: Heard = original(changed(lane, **fields), *given, **more)
            return found

        return decide

    return change


def _says_nothing(original: Any) -> Function:
    def report(*given: Any, **more: Any) -> Heard:
        found: Heard = original(*given, **more)
        return found._replace(past=None)

    return report


def _outage_lasts(original: Any) -> Function:
    """A report of success ends no outage, though it is said that it does."""

    def report(lane: Lane, *given: Any, **more: Any) -> Heard:
        found: Heard = original(lane, *given, **more)
        return found._replace(lane=changed(found.lane, outage=lane.outage)) if lane.outage else found

    return report


def _expects_nothing(_original: Any) -> Function:
    async def expect(_self: Heartbeats, _timed: Any) -> dict[int, Any]:
        return {}

    return expect


def _soon(original: Any) -> Function:
    def expected_pack(*given: Any) -> Pack:
        pack: Pack = original(*given)
        return changed(pack, at=pack.fires[0].at)

    return expected_pack


MUTANTS = (
    Mutant("each silent instant is an outage of its own", changes(heartbeats, "at_deadline", _knowing(outage=None))),
    Mutant("no report counts at a deadline", changes(heartbeats, "at_deadline", _knowing(beats=()))),
    Mutant("nobody says that a schedule is heard again", changes(heartbeats, "report", _says_nothing)),
    Mutant("an outage lasts when a success is reported", changes(heartbeats, "report", _outage_lasts)),
    Mutant("nobody looks whether a report came", changes(Heartbeats, "expect", _expects_nothing)),
    Mutant("a report is late as soon as it is expected", changes(app, "expected_pack", _soon)),
)
