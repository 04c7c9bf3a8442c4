"""``ScheduleStore`` in memory, with an index that may lag."""

from __future__ import annotations

import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.names import Instant, Key
from eventcron.model.records import FireRecord, IndexEntry, InputRef, Record, State, StoredInput
from eventcron.ports import Clock, IsQuiet, Page
from eventcron.rules.inputs import KEPT_MS, set_apart
from eventcron.rules.limits import QUIET_MS, occupies, too_many
from eventcron.rules.planning import index_entry
from eventcron.rules.quiet import is_left_out

#: Versions of a record that the index can still show. More are never written within the lags that are tested.
HISTORY = 16

_cursor = msgspec.json.Decoder(tuple[int, str, str])


class Version(NamedTuple):
    """A record as it was from an instant on; None: there was no record."""

    written: Instant
    record: Record | None


def latest(versions: Sequence[Version]) -> Version:
    """An index without lag."""
    return versions[-1]


class MemoryScheduleStore:
    """Schedules by key, and the index ``plan`` over them.

    *visible* picks, from a record's versions in order of writing, the one that the index shows.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        page_size: int = 1_000,
        visible: Callable[[Sequence[Version]], Version] = latest,
        pause: Pause = yield_once,
    ) -> None:
        self._clock = clock
        self._page_size = page_size
        self._visible = visible
        self._pause = pause
        self._records: dict[Key, Record] = {}
        #: Large inputs, by schedule and place.
        self._inputs: dict[tuple[Key, str], tuple[StoredInput, msgspec.Raw]] = {}
        #: Schedules of each tenant, as they are counted, and when that was changed.
        self._counts: dict[str, tuple[int, Instant]] = {}
        self._versions: dict[Key, deque[Version]] = {}
        #: All keys that were ever in a segment: the keys at which a query looks.
        self._members: defaultdict[int, set[Key]] = defaultdict(set)

    @property
    def records(self) -> Mapping[Key, Record]:
        """Everything stored, tombstones included."""
        return self._records

    async def get(self, keys: Sequence[Key]) -> dict[Key, Record]:
        await self._pause("get.before")
        found = {key: self._records[key] for key in keys if key in self._records}
        await self._pause("get.after")
        return found

    async def get_to_fire(self, keys: Sequence[Key]) -> tuple[dict[Key, Record], frozenset[Key]]:
        return await self.get(keys), frozenset()

    async def put(self, record: Record, *, replacing: int | None, added: int = 0, limit: int = 0) -> bool:
        await self._pause("put.before")
        if added > 0:
            if limit and self._counted(record.tenant)[0] >= limit:
                raise too_many(record.key, limit)
            await self._change_count(record.tenant, 1)
        stored = self._records.get(record.key)
        taken = (stored.revision if stored else None) == replacing
        taken = taken and (stored is None or _is_noted_in(record, *_noted(stored)))
        taken = taken and (stored is None or occupies(stored) == (occupies(record) - added > 0))
        record, given = set_apart(record)
        if given is not None and record.input is not None:
            written = StoredInput(key=record.key, id=record.input.id, written=self._clock.now())
            self._inputs[record.key, record.input.id] = (written, given)
        if taken:
            self._write(record)
        needless = (stored.input if stored else None) if taken else (record.input if given is not None else None)
        self._let_go(record.key, needless)
        await self._pause("put.after")
        if (added < 0) if taken else (added > 0):
            await self._change_count(record.tenant, -1)
        return taken

    async def note_put(self, key: Key, *, revision: int, put_revision: int, state_revision: int) -> bool:
        await self._pause("note_put.before")
        stored = self._records.get(key)
        noted = stored is not None and stored.revision == revision
        if stored is not None and noted:
            last = msgspec.structs.replace(
                stored.last_commands, put_revision=put_revision, state_revision=state_revision
            )
            after = msgspec.structs.replace(stored, last_commands=last)
            noted = _is_noted_in(after, *_noted(stored))
            if noted:
                self._write(after)
        await self._pause("note_put.after")
        return noted

    async def read_inputs(self, records: Sequence[FireRecord]) -> dict[Key, msgspec.Raw]:
        await self._pause("read_inputs.before")
        places = [(record.key, record.input.id) for record in records if record.input is not None]
        found = {place[0]: self._inputs[place][1] for place in places if place in self._inputs}
        await self._pause("read_inputs.after")
        return found

    async def drop_input(self, stored: StoredInput) -> bool:
        await self._pause("drop_input.before")
        place = (stored.key, stored.id)
        same = place in self._inputs and self._inputs[place][0].written == stored.written
        if same:
            del self._inputs[place]
        await self._pause("drop_input.after")
        return same

    async def clear_pending(self, key: Key, *, revision: int) -> bool:
        await self._pause("clear_pending.before")
        stored = self._records.get(key)
        cleared = stored is not None and stored.revision == revision
        if stored is not None and cleared:
            self._write(msgspec.structs.replace(stored, pending=None))
        await self._pause("clear_pending.after")
        return cleared

    async def move_wake(self, entry: IndexEntry, wake: Instant | None, *, handoff: Instant | None = None) -> bool:
        await self._pause("move_wake.before")
        stored = self._records.get(entry.key)
        moved = stored is not None and (stored.revision, stored.wake) == (entry.revision, entry.wake)
        if stored is not None and moved:
            segment = None if wake is None else stored.segment
            since = stored.handoff if handoff is None or wake is None else handoff
            self._write(msgspec.structs.replace(stored, segment=segment, wake=wake, handoff=since))
        await self._pause("move_wake.after")
        return moved

    async def complete(self, key: Key, *, revision: int, expires: int | None) -> bool:
        await self._pause("complete.before")
        stored = self._records.get(key)
        completed = stored is not None and (stored.revision, stored.state) == (revision, State.ENABLED)
        if stored is not None and completed:
            self._write(msgspec.structs.replace(stored, state=State.COMPLETED, expires=expires))
        await self._pause("complete.after")
        if completed and expires is not None:
            await self._change_count(key.tenant, -1)
        return completed

    async def count(self, tenant: str) -> int:
        await self._pause("count.before")
        counted = self._counted(tenant)[0]
        await self._pause("count.after")
        return counted

    async def recount(self, tenant: str) -> int:
        await self._pause("recount.before")
        counted, changed = self._counted(tenant)
        there = sum(occupies(record) for key, record in self._records.items() if key.tenant == tenant)
        right = there == counted or changed > self._clock.now() - QUIET_MS
        if not right:
            self._counts[tenant] = there, self._clock.now()
        await self._pause("recount.after")
        return 0 if right else counted - there

    async def repair(self, record: Record, *, was: Record) -> bool:
        await self._pause("repair.before")
        stored = self._records.get(record.key)
        same = stored is not None and _place(stored) == _place(was)
        if stored is not None and same:
            self._write(msgspec.structs.replace(stored, eras=record.eras, segment=record.segment, wake=record.wake))
        await self._pause("repair.after")
        return same

    async def delete_expired(self, record: Record) -> bool:
        await self._pause("delete_expired.before")
        stored = self._records.get(record.key)
        same = stored is not None and (stored.revision, stored.expires) == (record.revision, record.expires)
        same = same and record.expires is not None
        if same:
            del self._records[record.key]
            self._versions[record.key].append(Version(self._clock.now(), None))
        await self._pause("delete_expired.after")
        return same

    async def read_index(
        self, segment: int, *, before: Instant, cursor: str | None = None, is_quiet: IsQuiet | None = None
    ) -> Page[IndexEntry]:
        await self._pause("read_index.before")
        after = None if cursor is None else _cursor.decode(cursor)
        shown = (record for record in map(self._shown, self._members[segment]) if record is not None)
        awake = [
            ((record.wake, *record.key), record)
            for record in shown
            if record.segment == segment and record.wake is not None and record.wake < before
        ]
        found = sorted((item for item in awake if after is None or item[0] < after), reverse=True)
        page = found[: self._page_size]
        further = len(found) > len(page)
        await self._pause("read_index.after")
        entries = [_entry(record) for _, record in page]
        items = [entry for entry in entries if is_quiet is None or not is_left_out(entry, is_quiet)]
        cursor = msgspec.json.encode(page[-1][0]).decode() if further else None
        return Page(items, cursor, left_out=len(entries) - len(items))

    def cursor_after(self, segment: int, entry: IndexEntry) -> str:  # noqa: ARG002  # here each segment has its own
        return msgspec.json.encode((entry.wake, *entry.key)).decode()

    async def scan(self, part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
        await self._pause("scan.before")
        share = [key for key in self._records if zlib.crc32(str(key).encode()) % parts == part]
        page = self._page(share, cursor)
        if page.cursor is None:
            inputs = [stored for stored, _ in self._inputs.values()]
            page.inputs.extend(one for one in inputs if zlib.crc32(str(one.key).encode()) % parts == part)
            page.counted.extend(one for one in self._counts if zlib.crc32(one.encode()) % parts == part)
        await self._pause("scan.after")
        return page

    async def of_tenant(
        self, tenant: str, *, prefix: str = "", cursor: str | None = None, limit: int | None = None
    ) -> Page[Record]:
        await self._pause("of_tenant.before")
        names = [key for key in self._records if key.tenant == tenant and key.name.startswith(prefix)]
        after = None if cursor is None else str(Key(tenant, cursor))
        page = self._page(names, after, limit)
        await self._pause("of_tenant.after")
        return Page(page.items, page.items[-1].name if page.cursor is not None else None)

    def _counted(self, tenant: str) -> tuple[int, Instant]:
        return self._counts.get(tenant, (0, 0))

    async def _change_count(self, tenant: str, by: int) -> None:
        self._counts[tenant] = max(0, self._counted(tenant)[0] + by), self._clock.now()
        await self._pause("change_count.after")

    def _page(self, keys: Sequence[Key], cursor: str | None, limit: int | None = None) -> Page[Record]:
        """The page of *keys*, in order, that follows the key ``tenant/name`` in *cursor*."""
        after = Key(*cursor.split("/")) if cursor is not None else Key("", "")
        rest = sorted(key for key in keys if key > after)
        page = rest[: min(self._page_size, limit or self._page_size)]
        return Page([self._records[key] for key in page], str(page[-1]) if len(rest) > len(page) else None, [], [], [])

    def _let_go(self, key: Key, place: InputRef | None) -> None:
        """Let an input expire, unless the stored record refers to it."""
        stored = self._records.get(key)
        if place is None or (stored is not None and stored.input == place) or (key, place.id) not in self._inputs:
            return
        expires = (self._clock.now() + KEPT_MS) // 1000
        written, given = self._inputs[key, place.id]
        self._inputs[key, place.id] = (msgspec.structs.replace(written, expires=expires), given)

    def _write(self, record: Record) -> None:
        key = record.key
        self._records[key] = record
        versions = self._versions.setdefault(key, deque([Version(0, None)], maxlen=HISTORY))
        versions.append(Version(self._clock.now(), record))
        if record.segment is not None:
            self._members[record.segment].add(key)

    def _shown(self, key: Key) -> Record | None:
        return self._visible(self._versions[key]).record


def _place(record: Record) -> tuple[object, ...]:
    return record.revision, record.state, record.segment, record.wake


def _noted(record: Record) -> tuple[int, int]:
    return record.last_commands.put_revision, record.last_commands.state_revision


def _is_noted_in(record: Record, put_revision: int, state_revision: int) -> bool:
    """Whether *record* is as late as those puts."""
    last = record.last_commands
    return last.put_revision >= put_revision and last.state_revision >= state_revision


def _entry(record: Record) -> IndexEntry:
    """What the index projects of a record that has a wake."""
    if record.wake is None or record.schedule is None:
        raise AssertionError(f"{record.key} is in the index and has nothing to plan")
    return index_entry(record, record.era, handoff=record.handoff, wake=record.wake)
