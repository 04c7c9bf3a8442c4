"""Dead letters: looked at, sent back, dropped. None is removed before it is certain that it was taken elsewhere.

A crash between sending and removing sends a letter twice. A command that comes twice changes nothing the second time;
a pack goes out under an id made of the letter's own, so the ledger knows the second one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from eventcron.errors import EventcronError
from eventcron.ports import Clock, DeadLetter, DeadLetterQueue
from eventcron.wire.encode import decode_pack, encode_pack

#: Letters taken at once.
BATCH = 10
#: Seconds for which letters in hand are hidden: a batch at the slowest rate, one in ten seconds, and some.
HIDE_SECONDS = 120
#: Letters a second at least, so that a batch is dealt with before it shows again.
SLOWEST = 0.1


class RedriveReport(Struct, kw_only=True):
    """What a run did: how many letters it dealt with, and which it could not, with the reason."""

    done: int = 0
    failed: dict[str, str] = msgspec.field(default_factory=dict)
    #: Ids asked for that were not found.
    missing: list[str] = msgspec.field(default_factory=list)


def _ignore(_done: int) -> None:
    """What happens to progress nobody asked for."""


class Redrive:
    """Deals with the letters of one queue: ``commands``, ``fires`` or ``targets``.

    With *ids*, each method deals with those letters only; *limit* bounds how many in any case.
    """

    def __init__(self, *, clock: Clock, box: DeadLetterQueue, queue: str) -> None:
        self._clock = clock
        self._box = box
        self._queue = queue

    async def waiting(self) -> int:
        """About how many letters there are."""
        return await self._box.waiting()

    async def look(self, *, limit: int, ids: Collection[str] = ()) -> list[DeadLetter]:
        """Letters, in unspecified order. They stay, and are shown to others again."""
        letters: list[DeadLetter] = []

        async def keep(letter: DeadLetter) -> bool:
            letters.append(letter)
            return False

        await self._each(keep, limit=limit, ids=ids)
        return letters

    async def send(
        self,
        *,
        limit: int,
        ids: Collection[str] = (),
        per_second: float,
        on_progress: Callable[[int], None] = _ignore,
    ) -> RedriveReport:
        """Send letters back to where they came from, at most *per_second* of them, which is at least ``SLOWEST``."""
        dealt = RedriveReport()
        free_at = self._clock.now()

        async def send(letter: DeadLetter) -> bool:
            nonlocal free_at
            await self._clock.sleep_until(free_at)
            free_at = self._clock.now() + round(1000 / per_second)
            try:
                await self._box.send_back(letter, self._body(letter))
            except EventcronError as error:
                dealt.failed[letter.id] = str(error)
                return False
            dealt.done += 1
            on_progress(dealt.done)
            return True

        dealt.missing = await self._each(send, limit=limit, ids=ids)
        return dealt

    async def drop(
        self,
        *,
        limit: int,
        ids: Collection[str] = (),
        record: Callable[[DeadLetter], None],
        on_progress: Callable[[int], None] = _ignore,
    ) -> RedriveReport:
        """Remove letters, each once *record* has returned, and so has it safe."""
        dealt = RedriveReport()

        async def drop(letter: DeadLetter) -> bool:
            record(letter)
            dealt.done += 1
            on_progress(dealt.done)
            return True

        dealt.missing = await self._each(drop, limit=limit, ids=ids)
        return dealt

    async def _each(
        self, deal: Callable[[DeadLetter], Awaitable[bool]], *, limit: int, ids: Collection[str]
    ) -> list[str]:
        """Hand letters to *deal*; those it is done with are removed, all others are shown again in the end.

        No letter is met twice, so what comes back here while it is being sent does not keep the run going for ever.
        Returns those of *ids* that were not found.
        """
        met: set[str] = set()
        wanted = set(ids)
        kept: list[DeadLetter] = []
        handled = 0
        try:
            while handled < limit and (wanted or not ids):
                batch = await self._box.take(BATCH, seconds=HIDE_SECONDS)
                if not {letter.id for letter in batch} - met:
                    kept += batch
                    break
                for letter in batch:
                    asked = letter.id not in met and handled < limit and (not ids or letter.id in wanted)
                    met.add(letter.id)
                    wanted.discard(letter.id)
                    handled += asked
                    if asked and await deal(letter):
                        await self._box.remove(letter)
                    else:
                        kept.append(letter)
        finally:
            for letter in kept:
                await self._box.put_back(letter)
        return sorted(wanted)

    def _body(self, letter: DeadLetter) -> str:
        """What is sent in place of *letter*.

        A pack gets an id of its own: the ledger may know the one it died under, and would have it left alone.
        """
        if self._queue != "fires":
            return letter.body
        pack = decode_pack(letter.body)
        return encode_pack(replace(pack, id=f"{pack.id}-{letter.id}", attempt=1))
