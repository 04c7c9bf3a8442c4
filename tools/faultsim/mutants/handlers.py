"""Faults in ``app/handlers.py``: between a message and its work, where a message can be lost."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from eventcron.app import handlers
from eventcron.app.dispatcher import Dispatcher
from eventcron.app.fanout import FanOut
from eventcron.app.handlers import Handled, Handlers, MessageOutcome
from eventcron.app.planner import SegmentOutcome
from eventcron.app.registrar import Registrar
from eventcron.app.results import Outcome, Result
from eventcron.errors import Undecodable
from eventcron.model.records import Record
from eventcron.wire.decode import Received
from eventcron.wire.senders import STRANGERS, group_of
from tools.faultsim.mutants.planting import Change, Function, Mutant, changes


def _drop_refused_ranges(original: Any) -> Function:
    async def run(self: FanOut) -> object:
        report = await original(self)
        return replace(report, left=()) if report.refusals else report

    return run


def _drop_poison(queue: str) -> Change:
    """A message of *queue* that cannot be read is deleted and not sent to the dead-letter queue."""

    def change(original: Any) -> Function:
        async def dead_letter(self: Any, to: str, body: str, error: Undecodable) -> object:
            if to == queue:
                return Handled(outcome=MessageOutcome.DEAD_LETTERED, reason=error.reason, error=error)
            return await original(self, to, body, error)

        return dead_letter

    return change


def _without(outcome: SegmentOutcome) -> Change:
    """A range counts as planned though a segment of it ended with *outcome*."""
    return lambda unfinished: tuple(one for one in unfinished if one is not outcome)


def _swallow_failures(original: Any) -> Function:
    async def handle(self: Any, body: str, **options: Any) -> object:
        handled = await original(self, body, **options)
        return replace(handled, outcome=MessageOutcome.DONE) if handled.comes_back else handled

    return handle


def _pass_on_what_was_refused(original: Any) -> Function:
    async def run(self: Dispatcher, bodies: Any) -> object:
        await original(self, bodies)
        return []

    return run


def _pass_on_what_failed(original: Any) -> Function:
    async def handle(self: Any, messages: Any) -> object:
        return [replace(one, outcome=MessageOutcome.DONE) for one in await original(self, messages)]

    return handle


def _pass_on_the_readable(original: Any) -> Function:
    async def run(self: Dispatcher, bodies: Any) -> object:
        return await original(
            self, [body for body in bodies if group_of(body, trusted_sources=frozenset()) != STRANGERS]
        )

    return run


def _publish_once(_original: Any) -> Function:
    async def repeat(_self: Any, _received: Received, stored: Record | None) -> object:
        return Result(Outcome.DUPLICATE, None if stored is None else stored.key, record=stored)

    return repeat


MUTANTS = (
    Mutant(
        "a range with a segment left does not come back",
        changes(Handlers, "_come_back_if_left", lambda _original: staticmethod(lambda handled: handled)),
    ),
    Mutant(
        "a range with a segment that failed does not come back",
        changes(handlers, "UNFINISHED", _without(SegmentOutcome.FAILED)),
    ),
    Mutant(
        "a range with a segment that ran out of time does not come back",
        changes(handlers, "UNFINISHED", _without(SegmentOutcome.SAVED)),
    ),
    Mutant("a range that the queue refused is planned by nobody", changes(FanOut, "run", _drop_refused_ranges)),
    Mutant("a message that is no command is dropped", changes(Handlers, "_dead_letter", _drop_poison("commands"))),
    Mutant("a message that is no pack is dropped", changes(Handlers, "_dead_letter", _drop_poison("fires"))),
    Mutant("a message that is no range is dropped", changes(Handlers, "_dead_letter", _drop_poison("segments"))),
    Mutant(
        "a command that the registrar queue refused counts as passed on",
        changes(Dispatcher, "run", _pass_on_what_was_refused),
    ),
    Mutant(
        "a command that was not passed on counts as done", changes(Handlers, "on_sent_commands", _pass_on_what_failed)
    ),
    Mutant("a dispatcher drops the commands of strangers", changes(Dispatcher, "run", _pass_on_the_readable)),
    Mutant("a command that failed counts as done", changes(Handlers, "on_command", _swallow_failures)),
    Mutant("a pack that failed counts as done", changes(Handlers, "on_pack", _swallow_failures)),
    Mutant("a range that failed counts as done", changes(Handlers, "on_segments", _swallow_failures)),
    Mutant(
        "the event of a command is lost with the registrar that stored it", changes(Registrar, "_repeat", _publish_once)
    ),
)
