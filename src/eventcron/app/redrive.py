"""List, re-send and delete dead letters. A dead letter is deleted only after it has been re-sent or recorded.

A crash between the two can duplicate a message, never lose it. A duplicate command changes nothing. A pack is re-sent
under an id made from the dead letter's id, so the ledger recognises a duplicate pack.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from eventcron.app.concurrency import all_of
from eventcron.errors import EventcronError
from eventcron.ports import Clock, DeadLetter, DeadLetterQueue
from eventcron.wire.encode import decode_pack, encode_pack

#: Dead letters received at once: the most that SQS ReceiveMessage returns.
BATCH = 10
#: Seconds for which received dead letters stay hidden: a whole batch at the slowest rate takes 100 seconds.
HIDE_SECONDS = 120
#: The slowest rate, in dead letters a second. At this rate a batch is handled before it becomes visible again.
SLOWEST = 0.1


class RedriveReport(Struct, kw_only=True):
    """What a run did."""

    #: How many dead letters were re-sent or deleted.
    done: int = 0
    #: The reason for each dead letter that was not, by id.
    failed: dict[str, str] = msgspec.field(default_factory=dict)
    #: Requested ids that are not in the queue.
    missing: list[str] = msgspec.field(default_factory=list)


def _ignore(_done: int) -> None:
    """Discard the progress: the default for ``on_progress``."""


class Redrive:
    """Handles the dead letters of one queue. *name* is ``commands``, ``fires``, ``segments`` or ``targets``.

    Each method handles at most *limit* dead letters. With *ids*, it handles only the dead letters with those ids.
    """

    def __init__(self, *, clock: Clock, queue: DeadLetterQueue, name: str) -> None:
        self._clock = clock
        self._queue = queue
        self._name = name

    async def waiting(self) -> int:
        """Return about how many dead letters are in the queue."""
        return await self._queue.waiting()

    async def look(self, *, limit: int, ids: Collection[str] = ()) -> list[DeadLetter]:
        """Return dead letters, in unspecified order. They stay in the queue."""
        found: list[DeadLetter] = []

        async def collect(dead_letter: DeadLetter) -> bool:
            found.append(dead_letter)
            return False

        await self._each(collect, limit=limit, ids=ids)
        return found

    async def send(
        self,
        *,
        limit: int,
        ids: Collection[str] = (),
        per_second: float,
        on_progress: Callable[[int], None] = _ignore,
    ) -> RedriveReport:
        """Re-send dead letters to where they came from, *per_second* at most. *per_second* is at least ``SLOWEST``."""
        report = RedriveReport()
        free_at = self._clock.now()

        async def send(dead_letter: DeadLetter) -> bool:
            nonlocal free_at
            await self._clock.sleep_until(free_at)
            free_at = self._clock.now() + round(1000 / per_second)
            try:
                await self._queue.send_back(dead_letter, self._body(dead_letter))
            except EventcronError as error:
                report.failed[dead_letter.id] = str(error)
                return False
            report.done += 1
            on_progress(report.done)
            return True

        report.missing = await self._each(send, limit=limit, ids=ids)
        return report

    async def drop(
        self,
        *,
        limit: int,
        ids: Collection[str] = (),
        record: Callable[[DeadLetter], None],
        on_progress: Callable[[int], None] = _ignore,
    ) -> RedriveReport:
        """Delete dead letters. Each one is deleted only after *record* has saved it and returned."""
        report = RedriveReport()

        async def drop(dead_letter: DeadLetter) -> bool:
            record(dead_letter)
            report.done += 1
            on_progress(report.done)
            return True

        report.missing = await self._each(drop, limit=limit, ids=ids)
        return report

    async def _each(
        self, handle: Callable[[DeadLetter], Awaitable[bool]], *, limit: int, ids: Collection[str]
    ) -> list[str]:
        """Call *handle* with each dead letter. Delete those for which it returns True, show the others again.

        A dead letter is handled at most once, so a run ends even if a re-sent message comes back meanwhile.
        Returns those of *ids* that were not found.
        """
        met: set[str] = set()
        wanted = set(ids)
        unhandled: list[DeadLetter] = []
        handled = 0
        try:
            while handled < limit and (wanted or not ids):
                batch = await self._queue.take(BATCH, seconds=HIDE_SECONDS)
                if not {dead_letter.id for dead_letter in batch} - met:
                    unhandled += batch
                    break
                for dead_letter in batch:
                    requested = not ids or dead_letter.id in wanted
                    selected = requested and dead_letter.id not in met and handled < limit
                    met.add(dead_letter.id)
                    wanted.discard(dead_letter.id)
                    handled += selected
                    if selected and await handle(dead_letter):
                        await self._queue.remove(dead_letter)
                    else:
                        unhandled.append(dead_letter)
        finally:
            for dead_letter in unhandled:
                await self._queue.put_back(dead_letter)
        return sorted(wanted)

    def _body(self, dead_letter: DeadLetter) -> str:
        """Return the body to re-send.

        A pack gets a new id. The ledger may have recorded the old one, and the executor would then ignore the pack.
        """
        if self._name != "fires":
            return dead_letter.body
        pack = decode_pack(dead_letter.body)
        return encode_pack(replace(pack, id=f"{pack.id}-{dead_letter.id}", attempt=1))


async def waiting_in(queues: Sequence[str], redrive: Callable[[str, str | None], Awaitable[Redrive]]) -> dict[str, int]:
    """About how many dead letters each of *queues* has. *redrive* gives those of one; see ``Operations``."""
    opened = [await redrive(queue, None) for queue in queues]
    return dict(zip(queues, await all_of(one.waiting() for one in opened), strict=True))
