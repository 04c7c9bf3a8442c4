"""Which sweep of the table a run of the reconciler works on. Pure functions.

Runs start hourly, and each reads what Lambda's timeout allows. A sweep begins once a day and is carried on by each run
until it ends, so a table of any size is read from end to end.
"""

from __future__ import annotations

from msgspec.structs import replace

from eventcron.model.names import Instant
from eventcron.model.records import Share, Sweep

#: Milliseconds. A sweep begins so long after the one before began. Half an hour less than a day, because hourly runs
#: do not start to the second: with a whole day, each sweep would begin an hour later than the one before.
EVERY_MS = 84_600_000
#: Parts of the parallel scan, each with a cursor of its own. A part of twenty million records takes a few minutes.
SHARES = 64


def daily_sweep(last: Sweep | None, *, now: Instant, rules: str, segments: int) -> Sweep | None:
    """The sweep for a deployment with *segments* and *rules*: the open one, a new one, or None if none is due.

    An open sweep is replaced if another release began it, or if it moves schedules to segments that are not planned
    any more.
    """
    if last is None:
        return _new(last, now=now, rules=rules, segments=segments)
    planned = last.segments <= segments
    if last.ended is None:
        current = planned and last.rules in {"", rules}
        return last if current else _new(last, now=now, rules=rules, segments=segments)
    due = now - last.began >= EVERY_MS or last.computed_by != rules or not planned
    return _new(last, now=now, rules=rules, segments=segments) if due else None


def resizing_sweep(last: Sweep | None, *, now: Instant, segments: int) -> Sweep:
    """The sweep that moves schedules to *segments*: the open one that does, or a new one in place of any other."""
    if last is not None and last.ended is None and (last.rules, last.segments) == ("", segments):
        return last
    return _new(last, now=now, rules="", segments=segments)


def ended(sweep: Sweep, *, now: Instant) -> Sweep:
    """*sweep* after every share was read."""
    return replace(sweep, ended=now, computed_by=sweep.rules or sweep.computed_by)


def share_of(sweep: Sweep, part: int, stored: Share | None) -> Share | None:
    """Share *part* as *sweep* has it, given what is stored of it. None: it is a later sweep's already."""
    if stored is None or stored.sweep < sweep.number:
        return Share(part=part, sweep=sweep.number, version=0 if stored is None else stored.version)
    return stored if stored.sweep == sweep.number else None


def _new(last: Sweep | None, *, now: Instant, rules: str, segments: int) -> Sweep:
    replaced = last is not None and last.ended is None
    return Sweep(
        number=1 if last is None else last.number + 1,
        began=now,
        segments=segments,
        rules=rules,
        computed_by="" if last is None else last.computed_by,
        unfinished_since=last.unfinished_since if last is not None and replaced else now,
        shares=SHARES,
    )
