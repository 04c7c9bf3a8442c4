"""Gather what is known about a schedule at an instant: what is stored, kept and planned, and what is a dead letter."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from eventcron.app.redrive import Redrive
from eventcron.app.use_cases import UseCases
from eventcron.errors import EventcronError, Undecodable
from eventcron.model.history import EntryKind, HistoryEntry
from eventcron.model.names import Instant, Key, Window
from eventcron.model.records import Record
from eventcron.model.why import DeadFire, Known, Verdict
from eventcron.rules.why import due_instants, explain
from eventcron.rules.why_runs import lanes_of
from eventcron.timing.hashing import segment_of
from eventcron.wire.encode import decode_pack

#: Dead letters of a queue that are looked at. Those beyond are said not to have been.
MAX_DEAD_LETTERS = 200
#: Entries that are read of the instants in question; each has a fire, its outcome, and now and then a change.
MAX_ABOUT = 2_000
#: Entries before them among which a notice of several skipped occurrences is looked for.
MAX_ENTRIES = 500
#: Milliseconds. A notice of skipped occurrences may be of a span that began long before.
SPAN_MS = 400 * 86_400_000
DAY_MS = 86_400_000
#: Kinds of entries that are about an occurrence.
OF_OCCURRENCES = frozenset({EntryKind.FIRED, EntryKind.SKIPPED, EntryKind.FAILED})


class _Named(Struct, frozen=True):
    tenant: str = ""
    name: str = ""


class _Command(Struct):
    detail: _Named = _Named()


_command = msgspec.json.Decoder(_Command)


class Why:
    """Answers why a schedule did or did not fire. Reads only.

    It is none of ``UseCases``: no function needs it, and it imports what explains expressions.
    """

    def __init__(self, cases: UseCases) -> None:
        self._clock = cases.clock
        self._store = cases.store
        self._leases = cases.leases
        self._past = cases.past
        self._runs = cases.runs
        self._settings = cases.settings

    async def at(
        self, key: Key, at: Instant | None, *, fires: Redrive | None = None, commands: Redrive | None = None
    ) -> Verdict:
        """Why *key* did or did not fire at *at*; None: at the last instant at which it was due.

        *fires* and *commands* are the dead letters to look among. They stay where they are.

        Raises:
            Undecodable: this release cannot read what is stored.
            Unavailable: a service refused.
        """
        record = await self._record(key)
        if at is None:
            now = self._clock.now()
            due = [] if record is None else due_instants(record, Window(0, now + 1), limit=1)
            at = due[-1] if due else now // 1000 * 1000
        (verdict,) = await self._explain(key, record, [at], fires=fires, commands=commands)
        return verdict

    async def since(
        self,
        key: Key,
        since: Instant,
        *,
        limit: int,
        fires: Redrive | None = None,
        commands: Redrive | None = None,
    ) -> list[Verdict]:
        """Why *key* did or did not fire at the last *limit* instants from *since* until now at which it was due.

        Those that are kept of definitions which are no longer stored are among them. If it was never due, the answer
        is the one about *since*.

        Raises:
            Undecodable, Unavailable: as ``at``.
        """
        record = await self._record(key)
        window = Window(since, self._clock.now() + 1)
        instants = set() if record is None else set(due_instants(record, window, limit=limit))
        if self._past.is_kept:
            async for entry in self._past.entries(key, window, limit=MAX_ENTRIES):
                if entry.kind in OF_OCCURRENCES:
                    instants.add(entry.at)
        return await self._explain(key, record, sorted(instants)[-limit:] or [since], fires=fires, commands=commands)

    async def _record(self, key: Key) -> Record | None:
        return (await self._store.get([key])).get(key)

    async def _explain(
        self,
        key: Key,
        record: Record | None,
        instants: Sequence[Instant],
        *,
        fires: Redrive | None,
        commands: Redrive | None,
    ) -> list[Verdict]:
        unseen: list[str] = []
        dead_fires = await _dead_fires(fires, key, unseen)
        dead_commands = await _dead_commands(commands, key, unseen) if record is None else []
        lanes = await self._runs.get(lanes_of(key, instants))
        about, spans = await self._kept(key, Window(instants[0], instants[-1] + 1))
        now = self._clock.now()
        planned_through = await self._leases.planned_through(segment_of(key, self._settings.segments))
        return [
            explain(
                Known(
                    key=key,
                    at=at,
                    now=now,
                    record=record,
                    entries=[*(one for one in about if one.at == at), *spans],
                    keeps=self._past.keeps,
                    kept_since=now - self._past.days * DAY_MS,
                    dead_fires=dead_fires,
                    dead_commands=dead_commands,
                    lanes=[*lanes.values()],
                    planned_through=planned_through,
                    unseen=unseen,
                )
            )
            for at in instants
        ]

    async def _kept(self, key: Key, window: Window) -> tuple[list[HistoryEntry], list[HistoryEntry]]:
        """What is kept about the instants in *window*, and the notices of spans that may have some of them."""
        if not self._past.is_kept:
            return [], []
        about = [one async for one in self._past.entries(key, window, limit=MAX_ABOUT)]
        before = Window(max(0, window.start - SPAN_MS), window.start)
        earlier = [one async for one in self._past.entries(key, before, limit=MAX_ENTRIES)]
        return about, [one for one in (*about, *earlier) if one.kind is EntryKind.SKIPPED and one.detail["count"] > 1]


async def _dead_fires(redrive: Redrive | None, key: Key, unseen: list[str]) -> list[DeadFire]:
    """The fires of *key* among the dead letters."""
    found = []
    for body, reason in await _dead_letters(redrive, "fires", unseen):
        try:
            pack = decode_pack(body)
        except Undecodable:
            continue  # nobody can read of which schedule it is
        found += [DeadFire(fire.due, reason) for fire in pack.fires if fire.key == key]
    return found


async def _dead_commands(redrive: Redrive | None, key: Key, unseen: list[str]) -> list[str]:
    """Why commands about *key* are dead letters."""
    found = []
    for body, reason in await _dead_letters(redrive, "commands", unseen):
        try:
            named = _command.decode(body).detail
        except msgspec.DecodeError:
            continue  # as above
        if Key(named.tenant, named.name) == key:
            found.append(reason)
    return found


async def _dead_letters(redrive: Redrive | None, queue: str, unseen: list[str]) -> list[tuple[str, str]]:
    """Body and reason of each dead letter. What could not be looked at is added to *unseen*."""
    if redrive is None:
        return []
    try:
        found = await redrive.look(limit=MAX_DEAD_LETTERS)
    except EventcronError as error:
        unseen.append(f"the dead letters of {queue} could not be looked at: {error}")
        return []
    if len(found) == MAX_DEAD_LETTERS:
        unseen.append(
            f"only {MAX_DEAD_LETTERS} dead letters of {queue} were looked at; `eventcron redrive show` has all"
        )
    return [(dead_letter.body, dead_letter.reason) for dead_letter in found]
