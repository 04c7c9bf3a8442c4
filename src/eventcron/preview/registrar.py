"""Lets the registrar's own code, on stores in memory, answer commands before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

import msgspec

from eventcron.app.handlers import Handlers
from eventcron.app.results import Outcome
from eventcron.model.commands import TENANT_SOURCE_PREFIX, Command, detail_type_of
from eventcron.model.names import Instant
from eventcron.preview.files import Entry
from eventcron.timing.instant import rfc3339

#: Commands that are applied at once.
AT_ONCE = 100


class _Message(NamedTuple):
    body: str


async def at_once(_point: str) -> None:
    """Let no other task run: nothing here happens at the same time."""


async def put_all(handlers: Handlers, commands: Sequence[Command], *, at: Instant) -> list[str]:
    """Apply *commands*, sent by their tenants at *at*. Returns for each why it is rejected; "" if it is not."""
    reasons: list[str] = []
    for begin in range(0, len(commands), AT_ONCE):
        some = commands[begin : begin + AT_ONCE]
        for one in await handlers.on_commands([_Message(_event(command, at)) for command in some]):
            if one.error is not None:
                raise one.error
            assert one.result is not None  # noqa: S101  # nothing here is no command
            reasons.append(one.result.reason if one.result.outcome is Outcome.REJECTED else "")
    return reasons


async def put_entries(handlers: Handlers, entries: Sequence[Entry], *, at: Instant) -> list[str]:
    """Put the schedules of *entries* at *at*. Returns for each why it is none, or is rejected; "" if it is stored."""
    reasons = ["" if entry.error is None else str(entry.error) for entry in entries]
    puts = [(number, entry.schedule) for number, entry in enumerate(entries) if entry.schedule is not None]
    answers = await put_all(handlers, [schedule for _, schedule in puts], at=at)
    for (number, _), reason in zip(puts, answers, strict=True):
        reasons[number] = reason
    return reasons


def _event(command: Command, at: Instant) -> str:
    """The event with which a tenant sends *command*."""
    event = {
        "id": str(uuid4()),  # an id that the schedule has seen would make the command a repetition
        "detail-type": detail_type_of(command),
        "source": TENANT_SOURCE_PREFIX + command.tenant,
        "time": rfc3339(at, millis=False),
        "detail": command,
    }
    return msgspec.json.encode(event).decode()
