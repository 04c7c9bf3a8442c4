"""What becomes of a fire when it is due: by its schedule and its backfill, as they are stored now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from eventcron.errors import InvalidSchedule, Undecodable
from eventcron.model.codes import CancelReason, SkipReason
from eventcron.model.commands import Misfire, MisfirePolicy
from eventcron.model.messages import Fire
from eventcron.model.names import BackfillKey, Instant, Key
from eventcron.model.records import Backfill, BackfillState, FireRecord, expect_of, is_tracked
from eventcron.rules.misfire import TIMELY_MS, is_missed
from eventcron.rules.timeline import is_followed, is_superseded, may_publish
from eventcron.rules.turns import MINUTE_MS
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.trigger import local_time

#: Milliseconds after its instant for which a fire waits for its tenant's limit at most: the longest misfire grace.
MAX_WAIT_MS = 604_800_000


class Verdict(StrEnum):
    """What becomes of a fire."""

    PUBLISH = "publish"
    DROP = "drop"  # no event: another revision has the occurrence, or the command that stopped it reports it
    SKIP = "skip"  # ``Schedule Skipped`` reports it
    WAIT = "wait"  # this release cannot read what decides; the next one may


class Judgement(NamedTuple):
    """What becomes of a fire, and what goes with that verdict."""

    verdict: Verdict
    #: Of a fire that is skipped.
    skip: SkipReason | None = None
    #: Of a fire that is published: its due instant in the schedule's time zone.
    local_time: str = ""
    #: Of a fire that waits: why it cannot be judged.
    unreadable: str = ""


#: A fire that is published, its schedule's record, and its due instant in the schedule's time zone.
Timed: TypeAlias = tuple[Fire, FireRecord, str]


class Sorted(NamedTuple):
    """The fires of one instant, by verdict. Those that are published are in the first three lists."""

    #: As nearly all are.
    publish: list[Timed]
    #: Their runs are tracked.
    tracked: list[Timed]
    #: Instants at which a report is expected: nothing is published if one has come.
    expected: list[Timed]
    #: Each with the reason.
    skip: list[tuple[Fire, SkipReason]]
    #: Each with the reason.
    unreadable: list[tuple[Fire, str]]
    #: How many have the verdict ``DROP``.
    dropped: int

    @property
    def is_any(self) -> bool:
        """Whether there is more to do than to count what was dropped."""
        return bool(self.publish or self.tracked or self.expected or self.skip or self.unreadable)


class Known(NamedTuple):
    """The schedules and backfills by which fires are judged, as they are stored now."""

    records: Mapping[Key, FireRecord]
    backfills: Mapping[BackfillKey, Backfill]
    #: Those that this release cannot read, with the reason.
    lost_records: Mapping[Key, str]
    lost_backfills: Mapping[BackfillKey, str]

    def may_publish(self, fire: Fire, *, now: Instant) -> bool:
        """Whether *fire* may be published now, or once its schedule can be read again. Some expect a report instead."""
        if expect_of(self.records.get(fire.key)) is not None:
            return False
        return self.judge(fire, now=now).verdict in {Verdict.PUBLISH, Verdict.WAIT}

    def may_wait(self, fire: Fire, *, now: Instant, until: Instant) -> bool:
        """Whether *fire* is published at *until* or later if its tenant's limit has no room for it *now*.

        That is so for what is caught up on: backfills, what a resume asked for, and a fire whose own minute is over, if
        its misfire policy still wants it then.
        """
        if fire.cause == "run" or until - fire.at > MAX_WAIT_MS:
            return False
        is_late = now // MINUTE_MS > fire.at // MINUTE_MS
        return (is_late or fire.cause == "backfill" or fire.is_caught_up) and self.may_publish(fire, now=until)

    def judge(self, fire: Fire, *, now: Instant) -> Judgement:
        """What becomes of *fire* now. A schedule that cannot be read holds up its own fires, and no others."""
        lost = self._lost(fire) if self.lost_records or self.lost_backfills else ""
        if lost:
            return Judgement(Verdict.WAIT, unreadable=lost)
        stop = self._stopped(fire) if fire.cause_id else None
        if stop:
            return Judgement(Verdict.SKIP, stop)
        try:
            return _judge(fire, self.records.get(fire.key), now=now)
        except (InvalidSchedule, Undecodable, ValueError) as error:
            return Judgement(Verdict.WAIT, unreadable=str(error))

    def _lost(self, fire: Fire) -> str:
        """Why the record or the backfill of *fire* cannot be read; "" if it can."""
        key = backfill_of(fire)
        return self.lost_records.get(fire.key, "") or ("" if key is None else self.lost_backfills.get(key, ""))

    def _stopped(self, fire: Fire) -> SkipReason | None:
        """Why the backfill of *fire* no longer publishes it; None if it does, or if *fire* is of no backfill.

        A schedule that is put again after its deletion is a new schedule. Backfills of the old one do not fire for it.
        """
        key = backfill_of(fire)
        backfill = None if key is None else self.backfills.get(key)
        if backfill is None:
            return None
        record = self.records.get(fire.key)
        # One that was cancelled before it arrived knows no schedule.
        if backfill.event_id and record is not None and record.created != backfill.schedule_created:
            return SkipReason.DELETED
        if backfill.state is not BackfillState.CANCELLED:
            return None
        return SkipReason.DELETED if backfill.reason is CancelReason.DELETED else SkipReason.CANCELLED


def sort_fires(fires: Sequence[Fire], known: Known, over: frozenset[Fire], *, now: Instant) -> Sorted:
    """Sort *fires* by verdict. Those in *over* exceed their tenant's limit and are skipped.

    The verdicts at the instant of a fire are also those of the ``TIMELY_MS`` after it.
    """
    publish: list[Timed] = []
    tracked: list[Timed] = []
    expected: list[Timed] = []
    skip: list[tuple[Fire, SkipReason]] = []
    unreadable: list[tuple[Fire, str]] = []
    dropped = 0
    records, timely = known.records, now - TIMELY_MS
    for fire in fires:
        record = records.get((fire.tenant, fire.name))  # type: ignore[call-overload]  # equals its Key, made faster
        if record is None or not (local := _usual(fire, record, timely)) or (over and fire in over):
            verdict, reason, local, why = known.judge(fire, now=now)
            if verdict is Verdict.WAIT:
                unreadable.append((fire, why))
                continue
            if verdict is Verdict.DROP:
                dropped += 1
                continue
            if verdict is Verdict.SKIP or record is None or (over and fire in over):
                skip.append((fire, reason or SkipReason.QUOTA))
                continue
        schedule = record.schedule
        if schedule is not None and schedule.expect is not None:
            expected.append((fire, record, local))
        elif schedule is not None and schedule.runs.track:
            tracked.append((fire, record, local))
        else:
            publish.append((fire, record, local))
    return Sorted(publish, tracked, expected, skip, unreadable, dropped)


def _usual(fire: Fire, record: FireRecord, timely: Instant) -> str:
    """The local time of a fire that is published as nearly all are; "" = another one, which takes a closer look.

    It is an ordinary fire of the definition in force, and not due before *timely*.
    """
    schedule = record.schedule
    if schedule is None or record.in_force != fire.revision or fire.at < timely:
        return ""
    if fire.cause_id or fire.cause != "schedule":
        return ""
    try:
        return _local_time(fire.due, schedule.timezone)
    except (InvalidSchedule, ValueError):
        return ""


def _judge(fire: Fire, record: FireRecord | None, *, now: Instant) -> Judgement:
    """What becomes of *fire* now, given the stored *record* of its schedule.

    Resume and Delete report the fires that they drop, so a dropped fire is not reported here.

    Raises:
        InvalidSchedule: this release cannot read a trigger or the time zone of the schedule.
    """
    if record is None:
        return Judgement(Verdict.DROP)
    if fire.is_caught_up:
        # It has one sender, and the resume that asked for it stands, whatever was put since. A deletion ends that.
        if record.schedule is None or fire.due <= record.created:
            return Judgement(Verdict.SKIP, SkipReason.DELETED)
    elif fire.cause == "schedule" and not may_publish(record.eras, fire.revision, due=fire.due, at=fire.at):
        # A lane takes the registrar's copy of a tracked fire for the planner's, so this may be the only one: say so.
        at = None if is_tracked(record) else fire.at
        superseded = is_superseded(record.eras, fire.revision, due=fire.due, at=at)
        return Judgement(Verdict.SKIP, SkipReason.SUPERSEDED) if superseded else Judgement(Verdict.DROP)
    if record.schedule is None:
        return Judgement(Verdict.SKIP, SkipReason.DELETED)
    is_timely = fire.at >= now - TIMELY_MS  # as nearly all are
    expects = record.schedule.expect is not None  # however late the instant is, its report is asked for
    if (
        not is_timely
        and not expects
        and fire.cause == "schedule"
        and _is_missed(fire, record, record.schedule.misfire, now=now)
    ):
        return Judgement(Verdict.SKIP, SkipReason.MISFIRE)
    return Judgement(Verdict.PUBLISH, None, _local_time(fire.due, record.schedule.timezone))


#: All fires of one due instant and zone have the same local time.
_local_time = lru_cache(maxsize=4_096)(local_time)


def _is_missed(fire: Fire, record: FireRecord, misfire: Misfire, *, now: Instant) -> bool:
    """Whether *fire* is too late by *misfire*.

    What a resume catches up on was asked for in spite of the policy, so only the grace ends it. A resume publishes at
    once what its flexible window would have moved further. It is late only after that.
    """
    if fire.is_caught_up:
        misfire = replace(misfire, policy=MisfirePolicy.FIRE_ALL)

    def followed() -> bool:
        return is_followed(record.eras, fire.key, fire.revision, due=fire.due, now=now)

    window_seconds = record.schedule.flexible_window_seconds if record.schedule else 0
    offset = flexible_offset_ms(fire.key, window_seconds) if window_seconds else 0
    meant = max(fire.at, fire.due + offset)
    return is_missed(meant, misfire, now=now, is_followed=followed)


def backfill_of(fire: Fire) -> BackfillKey | None:
    """The backfill or the catch-up that sent *fire*; None if something else did."""
    has = fire.cause == "backfill" or fire.is_caught_up
    return BackfillKey(fire.tenant, fire.name, fire.cause_id) if has else None
