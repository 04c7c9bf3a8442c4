"""Faults in ``app/handlers.py``: between a message and its work, where a message can be lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from eventcron.app import handlers
from eventcron.app.concurrency import settle
from eventcron.app.fanout import UNFINISHED, FanOut, FanOutReport
from eventcron.app.handlers import Handled, Handlers, MessageOutcome, QueueMessage
from eventcron.app.planner import SegmentOutcome
from eventcron.app.registrar import Result
from eventcron.errors import Undecodable


class Mutant(NamedTuple):
    """A fault that ``plant`` puts into the running process. *name* says what is wrong then."""

    name: str
    plant: Callable[[], None]


def _forget_unfinished_ranges() -> None:
    Handlers._come_back_if_left = staticmethod(lambda handled: handled)  # type: ignore[method-assign]


def _forget_outcome(outcome: SegmentOutcome) -> Callable[[], None]:
    """A range counts as planned though a segment of it ended with *outcome*."""

    def plant() -> None:
        vars(handlers)["UNFINISHED"] = tuple(one for one in UNFINISHED if one is not outcome)

    return plant


def _forget_refused_ranges() -> None:
    hand_out = FanOut.run

    async def run(self: FanOut) -> FanOutReport:
        report = await hand_out(self)
        return replace(report, left=()) if report.refusals else report

    FanOut.run = run  # type: ignore[method-assign]


def _drop_poison(queue: str) -> Callable[[], None]:
    send = Handlers._dead_letter

    async def dead_letter(self: Handlers, to: str, body: str, error: Undecodable) -> Handled[Any]:
        if to == queue:
            return Handled(outcome=MessageOutcome.DEAD_LETTERED, reason=error.reason, error=error)
        return await send(self, to, body, error)

    def plant() -> None:
        Handlers._dead_letter = dead_letter  # type: ignore[assignment, method-assign]

    return plant


def _swallow_failures(method: str) -> Callable[[], None]:
    """*method*, which handles one message, reports each failure as success."""
    handle = getattr(Handlers, method)

    async def swallow(self: Handlers, body: str, **options: Any) -> Handled[Any]:
        handled: Handled[Any] = await handle(self, body, **options)
        return replace(handled, outcome=MessageOutcome.DONE) if handled.comes_back else handled

    def plant() -> None:
        setattr(Handlers, method, swallow)

    return plant


def _never_redelivered() -> None:
    async def on_commands(self: Handlers, messages: Sequence[QueueMessage]) -> list[Handled[Result]]:
        return await settle(*(self.on_command(one.body, redelivered=False) for one in messages))

    Handlers.on_commands = on_commands  # type: ignore[method-assign]


MUTANTS = (
    Mutant("a range with a segment left does not come back", _forget_unfinished_ranges),
    Mutant("a range with a segment that failed is forgotten", _forget_outcome(SegmentOutcome.FAILED)),
    Mutant("a range with a segment that ran out of time is forgotten", _forget_outcome(SegmentOutcome.SAVED)),
    Mutant("a range that the queue refused is planned by nobody", _forget_refused_ranges),
    Mutant("a message that is no command is dropped", _drop_poison("commands")),
    Mutant("a message that is no pack is dropped", _drop_poison("fires")),
    Mutant("a message that is no range is dropped", _drop_poison("plans")),
    Mutant("a command that failed counts as done", _swallow_failures("on_command")),
    Mutant("a pack that failed counts as done", _swallow_failures("on_pack")),
    Mutant("a range that failed counts as done", _swallow_failures("on_segments")),
    Mutant("a command handed out again passes for a new one", _never_redelivered),
)
