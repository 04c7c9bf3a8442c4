"""Pack → bus: holds each fire to its instant, reads its schedule again, publishes, settles.

Between the last reading and the publication lie ``REREAD_MS`` at most in a healthy system, so that what was deleted,
paused or replaced before does not fire (guarantee 3), and nothing is published before its instant (guarantee 2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

from eventcron.app.concurrency import all_of
from eventcron.app.delivery import LONGEST_DELAY_MS, PackSender, Publisher, complete
from eventcron.app.quota import beyond, named
from eventcron.app.reading import read_readable
from eventcron.model.codes import CancelReason, SkipReason
from eventcron.model.events import Event, SkipNotice
from eventcron.model.messages import Fire, Pack
from eventcron.model.names import BackfillKey, Instant, Key
from eventcron.model.records import Backfill, BackfillState, Record, State
from eventcron.ports import (
    Backfills,
    Clock,
    DeadLetters,
    EventBus,
    FireQueue,
    PublishedPacks,
    Quota,
    Refusal,
    ScheduleStore,
)
from eventcron.rules.misfire import is_missed
from eventcron.rules.packing import make_pack
from eventcron.rules.timeline import is_superseded, may_publish
from eventcron.settings import Settings
from eventcron.timing.trigger import local_time
from eventcron.wire.encode import encode_pack, failed, fire_id, fired, skipped

#: Milliseconds before its instant at which a fire's schedule is read for the last time: a few round trips to
#: DynamoDB, and well within the one second of guarantee 3.
REREAD_MS = 300
#: Milliseconds before a pack's first instant at which its fires' places are taken, where tenants have a limit: early
#: enough to be done when the fires are read for the last time, late enough to leave out most of what was deleted.
COUNT_MS = 2 * REREAD_MS
#: Milliseconds. A pack visible earlier than its lead and this goes back to the queue: holding it would cost a worker.
MAX_HOLD_MS = 5_000
#: Rounds through the queue, about 90 minutes with the pauses below, before a fire is given up.
MAX_ATTEMPTS = 30
#: Seconds. Longest pause between two rounds; the first is 1, and it doubles.
MAX_PAUSE_S = 240


class Published(Struct, frozen=True):
    """One fire on the bus. ``lateness_ms`` is publication minus the instant it was to be published at."""

    key: Key
    fire_id: str
    cause: str
    lateness_ms: int


class Report(Struct, kw_only=True):
    """What became of a pack's fires."""

    pack_id: str
    published: list[Published] = msgspec.field(default_factory=list)
    dropped: int = 0  # deleted, paused or replaced since they were planned
    skipped: int = 0
    over_quota: int = 0  # of those skipped
    put_back: int = 0
    failed: int = 0
    repeated: bool = False  # the ledger knows the pack: nothing was done


class _Verdict(StrEnum):
    PUBLISH = "publish"
    DROP = "drop"  # another revision fires in its stead, or none should
    SKIP = "skip"  # it was to fire, and will not


class Executor:
    """Publishes packs."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: ScheduleStore,
        backfills: Backfills,
        packs: PublishedPacks,
        quota: Quota,
        fire_queue: FireQueue,
        dead_letters: DeadLetters,
        bus: EventBus,
        jitter: Callable[[], float],
        settings: Settings,
    ) -> None:
        self._clock = clock
        self._store = store
        self._backfills = backfills
        self._packs = packs
        self._quota = quota
        self._sender = PackSender(clock=clock, fire_queue=fire_queue, dead_letters=dead_letters, jitter=jitter)
        self._dead_letters = dead_letters
        self._publisher = Publisher(clock=clock, bus=bus, jitter=jitter)
        self._settings = settings

    async def execute(self, pack: Pack) -> Report:
        """Publish what is due in *pack*, once its ledger entry says it was not done before.

        Raises:
            Unavailable: a service refused; the pack may be executed again, repeats carry the same ``fire_id``.
        """
        report = Report(pack_id=pack.id)
        if await self._packs.published([pack.id]):
            report.repeated = True
            return report
        if pack.at - self._clock.now() > self._settings.lead_seconds * 1000 + MAX_HOLD_MS:
            await self._put_back(pack, visible_at=pack.at - self._settings.lead_seconds * 1000)
            report.put_back = len(pack.fires)
            return report
        by_instant: dict[Instant, list[Fire]] = {}
        for fire in pack.fires:
            by_instant.setdefault(fire.at, []).append(fire)
        over = await self._over_quota(pack)
        await all_of(self._publish_at(at, fires, pack, report, over) for at, fires in by_instant.items())
        now = self._clock.now()
        await self._packs.record(pack.id, now=now, expires=self._expires(now))
        return report

    def _expires(self, now: Instant) -> int:
        """When the ledger may delete_expired what it is told at *now*, in seconds."""
        return now // 1000 + self._settings.ledger_days * 86_400

    async def _over_quota(self, pack: Pack) -> frozenset[Fire]:
        """The fires of *pack* for which their tenants have no place left; a pack put back has its places already."""
        limit = self._settings.tenant_fires_per_minute
        if not limit or pack.attempt > 1:
            return frozenset()
        await self._clock.sleep_until(pack.at - COUNT_MS)
        known, now = await self._read(pack.fires), self._clock.now()
        wanted = [fire for fire in pack.fires if known.may_publish(fire, now=max(now, fire.at))]
        return await beyond(self._quota, pack.id, wanted, limit=limit, expires=self._expires(now))

    async def _publish_at(
        self, at: Instant, fires: Sequence[Fire], pack: Pack, report: Report, over: frozenset[Fire]
    ) -> None:
        known = await self._known_at(at, fires)
        sorted_fires = _sort(fires, known, over, now=self._clock.now())
        await self._publish(sorted_fires.publish, known.records, pack, report)
        await self._skip(sorted_fires.skip, known.records)
        report.dropped += sorted_fires.dropped
        report.skipped += len(sorted_fires.skip)
        report.over_quota += sum(reason is SkipReason.QUOTA for _, reason in sorted_fires.skip)
        await self._set_aside(sorted_fires.unreadable, known, pack, report)

    async def _known_at(self, at: Instant, fires: Sequence[Fire]) -> _Known:
        """What *fires* are judged by, read ``REREAD_MS`` before *at*; returns at *at*."""
        await self._clock.sleep_until(at - REREAD_MS)
        known = await self._read(fires)
        await self._clock.sleep_until(at)
        return known

    async def _skip(self, fires: Sequence[tuple[Fire, SkipReason]], records: Mapping[Key, Record]) -> None:
        """Publish a skip notice for each fire, with its reason, and end the schedules whose last fire is skipped."""
        now, limit = self._clock.now(), self._settings.tenant_fires_per_minute
        await self._tell([skipped(_notice(fire, reason, limit), now=now) for fire, reason in fires])
        await self._complete([fire for fire, _ in fires if fire.last], records)

    async def _set_aside(self, fires: Sequence[Fire], known: _Known, pack: Pack, report: Report) -> None:
        """Put *fires* back that cannot be judged: the release that can read what they need may be back in time."""
        why = {
            place: Refusal(index=place, code="Unreadable", message=known.unreadable(fire))
            for place, fire in enumerate(fires)
        }
        await self._settle_refused(fires, why, known.records, pack, report)

    async def _read(self, fires: Sequence[Fire]) -> _Known:
        records, unreadable = await read_readable(self._store.get, list({fire.key for fire in fires}))
        keys = list({key for fire in fires if (key := _backfill(fire)) is not None})
        backfills, unknown = await read_readable(self._backfills.get, keys) if keys else ({}, {})
        return _Known(records, backfills, unreadable, unknown)

    async def _publish(self, fires: Sequence[Fire], records: Mapping[Key, Record], pack: Pack, report: Report) -> None:
        if not fires:
            return
        events = [
            fired(records[fire.key], fire, attempt=pack.attempt, local_time=_local_time(fire, records))
            for fire in fires
        ]
        refused = await self._publisher.try_each(events)
        now = self._clock.now()
        by_index = {refusal.index: refusal for refusal in refused}
        done = [fire for index, fire in enumerate(fires) if index not in by_index]
        report.published += [Published(fire.key, fire_id(fire), fire.cause, now - fire.at) for fire in done]
        await self._settle_refused(fires, by_index, records, pack, report)
        await self._complete([fire for fire in done if fire.last], records)

    async def _settle_refused(
        self,
        fires: Sequence[Fire],
        refused: Mapping[int, Refusal],
        records: Mapping[Key, Record],
        pack: Pack,
        report: Report,
    ) -> None:
        """Put back what may be taken later, as a smaller pack; give up on the rest, in the open."""
        hopeless = {
            index: refusal
            for index, refusal in refused.items()
            if not refusal.retryable or pack.attempt >= MAX_ATTEMPTS
        }
        again = [fires[index] for index in refused if index not in hopeless]
        if again:
            pause_ms = 1000 * min(2 ** (pack.attempt - 1), MAX_PAUSE_S)
            smaller = make_pack(again, attempt=pack.attempt + 1)
            await self._put_back(smaller, visible_at=self._clock.now() + pause_ms)
            report.put_back += len(again)
        for index, refusal in hopeless.items():
            await self._give_up(fires[index], refusal, records, pack)
            report.failed += 1

    async def _give_up(self, fire: Fire, refusal: Refusal, records: Mapping[Key, Record], pack: Pack) -> None:
        reason = f"given up after {pack.attempt} tries, the last with {refusal.code}: {refusal.message}"
        await self._dead_letters.send_to_dlq("fires", encode_pack(make_pack([fire])), reason=reason, code=refusal.code)
        record, now = records.get(fire.key), self._clock.now()
        fact = failed(record, fire, code=refusal.code, message=refusal.message, attempts=pack.attempt, now=now)
        await self._tell([fact])
        if fire.last:
            await self._complete([fire], records)

    async def _complete(self, fires: Sequence[Fire], records: Mapping[Key, Record]) -> None:
        """End the schedules whose last fire this was."""
        for fire in fires:
            record = records.get(fire.key)
            if record is not None and record.revision == fire.revision and record.state is State.ENABLED:
                await complete(record, clock=self._clock, store=self._store, publisher=self._publisher)

    async def _put_back(self, pack: Pack, *, visible_at: Instant) -> None:
        visible_at = min(visible_at, self._clock.now() + LONGEST_DELAY_MS)
        await self._sender.send([pack], visible_at=lambda _pack: visible_at)

    async def _tell(self, facts: Sequence[Event]) -> None:
        await self._publisher.publish(facts)


class _Sorted(NamedTuple):
    """Fires that are to be published at one instant, by what becomes of them."""

    publish: list[Fire]
    #: Each with the reason.
    skip: list[tuple[Fire, SkipReason]]
    unreadable: list[Fire]
    #: How many are left out: another revision fires in their stead, or none should.
    dropped: int


class _Known(NamedTuple):
    """What fires are judged by, as it is stored now."""

    records: Mapping[Key, Record]
    backfills: Mapping[BackfillKey, Backfill]
    #: Why something could not be read.
    lost_records: Mapping[Key, str]
    lost_backfills: Mapping[BackfillKey, str]

    def unreadable(self, fire: Fire) -> str:
        """Why *fire* cannot be judged; "" if it can."""
        key = _backfill(fire)
        return self.lost_records.get(fire.key, "") or ("" if key is None else self.lost_backfills.get(key, ""))

    def may_publish(self, fire: Fire, *, now: Instant) -> bool:
        """Whether *fire* goes out, now or when its schedule can be read again."""
        return bool(self.unreadable(fire)) or self.judge(fire, now=now)[0] is _Verdict.PUBLISH

    def judge(self, fire: Fire, *, now: Instant) -> tuple[_Verdict, SkipReason | None]:
        """What becomes of *fire*, and for what reason it is skipped, if it is."""
        stop = self._stopped(fire)
        return (_Verdict.SKIP, stop) if stop else _judge(fire, self.records.get(fire.key), now=now)

    def _stopped(self, fire: Fire) -> SkipReason | None:
        """Why a fire of a backfill does not go out any more; None if it does.

        A schedule put anew after its deletion is another one: what was begun for the first does not fire for it.
        """
        key = _backfill(fire)
        backfill = None if key is None else self.backfills.get(key)
        if backfill is None:
            return None
        record = self.records.get(fire.key)
        if record is not None and record.created != backfill.schedule_created:
            return SkipReason.DELETED
        if backfill.state is not BackfillState.CANCELLED:
            return None
        return SkipReason.DELETED if backfill.reason is CancelReason.DELETED else SkipReason.CANCELLED


def _sort(fires: Sequence[Fire], known: _Known, over: frozenset[Fire], *, now: Instant) -> _Sorted:
    """Judge each fire; those of *over* are beyond their tenant's limit."""
    publish: list[Fire] = []
    skip: list[tuple[Fire, SkipReason]] = []
    unreadable: list[Fire] = []
    for fire in fires:
        if known.unreadable(fire):
            unreadable.append(fire)
            continue
        verdict, reason = known.judge(fire, now=now)
        if verdict is _Verdict.PUBLISH and fire in over:
            verdict, reason = _Verdict.SKIP, SkipReason.QUOTA
        if verdict is _Verdict.PUBLISH:
            publish.append(fire)
        elif reason is not None:
            skip.append((fire, reason))
    return _Sorted(publish, skip, unreadable, len(fires) - len(publish) - len(skip) - len(unreadable))


def _judge(fire: Fire, record: Record | None, *, now: Instant) -> tuple[_Verdict, SkipReason | None]:
    """What becomes of *fire*, given its schedule as it is stored now.

    A resume reports what a pause dropped, and a delete is report enough for what is due after it: nothing to add here.
    """
    if record is None:
        return _Verdict.DROP, None
    if fire.cause == "schedule" and not may_publish(record.eras, fire.revision, due=fire.due, at=fire.at):
        superseded = is_superseded(record.eras, fire.revision, due=fire.due)
        return (_Verdict.SKIP, SkipReason.SUPERSEDED) if superseded else (_Verdict.DROP, None)
    if record.schedule is None:
        return _Verdict.SKIP, SkipReason.DELETED
    if fire.cause == "schedule" and is_missed(fire.at, record.schedule.misfire, now=now):
        return _Verdict.SKIP, SkipReason.MISFIRE
    return _Verdict.PUBLISH, None


def _backfill(fire: Fire) -> BackfillKey | None:
    """The backfill that *fire* is of, if it is of one."""
    return BackfillKey(fire.tenant, fire.name, fire.cause_id) if fire.cause == "backfill" else None


def _notice(fire: Fire, reason: SkipReason, limit: int) -> SkipNotice:
    return SkipNotice(
        tenant=fire.tenant,
        name=fire.name,
        revision=fire.revision,
        reason=reason,
        first_due=fire.due,
        last_due=fire.due,
        by=named(limit) if reason is SkipReason.QUOTA else None,
        cause=fire.cause,
        cause_id=fire.cause_id,
    )


def _local_time(fire: Fire, records: Mapping[Key, Record]) -> str:
    schedule = records[fire.key].schedule
    assert schedule is not None  # noqa: S101  # only fires of defined schedules are published
    return local_time(fire.due, schedule.timezone)
