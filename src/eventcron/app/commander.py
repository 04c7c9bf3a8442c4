"""Send commands to a deployment, and find the answer to each.

An answer names its command by the event id that the bus gave the command. A run is answered by its fire, or by the skip
or failure of that: those carry the run's id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from eventcron.app.command_events import command_event
from eventcron.app.retry import Retry
from eventcron.errors import EventcronError, InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import Command, RunSchedule, detail_type_of
from eventcron.model.events import Answer, Event
from eventcron.ports import Clock, CommandBus, Refusal
from eventcron.ports.answers import Answers
from eventcron.wire.decode import Rejected

#: Commands that are put before their answers are waited for. SQS keeps an answer for minutes, and 500 take seconds.
PORTION = 500
#: Milliseconds without any answer, after which the rest is given up. Nearly every answer takes less than a second. A
#: command that a registrar could not apply comes back after the visibility timeout of its queue, 180 seconds in the
#: template. Nobody at a terminal waits that long, and ``NoAnswer`` says that it may still be applied.
PATIENCE_MS = 90_000


class NotSent(EventcronError):
    """The bus did not take a command. It may be sent again."""

    retryable = True

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(f"the bus did not take the command: {refusal.code}: {refusal.message}")


class NoAnswer(EventcronError):
    """No answer came in time. The command may still be applied."""

    retryable = True

    def __init__(self, command: Command, event_id: str, *, waited_ms: int) -> None:
        self.event_id = event_id
        super().__init__(
            f"{detail_type_of(command)} for {command.key} (event {event_id}) was not answered within"
            f" {waited_ms / 1000:g} s; it may still be applied, so look at what is stored before you send it again"
        )


#: What became of a command that was waited for. A ``Rejected`` is the deployment's answer.
Outcome: TypeAlias = Answer | Rejected | NotSent | NoAnswer


def _ignore(_index: int, _outcome: Outcome) -> None:
    """Discard the progress: the default for ``on_outcome``."""


class Commander:
    """Sends commands on *bus*. *source*, if it is not "", is the source of all; else each has its tenant's."""

    def __init__(self, *, clock: Clock, bus: CommandBus, jitter: Callable[[], float], source: str = "") -> None:
        self._clock = clock
        self._bus = bus
        self._retry = Retry(clock=clock, jitter=jitter)
        self._source = source

    async def send(self, commands: Sequence[Command]) -> list[str | NotSent]:
        """Put *commands*: the event id of each, or why the bus did not take it. What it refuses for now is repeated."""
        now = self._clock.now()
        events = [command_event(command, now=now, source=self._source) for command in commands]
        ids: dict[int, str] = {}
        places = {id(event): index for index, event in enumerate(events)}

        async def put(left: Sequence[Event]) -> list[Refusal]:
            outcomes = await self._bus.put(left)
            for event, outcome in zip(left, outcomes, strict=True):
                if isinstance(outcome, str):
                    ids[places[id(event)]] = outcome
            return [replace(one, index=index) for index, one in enumerate(outcomes) if isinstance(one, Refusal)]

        refused = {refusal.index: NotSent(refusal) for refusal in await self._retry.deliver(events, put)}
        return [ids[index] if index in ids else refused[index] for index in range(len(events))]

    async def ask(
        self,
        commands: Sequence[Command],
        answers: Answers,
        *,
        patience_ms: int = PATIENCE_MS,
        on_outcome: Callable[[int, Outcome], None] = _ignore,
    ) -> list[Outcome]:
        """Put *commands* and wait for the answer to each, in order; *answers* must have begun before.

        Nothing is waited for any longer once *patience_ms* have passed without an answer to any of them. *on_outcome*
        is called with each outcome as it is known. A run needs its ``run_id``.
        """
        outcomes: dict[int, Outcome] = {}

        def note(index: int, outcome: Outcome) -> None:
            outcomes[index] = outcome
            on_outcome(index, outcome)

        for start in range(0, len(commands), PORTION):
            part = commands[start : start + PORTION]
            waiting: dict[tuple[str, ...], int] = {}
            sent: dict[int, str] = {}
            for index, result in enumerate(await self.send(part), start):
                if isinstance(result, NotSent):
                    note(index, result)
                else:
                    sent[index] = result
                    waiting |= dict.fromkeys(_keys_of(commands[index], result), index)
            await self._receive(answers, waiting, note, patience_ms=patience_ms)
            for index in sorted(set(waiting.values())):
                note(index, NoAnswer(commands[index], sent[index], waited_ms=patience_ms))
        return [outcomes[index] for index in range(len(commands))]

    async def _receive(
        self,
        answers: Answers,
        waiting: dict[tuple[str, ...], int],
        note: Callable[[int, Outcome], None],
        *,
        patience_ms: int,
    ) -> None:
        """Receive until nothing is *waiting*, or until no answer has come for *patience_ms*."""
        until = self._clock.now() + patience_ms
        while waiting and self._clock.now() < until:
            for answer in await self.receive(answers):
                index = next((waiting[key] for key in _keys_in(answer) if key in waiting), None)
                if index is None:
                    continue
                for key in [key for key, place in waiting.items() if place == index]:
                    del waiting[key]
                until = self._clock.now() + patience_ms
                note(index, rejection(answer) or answer)

    async def receive(self, answers: Answers) -> list[Answer]:
        """The next events. A service that refuses for now is asked again."""
        return await self._retry.call(answers.receive)


def rejection(answer: Answer) -> Rejected | None:
    """*answer* as an error, if it rejects its command."""
    if answer.detail_type != "Schedule Rejected":
        return None
    detail = answer.detail
    error = InvalidSchedule(
        _code(detail["code"]), field=detail["field"], given=detail["given"], allowed=detail["allowed"]
    )
    return Rejected(
        error,
        command=detail["command"],
        event_id=detail["event_id"],
        source=detail["source"],
        tenant=detail.get("tenant"),
        name=detail.get("name"),
    )


def _code(text: str) -> RejectionCode:
    try:
        return RejectionCode(text)
    except ValueError:  # of a later release
        return text  # type: ignore[return-value]  # a code is text, and programs compare it as such


def _keys_of(command: Command, event_id: str) -> list[tuple[str, ...]]:
    """By what an answer to *command* can be recognised."""
    keys: list[tuple[str, ...]] = [(event_id,)]
    if isinstance(command, RunSchedule) and command.run_id is not None:
        keys.append(("run", command.tenant, command.name, command.run_id))
    return keys


def _keys_in(answer: Answer) -> list[tuple[str, ...]]:
    """What *answer* can be recognised by."""
    detail = answer.detail
    keys: list[tuple[str, ...]] = [(str(detail["event_id"]),)] if "event_id" in detail else []
    if detail.get("cause") == "run":
        keys.append(("run", *(str(detail.get(field)) for field in ("tenant", "name", "cause_id"))))
    return keys
