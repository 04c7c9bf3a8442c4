"""Publish the events of fires in portions, so that their inputs are in memory a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from eventcron.app.concurrency import all_of
from eventcron.app.delivery import Publisher
from eventcron.app.portions import Budget, portions
from eventcron.app.reading import read_inputs
from eventcron.model.events import Event
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Key
from eventcron.model.records import FireRecord
from eventcron.ports import Clock, Refusal, ScheduleStore
from eventcron.rules.inputs import MAX_INLINE_BYTES
from eventcron.rules.judging import Timed
from eventcron.wire.encode import fired

#: Bytes of events that are made and published at once: four calls of PutEvents.
PORTION_BYTES = 1_000_000
#: Bytes of events that all packs of a process hold at once. An event is there about eight times, from the input as it
#: is read to the request as it is sent: 64 MB.
TOTAL_BYTES = 8_000_000
#: Bytes of an event without input and labels, at most.
ENVELOPE_BYTES = 2_000
#: Bytes of a small event at most: its schedule has an input that is stored with it.
SMALL_BYTES = ENVELOPE_BYTES + 4 * MAX_INLINE_BYTES


#: The fires are not tracked.
NO_TOKENS: Mapping[Fire, str] = MappingProxyType({})


class Made(NamedTuple):
    """Fires whose events wait for their instant."""

    fires: Sequence[Fire]
    events: Sequence[Event]
    #: Those that are needed after the events are published: of a last fire, and for the labels of one that fails.
    records: Mapping[Key, FireRecord]
    #: Bytes of the events, at most.
    size: int


class FireEvents:
    """Publishes the events of fires. Inputs that are stored apart are read here, and nowhere else."""

    def __init__(self, *, clock: Clock, store: ScheduleStore, publisher: Publisher) -> None:
        self._clock = clock
        self._store = store
        self._publisher = publisher
        self._budget = Budget(TOTAL_BYTES)
        #: For events that wait for their instant.
        self._ahead = Budget(TOTAL_BYTES)

    @contextmanager
    def ahead(self, timed: Sequence[Timed], *, attempt: int) -> Iterator[Made | None]:
        """The events of untracked fires, made before their instant.

        None: one may be large, or needs an input that is not read yet, or there is no room for them now.
        """
        sizes = [event_size(record) if record.input is None else SMALL_BYTES + 1 for _, record, _ in timed]
        size = sum(sizes)
        fits = size <= PORTION_BYTES and max(sizes, default=0) <= SMALL_BYTES
        held = self._ahead.hold_now(size) if fits else None
        if held is None:
            yield None
            return
        try:
            events = [fired(record, fire, attempt=attempt, local_time=local) for fire, record, local in timed]
            # What is published has a schedule.
            needed = {record.key: record for fire, record, _ in timed if fire.last or record.schedule.labels}  # type: ignore[union-attr]
            made = Made([fire for fire, _, _ in timed], events, needed, size)
            del timed  # else it would hold the records
            yield made
        finally:
            held.shrink(0)

    async def publish_made(self, made: Made) -> list[Instant | Refusal]:
        """As ``publish``, for fires whose events are made."""
        async with self._budget.hold("", made.size):
            return await self._try(made.events)

    async def publish(
        self, timed: Sequence[Timed], *, attempt: int, tokens: Mapping[Fire, str] = NO_TOKENS
    ) -> list[Instant | Refusal]:
        """Publish fires now. Returns for each one when that was done, or why it was not.

        *tokens* has the token of every fire of *timed*, or is empty: the fires are not tracked.

        Small events go together. A tenant's large ones take turns with those of other tenants.

        Raises:
            Unavailable: the inputs cannot be read.
        """
        sizes = [event_size(record) for _, record, _ in timed]
        if sum(sizes) <= PORTION_BYTES and max(sizes, default=0) <= SMALL_BYTES:
            return await self._publish("", timed, sum(sizes), attempt, tokens)
        by_owner: dict[str, list[int]] = {}
        for index, size in enumerate(sizes):
            by_owner.setdefault("" if size <= SMALL_BYTES else timed[index][0].tenant, []).append(index)
        parts = [
            (owner, portion)
            for owner, indexes in by_owner.items()
            for portion in portions(indexes, size=sizes.__getitem__, total=PORTION_BYTES, count=len(indexes))
        ]
        done = await all_of(
            self._publish(owner, [timed[index] for index in part], sum(sizes[index] for index in part), attempt, tokens)
            for owner, part in parts
        )
        ended = dict(zip(chain.from_iterable(part for _, part in parts), chain.from_iterable(done), strict=True))
        return [ended[index] for index in range(len(timed))]

    async def _publish(
        self, owner: str, timed: Sequence[Timed], size: int, attempt: int, tokens: Mapping[Fire, str]
    ) -> list[Instant | Refusal]:
        """Publish one portion, as soon as there is room for its *size*."""
        async with self._budget.hold(owner, size):
            # A fire whose input is gone is tried again, and the next round reads its schedule anew.
            apart = {record.key: record for _, record, _ in timed if record.input is not None}
            inputs = await read_inputs(self._store, list(apart.values()), gone="its input is no longer stored")
            gone = inputs.unreadable
            events = [
                fired(
                    record,
                    fire,
                    attempt=attempt,
                    local_time=local,
                    apart=inputs.found.get(fire.key) if apart else None,
                    run_token=tokens[fire] if tokens else UNSET,
                )
                for fire, record, local in timed
                if not gone or fire.key not in gone
            ]
            ended = await self._try(events)
        if not gone:
            return ended
        published = iter(ended)
        return [
            Refusal(index=0, code="Unreadable", message=gone[fire.key]) if fire.key in gone else next(published)
            for fire, _, _ in timed
        ]

    async def _try(self, events: Sequence[Event]) -> list[Instant | Refusal]:
        """Publish *events*. Returns for each one when that was done, or why it was not."""
        refusals = await self._publisher.try_each(events)
        ended: list[Instant | Refusal] = [self._clock.now()] * len(events)
        for refusal in refusals:
            ended[refusal.index] = refusal
        return ended


def event_size(record: FireRecord) -> int:
    """Bytes of the event of a fire of *record*, at most."""
    schedule = record.schedule
    if schedule is None or (record.input is None and ENVELOPE_BYTES + record.size <= SMALL_BYTES):
        return ENVELOPE_BYTES + record.size  # of a record without what is in no event, this is a few hundred too many
    given = len(bytes(schedule.input)) if record.input is None else record.input.size
    return ENVELOPE_BYTES + given + (len(msgspec.json.encode(schedule.labels)) if schedule.labels else 0)
