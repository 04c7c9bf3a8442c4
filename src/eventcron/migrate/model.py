"""What a reader finds in another scheduler's file: schedules, and what eventcron cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from eventcron.errors import EventcronError
from eventcron.timing.expression import Item
from eventcron.timing.notation import Notation


class Timing(NamedTuple):
    """One expression as the source has it.

    ``item`` is its meaning where no notation of ``convert`` reads the text. ``timezone`` is the zone that the text
    itself names; None if it names none.
    """

    text: str
    notation: Notation
    item: Item | None = None


class Subscription(NamedTuple):
    """What the source called: the target of a rule on eventcron's bus, as PutTargets takes it."""

    target: Mapping[str, Any]


class Imported(NamedTuple):
    """A schedule of the source.

    ``name`` is what the source calls it, ``scope`` what makes equal names differ there, such as a namespace. ``text``
    is what the source says. ``timezone`` is None where the source leaves it to the host. ``fields`` are more fields
    of ``Put Schedule``.
    """

    name: str
    timings: tuple[Timing, ...]
    line: int | None = None
    text: str = ""
    timezone: str | None = None
    fields: Mapping[str, Any] = {}
    scope: str = ""
    subscriptions: tuple[Subscription, ...] = ()


class Unsaid(NamedTuple):
    """What eventcron cannot say: *given* in the schedule *name*, the reason, and what comes nearest.

    ``whole``: no schedule is written for it. Otherwise the schedule is written without this part.
    """

    name: str
    given: str
    reason: str
    nearest: str
    line: int | None = None
    whole: bool = True


Found: TypeAlias = list[Imported | Unsaid]


class WrongFormat(EventcronError):
    """A text that is not of the format that was asked for. ``line`` is where that shows, from 1."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        self.reason = reason
        self.line = line
        super().__init__(reason)


class Origin(NamedTuple):
    """What a reader knows apart from the text: the file's name, and the answers to the command's options."""

    path: str = ""
    #: Whether a crontab has a user before each command. None: the reader finds out.
    user_column: bool | None = None

    @property
    def stem(self) -> str:
        """The file's name without folders and without what follows its last dot."""
        base = self.path.replace("\\", "/").rsplit("/", 1)[-1]
        return base.rsplit(".", 1)[0] or base
