"""Publish the events of fires in portions, so that their inputs are in memory a few at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from types import MappingProxyType

import msgspec
from msgspec import UNSET

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


#: The fires are not tracked.
NO_TOKENS: Mapping[Fire, str] = MappingProxyType({})


class FireEvents:
    """Publishes the events of fires. Inputs that are stored apart are read here, and nowhere else."""

    def __init__(self, *, clock: Clock, store: ScheduleStore, publisher: Publisher) -> None:
        self._clock = clock
        self._store = store
        self._publisher = publisher
        self._budget = Budget(TOTAL_BYTES)

    async def publish(
        self,
        timed: Sequence[tuple[Fire, str]],
        records: Mapping[Key, FireRecord],
        *,
        attempt: int,
        tokens: Mapping[Fire, str] = NO_TOKENS,
    ) -> list[Instant | Refusal]:
        """Publish fires now, each with its local time. Returns for each one when that was done, or why it was not.

        *tokens* are those of tracked fires: of all of *timed*, or there are none.

        Small events go together. A tenant's large ones take turns with those of other tenants.

        Raises:
            Unavailable: the inputs cannot be read.
        """
        sizes = [event_size(records[fire.key]) for fire, _ in timed]
        by_owner: dict[str, list[int]] = {}
        for index, size in enumerate(sizes):
            is_small = size <= ENVELOPE_BYTES + MAX_INLINE_BYTES
            by_owner.setdefault("" if is_small else timed[index][0].tenant, []).append(index)

        async def publish(owner: str, portion: Sequence[int]) -> list[tuple[int, Instant | Refusal]]:
            async with self._budget.hold(owner, sum(sizes[index] for index in portion)):
                ended = await self._publish([timed[index] for index in portion], records, attempt, tokens)
            return list(zip(portion, ended, strict=True))

        done = await all_of(
            publish(owner, portion)
            for owner, indexes in by_owner.items()
            for portion in portions(indexes, size=sizes.__getitem__, total=PORTION_BYTES, count=len(indexes))
        )
        if len(done) == 1:
            return [how for _, how in done[0]]
        return [how for _, how in sorted(chain.from_iterable(done), key=itemgetter(0))]

    async def _publish(
        self,
        timed: Sequence[tuple[Fire, str]],
        records: Mapping[Key, FireRecord],
        attempt: int,
        tokens: Mapping[Fire, str],
    ) -> list[Instant | Refusal]:
        # A fire whose input is gone is tried again, and the next round reads its schedule anew.
        apart = {fire.key: records[fire.key] for fire, _ in timed if records[fire.key].input is not None}
        inputs = await read_inputs(self._store, list(apart.values()), gone="its input is no longer stored")
        there = [one for one in timed if one[0].key not in inputs.unreadable] if inputs.unreadable else timed
        events = [
            fired(
                records[fire.key],
                fire,
                attempt=attempt,
                local_time=local_time,
                apart=inputs.found.get(fire.key),
                run_token=tokens[fire] if tokens else UNSET,
            )
            for fire, local_time in there
        ]
        refusals = await self._publisher.try_each(events)
        now = self._clock.now()
        ended: list[Instant | Refusal] = [now] * len(events)
        for refusal in refusals:
            ended[refusal.index] = refusal
        if there is timed:
            return ended
        published = iter(ended)
        return [
            Refusal(index=0, code="Unreadable", message=inputs.unreadable[fire.key])
            if fire.key in inputs.unreadable
            else next(published)
            for fire, _ in timed
        ]


def event_size(record: FireRecord) -> int:
    """Bytes of the event of a fire of *record*, at most."""
    schedule = record.schedule
    assert schedule is not None  # noqa: S101  # only fires of schedules that exist are published
    given = len(bytes(schedule.input)) if record.input is None else record.input.size
    return ENVELOPE_BYTES + given + (len(msgspec.json.encode(schedule.labels)) if schedule.labels else 0)
