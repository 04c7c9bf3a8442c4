"""Checks of puts that repeat, or continue, the schedule that they find, and of the pauses that they leave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from msgspec import UNSET
from msgspec.structs import replace

from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key
from eventcron.model.records import State
from tools.faultsim.observations import Observations, Revision
from tools.faultsim.promises import Violation


def is_due(revision: Revision, due: Instant) -> bool:
    """Whether *revision* fires at *due*."""
    return any(occurrence.skipped is None for occurrence in revision.occurrences(due, due + 1))


def _too_many(observed: Observations) -> Iterator[Violation]:
    """A series fires at most ``max_fires`` times; no pause, resume or other put of it restarts the count.

    A release that cannot read what is stored cannot count what it has fired.
    """
    definitions = {(v.key, v.record.revision): v for vs in observed.revisions.values() for v in vs if v.record.schedule}
    series = {(v.key, v.record.revision): number for number, v in _numbered(observed)}
    dues: dict[tuple[Key, int], set[Instant]] = defaultdict(set)
    for fire in observed.fired:
        revision = definitions.get((fire.key, fire.revision))
        if revision is None or fire.cause != "schedule" or revision.schedule.max_fires is None:
            continue
        if fire.due >= revision.first and is_due(revision, fire.due):
            dues[fire.key, series[fire.key, fire.revision]].add(fire.due)
    uncounted = {(key, series[key, number]) for (key, number), v in definitions.items() if observed.is_unread(v)}
    for revision in definitions.values():
        if (revision.key, series[revision.key, revision.record.revision]) in uncounted:
            continue
        count = len(dues[revision.key, series[revision.key, revision.record.revision]])
        if revision.schedule.max_fires is not None and count > revision.schedule.max_fires:
            yield Violation(4, revision.key, f"{count} fires of at most {revision.schedule.max_fires}")


def _numbered(observed: Observations) -> Iterator[tuple[int, Revision]]:
    """Each revision that has a schedule, with the number of its series: those by one expression from one start."""
    for revisions in observed.revisions.values():
        number, before = 0, None
        for revision in revisions:
            schedule = revision.record.schedule
            now = schedule and (schedule.expressions, schedule.timezone, schedule.start, schedule.max_fires)
            number, before = number + (now != before), now
            if schedule is not None:
                yield number, revision


def _needless(observed: Observations) -> Iterator[Violation]:
    """A put of what is stored changes nothing, and a put without a state leaves a pause as it is.

    A release that cannot read what is stored cannot tell that it is the same.
    """
    for revisions in observed.revisions.values():
        for before, after in pairwise(revisions):
            if after.sent is None or after.sent.command != "Put Schedule" or before.record.schedule is None:
                continue
            last, was_paused = after.record.last_commands, before.record.state is State.PAUSED
            same = _definition(before) == _definition(after) and not after.schedule.exclude
            is_paused = after.record.state is State.PAUSED
            if same and was_paused == is_paused and not observed.is_unread(after):
                yield Violation(5, after.key, f"{after.sent.event_id} put what was stored, and changed it")
            if "state" not in after.sent.detail and last.pause_revision < last.put_revision and was_paused != is_paused:
                yield Violation(5, after.key, f"{after.sent.event_id} gave no state, and changed it")


def _definition(revision: Revision) -> tuple[Schedule, str]:
    """The schedule, and the digest of an input that is stored apart."""
    apart = revision.record.input
    return replace(revision.schedule, revision=None, state=UNSET), "" if apart is None else apart.digest


def _stale_switches(observed: Observations) -> Iterator[Violation]:
    """A pause or a resume is later than the last of its kind, the last delete, and the last put that gave a state."""
    for revisions in observed.revisions.values():
        decided = -1
        for before, after in pairwise((None, *revisions)):
            if after is None or after.sent is None:
                continue
            last, made = after.record.last_commands, before is None or before.record.schedule is None
            if after.sent.command == "Put Schedule" and (made or "state" in after.sent.detail):
                decided = last.put_revision
            elif after.sent.command in {"Pause Schedule", "Resume Schedule"} and before is not None:
                ruled = before.record.last_commands
                if last.pause_revision < decided or last.pause_revision <= max(
                    ruled.delete_revision, ruled.pause_revision
                ):
                    yield Violation(5, after.key, f"{after.sent.event_id} acted, though a later command had decided")


PUT_CHECKS = (_too_many, _needless, _stale_switches)
