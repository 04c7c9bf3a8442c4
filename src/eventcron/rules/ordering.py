"""Which command acts, whatever order commands arrive in.

A record remembers the revisions of its last put, delete, and pause or resume. A command acts only if its revision is
later than those it could undo. A delete, a pause and a resume win a tie against a put. So replaying or reordering
commands leaves the definition of the highest revision.

A put that neither gives ``state`` nor makes the schedule leaves a pause as it is, so it undoes no pause and no resume.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple, Protocol

from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from eventcron.model.commands import PauseSchedule, ResumeSchedule, Schedule
from eventcron.model.names import Instant
from eventcron.model.records import LastCommands, Record, State
from eventcron.rules.inputs import has_input

#: How many event ids of one second are remembered.
MAX_RECENT_EVENT_IDS = 16

#: Milliseconds. EventBridge cuts an event's time to whole seconds, so two commands without a revision of their own
#: that carry times less than this apart cannot be ordered by them.
EVENT_TIME_MS = 1_000

_NO_INPUT = Raw(b"null")


class Verdict(Enum):
    """What becomes of a command."""

    APPLY = auto()
    DUPLICATE = auto()  # this very command was applied before
    STALE = auto()  # a later one was


class Version(NamedTuple):
    """Where a command stands among others: its revision, and the ids of the events that share its second."""

    revision: int
    recent_event_ids: tuple[str, ...]


class Versioned(Protocol):
    """What is stored under a revision."""

    @property
    def latest(self) -> int: ...
    @property
    def recent_event_ids(self) -> tuple[str, ...]: ...


def version_of(stored: Versioned | None, *, given: int | None, time: Instant, event_id: str) -> Version | None:
    """The revision a command acts under; None if this event was applied before.

    Without a revision of its own, a command takes its event's time. Where the stored revision is of that same
    second, the time cannot say which was first, and the order of arrival decides: it counts one up.

    The ids are remembered until the revision has moved on by a second. Otherwise a replay would count up again.
    """
    if stored is not None and event_id in stored.recent_event_ids:
        return None
    revision = time if given is None else given
    if given is None and stored is not None and time <= stored.latest < time + EVENT_TIME_MS:
        revision = stored.latest + 1
    near = stored is not None and revision < stored.latest + EVENT_TIME_MS
    seen = stored.recent_event_ids if stored is not None and near else ()
    return Version(revision, (*seen, event_id)[-MAX_RECENT_EVENT_IDS:])


def judge_put(stored: Record | None, revision: int) -> Verdict:
    """What becomes of a put under *revision* whose schedule differs from what is stored.

    Another put with the revision that is stored is stale: one of the two has to be wrong, and the first one stays.
    """
    if stored is None:
        return Verdict.APPLY
    last = stored.last_commands
    later = revision > max(last.put_revision, last.delete_revision)
    return Verdict.APPLY if later else Verdict.STALE


def judge_delete(stored: Record | None, revision: int) -> Verdict:
    """What becomes of a delete under *revision*."""
    if stored is None:
        return Verdict.APPLY
    last = stored.last_commands
    if revision == last.delete_revision:
        return Verdict.DUPLICATE
    later = revision >= last.put_revision and revision > last.delete_revision
    return Verdict.APPLY if later else Verdict.STALE


def judge_pause(stored: Record | None, revision: int) -> Verdict:
    """What becomes of a pause under *revision*."""
    return _judge_switch(stored, revision, pause=True)


def judge_resume(stored: Record | None, revision: int) -> Verdict:
    """What becomes of a resume under *revision*."""
    return _judge_switch(stored, revision, pause=False)


def _judge_switch(stored: Record | None, revision: int, *, pause: bool) -> Verdict:
    if stored is None:
        return Verdict.APPLY
    last = stored.last_commands
    if revision == last.pause_revision and pause == last.pause:
        return Verdict.DUPLICATE
    later = revision >= last.state_revision and revision > max(last.delete_revision, last.pause_revision)
    return Verdict.APPLY if later else Verdict.STALE


def applied_revision(stored: Record, command: Schedule | PauseSchedule | ResumeSchedule) -> int:
    """The latest revision that was applied of *command*'s kind, or of a delete, which comes in place of both kinds."""
    last = stored.last_commands
    of_kind = last.put_revision if isinstance(command, Schedule) else last.pause_revision
    return max(of_kind, last.delete_revision)


def is_paused(stored: Record | None, schedule: Schedule, revision: int) -> bool:
    """Whether *schedule*, put under *revision*, is paused: by a later pause, by its own ``state``, or still."""
    last = LastCommands() if stored is None else stored.last_commands
    if last.pause_revision >= revision:
        return last.pause
    if isinstance(schedule.state, UnsetType):
        return stored is not None and stored.schedule is not None and stored.state is State.PAUSED
    return schedule.state == "PAUSED"


def is_stored(stored: Record | None, schedule: Schedule, revision: int) -> bool:
    """Whether putting *schedule* under *revision* would leave the stored definition and its state as they are.

    Only the definition is compared: what it means, such as the days of a calendar, may have changed since.
    """
    if stored is None or stored.schedule is None:
        return False
    same = _definition(stored.schedule) == _definition(schedule) and has_input(stored, schedule.input)
    return same and is_paused(stored, schedule, revision) == (stored.state is State.PAUSED)


def _definition(schedule: Schedule) -> Schedule:
    """*schedule* without what orders commands, what only a command says, and the input, which may be stored apart."""
    return replace(schedule, revision=None, state=UNSET, input=_NO_INPUT)


def next_revision(stored: Record | None, revision: int) -> int:
    """Return a revision later than the stored one. It distinguishes fires planned before the change from later ones."""
    return revision if stored is None else max(revision, stored.revision + 1)
