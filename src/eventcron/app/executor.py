"""Publish packs. Wait for each fire's instant, read its schedule again, publish it, or retry or report it.

The executor reads a schedule ``REREAD_MS`` before the fire's instant. In a healthy system a schedule that was deleted,
paused or replaced earlier does not fire (guarantee 3). Nothing is published before its instant (guarantee 2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import chain

from msgspec import UNSET
from msgspec.structs import replace

from eventcron.app.completion import Completion
from eventcron.app.concurrency import all_of
from eventcron.app.delivery import PackSender, Publisher, expires_at
from eventcron.app.fair_bus import FairBus, Paced
from eventcron.app.fire_events import NO_TOKENS, FireEvents, Made
from eventcron.app.heartbeats import Heartbeats
from eventcron.app.pack_report import Published, Report, notice_of
from eventcron.app.portions import Budget, Held, by_instant
from eventcron.app.quota import OverLimit, beyond, countable, named, without_room
from eventcron.app.reading import Records, read_readable, read_to_fire
from eventcron.app.runs import Tracker
from eventcron.app.together import Together
from eventcron.model.codes import SkipReason
from eventcron.model.events import Event
from eventcron.model.messages import DEADLINE, EXPECTED, RELEASED, Fire, Pack
from eventcron.model.names import Instant, Key
from eventcron.model.records import FireRecord
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
from eventcron.rules.judging import Known, Sorted, Timed, backfill_of, sort_fires
from eventcron.rules.misfire import TIMELY_MS
from eventcron.rules.pace import CallPace
from eventcron.rules.packing import make_pack
from eventcron.rules.turns import ask_early_ms, asks_again_at
from eventcron.settings import Settings
from eventcron.wire.encode import encode_pack, failed, skipped

#: Milliseconds before a fire's instant at which its schedule is read for the last time. It allows for a few round trips
#: to DynamoDB, and is well within the one second of guarantee 3.
REREAD_MS = 300
#: Milliseconds before a pack's first instant by which its quota is acquired, if tenants have a limit; ``ask_early_ms``
#: adds to them. Early enough to finish before the schedules are read for the last time; late enough that few fires with
#: a quota are dropped.
QUOTA_MS = 2 * REREAD_MS
#: Milliseconds beyond its lead for which a pack is held. A pack that is due later would occupy a worker, so it goes
#: back to the queue.
MAX_HOLD_MS = 5_000
#: Fires whose schedules are read at once, and keys that packs read together: BatchGetItem "can retrieve … as many as
#: 100 items".
READ_AT_ONCE = 100
#: Bytes of a record at most: a DynamoDB item holds 400 KB.
MAX_RECORD_BYTES = 409_600
#: The largest records that are read at once: DynamoDB answers with 16 MB at most, and leaves the other keys.
LARGEST_AT_ONCE = 40
#: Bytes of records that all packs of a process hold at once, four of the largest answers: 200 MB as Python holds them.
RECORD_BYTES = 4 * LARGEST_AT_ONCE * MAX_RECORD_BYTES
#: Rounds through the queue before a fire fails for good: about 90 minutes with the pauses below.
MAX_ATTEMPTS = 30
#: Seconds. A pause between two rounds is between 0 and 2 seconds at first, and each next one up to twice as long, up to
#: this. The queue delays a message by 900 seconds at most.
MAX_PAUSE_S = 480


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
        tracker: Tracker,
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
        self._published = Together(packs.published, at_most=READ_AT_ONCE)
        self._read_records: Together[Key, Records] = Together(
            lambda keys: read_to_fire(self._store, keys, singly=LARGEST_AT_ONCE), at_most=READ_AT_ONCE
        )
        self._quota = quota
        self._tracker = tracker
        self._heartbeats = Heartbeats(clock=clock, store=store, tracker=tracker)
        self._sender = PackSender(clock=clock, fire_queue=fire_queue, dead_letters=dead_letters, jitter=jitter)
        self._dead_letters = dead_letters
        self._bus = FairBus(
            bus, clock=clock, pace=CallPace(settings.put_events_per_second), concurrency=settings.concurrency
        )
        self._publisher = Publisher(clock=clock, bus=self._bus, jitter=jitter)
        self._completion = Completion(clock=clock, store=store, publisher=self._publisher, settings=settings)
        self._events = FireEvents(clock=clock, store=store, publisher=self._publisher)
        #: Packs of one process share the memory of one process.
        self._room = Budget(RECORD_BYTES)
        self._jitter = jitter
        self._settings = settings

    def take_paced(self) -> Paced | None:
        """What the pace of the bus held up since the last call of this method; None if it held up nothing."""
        return self._bus.take_paced()

    async def execute(self, pack: Pack) -> Report:
        """Publish the fires of *pack*, unless the ledger says that the pack was published before.

        Raises:
            Unavailable: a service refused. The pack may be executed again; repeated fires have the same ``fire_id``.
        """
        report = Report(pack_id=pack.id)
        if pack.kind in {DEADLINE, EXPECTED}:
            asked = self._tracker if pack.kind == DEADLINE else self._heartbeats
            overdue = await asked.at_deadline(pack)
            report.ended += [] if overdue is None else [overdue]
            return report
        if pack.id in await self._published([pack.id]):
            report.repeated = True
            return report
        if pack.at - self._clock.now() > self._settings.lead_seconds * 1000 + MAX_HOLD_MS:
            await self._put_back(pack, visible_at=pack.at - self._settings.lead_seconds * 1000)
            report.put_back = len(pack.fires)
            return report
        over = await self._over_quota(pack)
        await self._put_off(pack, over, report)
        fires = [fire for fire in pack.fires if fire not in over.wait] if over.wait else pack.fires
        await all_of(self._publish_at(at, those, pack, report, over.skip) for at, those in by_instant(fires))
        now = self._clock.now()
        await self._packs.record(pack.id, now=now, expires=self._expires(now))
        return report

    def _expires(self, now: Instant) -> int:
        """When TTL may remove a ledger item written at *now*, in seconds since 1970."""
        return expires_at(now, self._settings.ledger_days)

    async def _over_quota(self, pack: Pack) -> OverLimit:
        """The fires of *pack* that exceed their tenant's limit. A pack that the bus refused has its quota already.

        Only fires that may be published are counted, or that could be if their schedules were readable.
        """
        limit = self._settings.tenant_fires_per_minute
        if not (counted := countable(pack.fires, limit=limit) if pack.attempt == 1 else []):
            return OverLimit()
        await self._clock.sleep_until(pack.at - QUOTA_MS - ask_early_ms(pack.id))
        now = self._clock.now()
        until = asks_again_at(pack.id, late_since=pack.at, now=now)
        wanted: list[Fire] = []
        patient: list[Fire] = []

        async def sort(fires: Sequence[Fire]) -> Sequence[Fire]:
            """Sort those of *fires* that are read at once. Returns the others."""
            async with self._room_for(fires) as room:
                part, known, left = await self._known(fires, room)
                for fire in (fire for fire in part if known.may_publish(fire, now=max(now, fire.at))):
                    (patient if known.may_wait(fire, now=now, until=until) else wanted).append(fire)
                return left

        for portion in _portions(counted):
            left = portion
            while left:
                left = await sort(left)
        expires = self._expires(now)
        skip = await beyond(self._quota, pack.id, wanted, limit=limit, expires=expires)
        wait = await without_room(self._quota, pack.id, patient, limit=limit, now=now, expires=expires)
        return OverLimit(skip, wait, until)

    async def _put_off(self, pack: Pack, over: OverLimit, report: Report) -> None:
        """Put back the fires of *pack* that wait for their tenant's limit. They are counted again, so it is no try."""
        if over.wait:
            fires = [fire for fire in pack.fires if fire in over.wait]
            await self._put_back(replace(make_pack(fires, after=pack), attempt=pack.attempt), visible_at=over.until)
            report.waiting += len(fires)

    async def _publish_at(
        self, at: Instant, fires: Sequence[Fire], pack: Pack, report: Report, over: frozenset[Fire]
    ) -> None:
        """Read the schedules of *fires* at ``REREAD_MS`` before *at*, and publish at *at*, portion by portion.

        All portions are read ahead if there is room. Otherwise the next are read once the first are published.
        """
        await self._clock.sleep_until(at - REREAD_MS)
        again = await all_of(self._publish_portion(at, part, pack, report, over) for part in _portions(fires))
        await self._put_back_refused(list(chain.from_iterable(again)), pack, report)

    async def _publish_portion(
        self, at: Instant, fires: Sequence[Fire], pack: Pack, report: Report, over: frozenset[Fire]
    ) -> list[Fire]:
        """Publish *fires* at *at*. Returns those that are to be tried again."""
        again: list[Fire] = []

        async def publish(fires: Sequence[Fire]) -> Sequence[Fire]:
            """Publish those of *fires* whose schedules are read at once. Returns the others."""
            async with self._room_for(fires) as room:
                part, known, left = await self._known(fires, room)
                # Judged as they will be at their instant, while what was read is still in the processor's cache. A fire
                # that waited for another run is always judged as it was when it was due.
                then = at if pack.kind is not UNSET else max(at, self._clock.now())
                judged = sort_fires(part, known, over, now=then)
                with self._events.ahead(judged.publish, attempt=pack.attempt) as made:
                    if made is not None:
                        # From here on the events are held, and no record that nobody needs.
                        judged = judged._replace(publish=[])
                        known = known if judged.is_any else known._replace(records=made.records)
                        room.shrink(sum([record.size for record in known.records.values()]))
                    await self._clock.sleep_until(at)
                    if pack.kind is UNSET and self._clock.now() > then + TIMELY_MS:
                        return fires  # it overslept: what was read is old
                    again.extend(await self._publish_sorted(part, judged, known, pack, report, made=made))
                return left

        while fires:
            fires = await publish(fires)
        return again

    async def _publish_sorted(
        self, fires: Sequence[Fire], judged: Sorted, known: Known, pack: Pack, report: Report, *, made: Made | None
    ) -> list[Fire]:
        """Publish *fires* or report them, as they are *judged*, and those that are *made*.

        Returns those that are to be tried again.
        """
        if made is not None:
            plain = self._publish_made(made, known.records, pack, report)
        else:
            plain = self._publish(judged.publish, known.records, pack, report)
        if judged.tracked:
            # The others are not later for that.
            of_runs = self._publish_runs(judged.tracked, known.records, pack, report)
            again = list(chain.from_iterable(await all_of((plain, of_runs))))
        else:
            again = await plain
        if judged.expected:
            again += await self._expect(judged.expected, known.records, pack, report)
        if pack.kind == RELEASED and not judged.unreadable:
            await self._tracker.give_up(fires, judged.tracked)
        if judged.skip:
            await self._skip(judged.skip, known.records, report)
        report.dropped += judged.dropped
        if judged.unreadable:
            again += await self._refuse_unreadable(judged.unreadable, known, pack, report)
        return again

    async def _expect(
        self, timed: Sequence[Timed], records: Mapping[Key, FireRecord], pack: Pack, report: Report
    ) -> list[Fire]:
        """Send instants at which a report is expected to their deadlines. Returns those that are to be tried again."""
        fires = [fire for fire, _, _ in timed]
        refused = await self._heartbeats.expect(timed)
        expected = [fire for index, fire in enumerate(fires) if index not in refused]
        report.expected += len(expected)
        await self._complete([fire for fire in expected if fire.last], records)
        return await self._handle_refused(fires, refused, records, pack, report) if refused else []

    async def _publish_runs(
        self, tracked: Sequence[Timed], records: Mapping[Key, FireRecord], pack: Pack, report: Report
    ) -> list[Fire]:
        """Open the runs of *tracked* fires and publish those, unless another run is open."""
        opened = await self._tracker.open(tracked)
        again = await self._publish(opened.publish, records, pack, report, tokens=opened.tokens)
        notices = [notice_of(fire, SkipReason.STILL_RUNNING, by) for fire, by in opened.skip]
        await self._report([skipped(notice, now=self._clock.now()) for notice in notices])
        report.skips += notices
        report.ended += opened.overdue
        report.held += len(opened.held)
        report.dropped += len(opened.dropped)
        ended = [fire for fire, _ in opened.skip] + list(opened.dropped)
        await self._complete([fire for fire in ended if fire.last], records)
        refused = {
            index: Refusal(index=index, code="Undecided", message=why) for index, (_, why) in enumerate(opened.failed)
        }
        undecided = [fire for fire, _ in opened.failed]
        return again + await self._handle_refused(undecided, refused, records, pack, report)

    def _room_for(self, fires: Sequence[Fire]) -> AbstractAsyncContextManager[Held]:
        """Room for the records of *fires* that are read at once, however large they are.

        The fires of a pack are in order of tenants.
        """
        return self._room.hold(fires[0].tenant, min(len(fires), LARGEST_AT_ONCE) * MAX_RECORD_BYTES)

    async def _known(self, fires: Sequence[Fire], room: Held) -> tuple[Sequence[Fire], Known, Sequence[Fire]]:
        """The *fires* whose schedules fit into one read, the records that judge them, and the fires that are left.

        The *room* that the records do not need is given back. Whoever calls lets go of the records before the room.
        """
        known, left = await self._read(fires)
        room.shrink(sum([record.size for record in known.records.values()]))
        if not left:
            return fires, known, ()
        here = [fire for fire in fires if fire.key not in left]
        return here, known, [fire for fire in fires if fire.key in left]

    async def _skip(
        self, fires: Sequence[tuple[Fire, SkipReason]], records: Mapping[Key, FireRecord], report: Report
    ) -> None:
        """Report each fire as skipped, with its reason. Complete the schedules whose last fire is skipped."""
        now, limit = self._clock.now(), named(self._settings.tenant_fires_per_minute)
        notices = [notice_of(fire, reason, limit if reason is SkipReason.QUOTA else None) for fire, reason in fires]
        await self._report([skipped(notice, now=now) for notice in notices])
        await self._complete([fire for fire, _ in fires if fire.last], records)
        report.skips += notices

    async def _refuse_unreadable(
        self, fires: Sequence[tuple[Fire, str]], known: Known, pack: Pack, report: Report
    ) -> list[Fire]:
        """Those of *fires*, each with why this release cannot judge it, that are to be tried again."""
        unreadable = {
            index: Refusal(index=index, code="Unreadable", message=why) for index, (_, why) in enumerate(fires)
        }
        return await self._handle_refused([fire for fire, _ in fires], unreadable, known.records, pack, report)

    async def _read(self, fires: Sequence[Fire]) -> tuple[Known, frozenset[Key]]:
        """What *fires* are judged by, and the schedules that are to be read once more."""
        keys = list(dict.fromkeys([Key(fire.tenant, fire.name) for fire in fires]))
        found, unreadable, left = await self._read_records(keys)
        # What was read together may have others' records too.
        records = found if len(found) <= len(keys) else {key: found[key] for key in keys if key in found}
        wanted = list({key for fire in fires if fire.cause_id and (key := backfill_of(fire)) is not None})
        backfills, unknown = await read_readable(self._backfills.get, wanted) if wanted else ({}, {})
        return Known(records, backfills, unreadable, unknown), left

    async def _publish(
        self,
        timed: Sequence[Timed],
        records: Mapping[Key, FireRecord],
        pack: Pack,
        report: Report,
        *,
        tokens: Mapping[Fire, str] = NO_TOKENS,
    ) -> list[Fire]:
        """Publish fires. Returns those that are to be tried again.

        *tokens* are those of tracked fires: of all of them, or there are none.
        """
        ended = await self._events.publish(timed, attempt=pack.attempt, tokens=tokens)
        return await self._note([fire for fire, _, _ in timed], ended, records, pack, report)

    async def _publish_made(
        self, made: Made, records: Mapping[Key, FireRecord], pack: Pack, report: Report
    ) -> list[Fire]:
        """As ``_publish``, for fires whose events are made."""
        return await self._note(made.fires, await self._events.publish_made(made), records, pack, report)

    async def _note(
        self,
        fires: Sequence[Fire],
        ended: Sequence[Instant | Refusal],
        records: Mapping[Key, FireRecord],
        pack: Pack,
        report: Report,
    ) -> list[Fire]:
        """Note how publishing *fires* has *ended*. Returns those that are to be tried again."""
        refused: dict[int, Refusal] = {}
        last: list[Fire] = []
        published = report.published
        for index, (fire, how) in enumerate(zip(fires, ended, strict=True)):
            if isinstance(how, Refusal):
                refused[index] = how
                continue
            published.append(Published(fire, how - fire.at))
            if fire.last:
                last.append(fire)
        again = await self._handle_refused(fires, refused, records, pack, report) if refused else []
        await self._complete(last, records)
        return again

    async def _handle_refused(
        self,
        fires: Sequence[Fire],
        refused: Mapping[int, Refusal],
        records: Mapping[Key, FireRecord],
        pack: Pack,
        report: Report,
    ) -> list[Fire]:
        """The *refused* fires that can be retried. The others are reported as failed."""
        final = {
            index: refusal
            for index, refusal in refused.items()
            if not refusal.retryable or pack.attempt >= MAX_ATTEMPTS
        }
        for index, refusal in final.items():
            await self._fail(fires[index], refusal, records, pack)
            report.failed += 1
            if not refusal.retryable:
                # Otherwise a try whose answer was lost may have been taken, and the target may have the fire.
                report.ended += await self._tracker.not_published(fires[index], records.get(fires[index].key))
        return [fires[index] for index in refused if index not in final]

    async def _put_back_refused(self, fires: Sequence[Fire], pack: Pack, report: Report) -> None:
        """Put back *fires* of one instant of *pack*, as a smaller pack."""
        if fires:
            # Full jitter: what was refused together does not come back together.
            pause_ms = round(1000 * min(2**pack.attempt, MAX_PAUSE_S) * self._jitter())
            smaller = make_pack(fires, after=pack)
            await self._put_back(smaller, visible_at=self._clock.now() + pause_ms)
            report.put_back += len(fires)

    async def _fail(self, fire: Fire, refusal: Refusal, records: Mapping[Key, FireRecord], pack: Pack) -> None:
        reason = f"given up after {pack.attempt} tries, the last with {refusal.code}: {refusal.message}"
        # It begins anew, under an id that the ledger does not know: whatever sends it back, it is published then.
        dead = replace(make_pack([fire], after=pack), attempt=1)
        await self._dead_letters.send_to_dlq("fires", encode_pack(dead), reason=reason, code=refusal.code)
        record, now = records.get(fire.key), self._clock.now()
        event = failed(record, fire, code=refusal.code, message=refusal.message, attempts=pack.attempt, now=now)
        await self._report([event])
        if fire.last:
            await self._complete([fire], records)

    async def _complete(self, fires: Sequence[Fire], records: Mapping[Key, FireRecord]) -> None:
        """Complete the schedules of *fires*, each of which is the last of its schedule."""
        for fire in fires:
            await self._completion.complete_revision(records.get(fire.key), fire.revision)

    async def _put_back(self, pack: Pack, *, visible_at: Instant) -> None:
        await self._sender.send([pack], visible_at=lambda _pack: visible_at)

    async def _report(self, events: Sequence[Event]) -> None:
        await self._publisher.publish(events)


def _portions(fires: Sequence[Fire]) -> Iterator[Sequence[Fire]]:
    """*fires*, as many at a time as are read at once."""
    return (fires[start : start + READ_AT_ONCE] for start in range(0, len(fires), READ_AT_ONCE))
