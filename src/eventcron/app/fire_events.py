"""Publish the events of fires in portions, so that their inputs are in memory a few at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from eventcron.app.concurrency import all_of
from eventcron.app.delivery import Publisher
from eventcron.app.portions import Budget, portions
from eventcron.app.reading import read_inputs
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Key
from eventcron.model.records import FireRecord
from eventcron.ports import Clock, Refusal, ScheduleStore
from eventcron.rules.inputs import MAX_INLINE_BYTES
from eventcron.wire.encode import fired

#: Bytes of events that are made and published at once: four calls of PutEvents.
PORTION_BYTES = 1_000_000
#: Bytes of events that all packs of a process hold at once. An event is there about eight times, from the input as it
#: is read to the request as it is sent: 64 MB.
TOTAL_BYTES = 8_000_000
#: Bytes of an event without input and labels, at most.
ENVELOPE_BYTES = 2_000


class FireEvents:
    """Publishes the events of fires. Inputs that are stored apart are read here, and nowhere else."""

    def __init__(self, *, clock: Clock, store: ScheduleStore, publisher: Publisher) -> None:
        self._clock = clock
        self._store = store
        self._publisher = publisher
        self._budget = Budget(TOTAL_BYTES)

    async def publish(
        self, timed: Sequence[tuple[Fire, str]], records: Mapping[Key, FireRecord], *, attempt: int
    ) -> list[Instant | Refusal]:
        """Publish fires now, each with its local time. Returns for each one when that was done, or why it was not.

        Small events go together. A tenant's large ones take turns with those of other tenants.

        Raises:
            Unavailable: the inputs cannot be read.
        """
        ended: dict[Fire, Instant | Refusal] = {}
        by_owner: dict[str, list[tuple[Fire, str]]] = {}
        sizes = {fire.key: event_size(records[fire.key]) for fire, _ in timed}
        for one in timed:
            is_small = sizes[one[0].key] <= ENVELOPE_BYTES + MAX_INLINE_BYTES
            by_owner.setdefault("" if is_small else one[0].tenant, []).append(one)

        def size(one: tuple[Fire, str]) -> int:
            return sizes[one[0].key]

        async def publish(owner: str, portion: Sequence[tuple[Fire, str]]) -> None:
            async with self._budget.hold(owner, sum(map(size, portion))):
                ended.update(await self._publish(portion, records, attempt=attempt))

        await all_of(
            publish(owner, portion)
            for owner, of_owner in by_owner.items()
            for portion in portions(of_owner, size=size, total=PORTION_BYTES, count=len(of_owner))
        )
        return [ended[fire] for fire, _ in timed]

    async def _publish(
        self, timed: Sequence[tuple[Fire, str]], records: Mapping[Key, FireRecord], *, attempt: int
    ) -> dict[Fire, Instant | Refusal]:
        read = {fire.key: records[fire.key] for fire, _ in timed}
        # A fire whose input is gone is tried again, and the next round reads its schedule anew.
        inputs = await read_inputs(self._store, list(read.values()), gone="its input is no longer stored")
        ended: dict[Fire, Instant | Refusal] = {
            fire: Refusal(index=0, code="Unreadable", message=inputs.unreadable[fire.key])
            for fire, _ in timed
            if fire.key in inputs.unreadable
        }
        there = [(fire, local_time) for fire, local_time in timed if fire.key not in inputs.unreadable]
        events = [
            fired(read[fire.key], fire, attempt=attempt, local_time=local_time, apart=inputs.found.get(fire.key))
            for fire, local_time in there
        ]
        refused = {refusal.index: refusal for refusal in await self._publisher.try_each(events)}
        now = self._clock.now()
        return ended | {fire: refused.get(index, now) for index, (fire, _) in enumerate(there)}


def event_size(record: FireRecord) -> int:
    """Bytes of the event of a fire of *record*, at most."""
    schedule = record.schedule
    assert schedule is not None  # noqa: S101  # only fires of schedules that exist are published
    given = len(bytes(schedule.input)) if record.input is None else record.input.size
    return ENVELOPE_BYTES + given + (len(msgspec.json.encode(schedule.labels)) if schedule.labels else 0)
