"""Deliver what a change leaves to the registrar: fires before the handoff, and notices of what does not fire.

The change notes in the record that they are *pending*, and the note is taken away last. Whoever finds it delivers all
of them again, as the registrar that noted it may have died. An outage of the bus must not fill the queue: fires that
were sent before the bus refused a notice are not sent again with each try.
"""

from __future__ import annotations

from msgspec.structs import replace

from eventcron.app.backfill import BackfillCommands
from eventcron.app.completion import Completion
from eventcron.app.delivery import NAMED_SKIPS, PackSender, Publisher, expires_at
from eventcron.errors import Unavailable
from eventcron.model.events import SkipNotice
from eventcron.model.records import Record
from eventcron.ports import Clock, PublishedPacks, ScheduleStore
from eventcron.rules.handover import handover
from eventcron.rules.packing import pack_fires
from eventcron.settings import Settings
from eventcron.wire.encode import skipped

#: How often, and how many milliseconds apart, a record is read while another registrar delivers its pending fires. A
#: send of a hundred packs takes well under a second.
DELIVERY_TRIES = 20
DELIVERY_PAUSE_MS = 100


class PendingFires:
    """Delivers what records leave to the registrar."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: ScheduleStore,
        backfills: BackfillCommands,
        packs: PublishedPacks,
        sender: PackSender,
        publisher: Publisher,
        settings: Settings,
    ) -> None:
        self._clock = clock
        self._store = store
        self._backfills = backfills
        self._packs = packs
        self._sender = sender
        self._publisher = publisher
        self._completion = Completion(clock=clock, store=store, publisher=publisher, settings=settings)
        self._settings = settings

    async def wait_for(self, stored: Record | None) -> Record | None:
        """The stored record, with nothing pending; *stored* is as it was read last.

        If fires are pending, wait for the other registrar to deliver them. After ``DELIVERY_TRIES``, deliver them here,
        because a command is about to replace the record.

        Raises:
            Unavailable: something could not be delivered. It is pending still.
        """
        for _ in range(DELIVERY_TRIES):
            if stored is None or stored.pending is None:
                return stored
            await self._clock.sleep_until(self._clock.now() + DELIVERY_PAUSE_MS)
            stored = (await self._store.get([stored.key])).get(stored.key)
        if stored is None or stored.pending is None:
            return stored
        await self.deliver(stored, is_sent=await self._is_sent(stored))
        return replace(stored, pending=None)

    async def deliver(self, record: Record, *, is_sent: bool = False) -> list[SkipNotice]:
        """Send the fires and publish the skips that *record* leaves to the registrar, then clear ``pending``.

        Returns the first ``NAMED_SKIPS`` skips. *is_sent*: its fires were sent before.

        Raises:
            Unavailable: something could not be delivered. It is pending still.
        """
        if record.pending is None:
            return []
        now = self._clock.now()
        lead_ms = self._settings.lead_seconds * 1000
        skips: list[SkipNotice] = []
        is_over = False
        for part in handover(record, now=now, remainder=await self._backfills.open_catch_up(record)):
            if not is_sent:
                packs = pack_fires(part.fires, size=self._settings.pack_size)
                await self._sender.send(packs, visible_at=lambda pack: pack.at - lead_ms)
            skips += part.skips
            is_over = part.is_over
        try:
            await self._publisher.publish([skipped(notice, now=now) for notice in skips])
            if is_over:
                await self._completion.complete(record)
        except Unavailable:
            if not is_sent:
                await self._note_sent(record)
            raise
        # Last: if this registrar dies before, the next command finds the fires pending and delivers all of them again.
        await self._store.clear_pending(record.key, revision=record.revision)
        return skips[:NAMED_SKIPS]

    async def _is_sent(self, record: Record) -> bool:
        return bool(await self._packs.published([_handover_id(record)]))

    async def _note_sent(self, record: Record) -> None:
        now = self._clock.now()
        expires = expires_at(now, self._settings.ledger_days)
        await self._packs.record(_handover_id(record), now=now, expires=expires)


def _handover_id(record: Record) -> str:
    """What the ledger knows the fires of *record* by, all together. No pack has such an id."""
    return f"handover:{record.key}:{record.revision}"
