"""What the registrar reports about one command."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from eventcron.model.events import SkipNotice
from eventcron.model.names import CalendarKey, Key
from eventcron.model.records import Record
from eventcron.model.runs import PastRun


class Outcome(StrEnum):
    """The outcome of a command. The registrar's log line is named ``command_`` and the outcome."""

    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"  # a put of what is stored already
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


class Result(NamedTuple):
    """A command's outcome, its schedule or calendar, and the reason if the command was rejected."""

    outcome: Outcome
    key: Key | CalendarKey | None = None
    reason: str = ""
    #: The stored record, if the command changes records. ``created``: there was no schedule before.
    record: Record | None = None
    created: bool = False
    #: The occurrences that the command leaves without a fire.
    skips: Sequence[SkipNotice] = ()
    #: The run that a report ended.
    ended: PastRun | None = None
