"""What is stored, as programs read it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from eventcron.app.reading import ReadPage, pages, read_inputs
from eventcron.app.use_cases import UseCases
from eventcron.errors import InvalidSchedule, Undecodable
from eventcron.model.commands import Schedule
from eventcron.model.names import CalendarKey, Instant, Key, Unreadable
from eventcron.model.records import Calendar, Record, State
from eventcron.rules.inputs import whole
from eventcron.rules.upcoming import UpcomingFire, next_fires
from eventcron.timing.instant import rfc3339
from eventcron.timing.trigger import local_time

#: Schedules whose inputs are read at once: with the longest inputs 20 MB.
INPUTS_AT_ONCE = 100


class Stored(Struct, frozen=True, kw_only=True):
    """A schedule as it is stored."""

    #: As it was put, without ``state`` and ``revision``.
    schedule: Schedule
    state: State
    revision: int
    created: Instant
    #: The revision of the latest pause or resume; -1 = there was none.
    pause_revision: int = -1
    #: The canonical text of what fires; "" = nothing does.
    trigger: str = ""
    #: The next fires, if they were asked for.
    next_fires: Sequence[UpcomingFire] = ()

    @property
    def key(self) -> Key:
        return self.schedule.key


def as_object(stored: Stored) -> dict[str, Any]:
    """*stored* as JSON: ``schedule`` is what a put of it says."""
    return {
        "schedule": msgspec.json.decode(msgspec.json.encode(stored.schedule)),
        "state": str(stored.state),
        "revision": stored.revision,
        "created": rfc3339(stored.created),
        "next_fires": [
            {"at": rfc3339(one.at), "due": rfc3339(one.fire.due), "local_time": local_time(one.fire.due, one.timezone)}
            for one in stored.next_fires
        ],
    }


class Filter(Struct, frozen=True, kw_only=True):
    """Which schedules are listed. What is empty or None lets all pass."""

    tenant: str | None = None
    prefix: str = ""
    #: A schedule has each of them. With None as its value, the label may have any.
    labels: Mapping[str, str | None] = {}
    states: frozenset[State] = frozenset()
    #: The next fire is published before this instant.
    fires_before: Instant | None = None

    def takes(self, record: Record) -> bool:
        """Whether *record* passes, apart from ``fires_before``."""
        schedule = record.schedule
        return (
            schedule is not None
            and record.name.startswith(self.prefix)
            and (not self.states or record.state in self.states)
            and all(
                name in schedule.labels and text in {None, schedule.labels[name]} for name, text in self.labels.items()
            )
        )


class StoredPage(Struct, frozen=True, kw_only=True):
    """Some of the schedules that a filter lets pass."""

    schedules: Sequence[Stored]
    #: Where the next page begins; None: this is the last one.
    following: ListCursor | None
    #: How many records were read for this page.
    read: int
    unreadable: Sequence[Unreadable]


class ListCursor(Struct, frozen=True, array_like=True):
    """A place in the list of all schedules: a page of the store, and how many of its records come before."""

    cursor: str | None = None
    skipped: int = 0


class Reader:
    """Reads what is stored in a deployment."""

    def __init__(self, cases: UseCases) -> None:
        self._cases = cases

    async def get(self, key: Key, *, fires: int = 0) -> Stored | None:
        """The schedule, with its input and its next *fires*. None: there is none.

        Raises:
            Undecodable: this release cannot read it.
        """
        record = (await self._cases.store.get([key])).get(key)
        if record is None or record.schedule is None:
            return None
        (stored,) = await self._stored([record], fires=fires)
        return stored

    async def schedules(self, which: Filter, *, fires: int = 0) -> AsyncIterator[Stored]:
        """The schedules that *which* lets pass, with their next *fires*; those of one tenant by name.

        They are read page by page, so any number of them can be listed. Without a tenant the whole table is read.

        Raises:
            Undecodable: this release cannot read one of them.
        """
        async for page in pages(self._read(which)):
            for one in page.unreadable:
                raise Undecodable(f"{one.key} cannot be read by this release: {one.reason}")
            taken = [record for record in page.items if which.takes(record)]
            for start in range(0, len(taken), INPUTS_AT_ONCE):
                for stored in await self._stored(
                    taken[start : start + INPUTS_AT_ONCE], fires=max(fires, int(which.fires_before is not None))
                ):
                    if _fires_before(stored, which.fires_before):
                        yield replace(stored, next_fires=stored.next_fires[:fires])

    async def page(
        self, which: Filter, place: ListCursor, *, limit: int, most: int, contains: str = "", fires: int = 0
    ) -> StoredPage:
        """At most *limit* schedules from *place* on that *which* lets pass and whose ``tenant/name`` has *contains*.

        It ends after *most* records, so a page may have few schedules, or none, though another one follows.
        """
        read, taken, unreadable = self._read(which), list[Record](), list[Unreadable]()
        records, now = 0, self._cases.clock.now()
        following: ListCursor | None = place
        while following is not None and records < most and len(taken) < limit:
            page = await read(cursor=following.cursor)
            unreadable += page.unreadable
            at = following
            following = None if page.cursor is None else ListCursor(page.cursor)
            for number, record in enumerate(page.items[at.skipped :], at.skipped + 1):
                records += 1
                if which.takes(record) and contains in str(record.key) and _comes(record, which.fires_before, now):
                    taken.append(record)
                if len(taken) == limit or records == most:
                    last = number == len(page.items)
                    following = following if last else ListCursor(at.cursor, number)
                    break
        shown: list[Stored] = []
        for record in taken:
            try:
                shown += await self._stored([record], fires=fires)
            except Undecodable as error:
                unreadable.append(Unreadable(record.key, error.reason))
        return StoredPage(schedules=shown, following=following, read=records, unreadable=unreadable)

    def _read(self, which: Filter) -> ReadPage[Record]:
        """Reads the pages in which schedules are that *which* may let pass."""
        store = self._cases.store
        if which.tenant is None:
            return partial(store.scan, 0, 1)
        return partial(store.of_tenant, which.tenant, prefix=which.prefix)

    async def calendar(self, key: CalendarKey) -> Calendar | None:
        """The calendar; None: there is none."""
        found = (await self._cases.calendars.get([key])).get(key)
        return None if found is None or found.dates is None else found

    async def calendars(self, tenant: str | None = None) -> AsyncIterator[Calendar]:
        """The calendars of *tenant*, or all, in no order. Reads the whole table in which calendars are."""
        async for page in pages(partial(self._cases.calendars.scan, 0, 1)):
            for calendar in page.items:
                if calendar.dates is not None and tenant in {None, calendar.tenant}:
                    yield calendar

    async def _stored(self, records: Sequence[Record], *, fires: int) -> list[Stored]:
        inputs = await read_inputs(self._cases.store, records, gone="it was replaced meanwhile; read it again")
        for key, reason in inputs.unreadable.items():
            raise Undecodable(f"the input of {key} cannot be read: {reason}")
        now = self._cases.clock.now()
        return [_shown(record, inputs.found.get(record.key), now=now, fires=fires) for record in records]


def _shown(record: Record, apart: msgspec.Raw | None, *, now: Instant, fires: int) -> Stored:
    schedule = whole(record, apart).schedule
    assert schedule is not None  # noqa: S101  # callers pass schedules that exist
    try:
        coming = next_fires(record, since=now, count=fires) if fires else []
    except (InvalidSchedule, ValueError) as error:
        raise Undecodable(f"the expression of {record.key} cannot be read by this release: {error}") from error
    return Stored(
        schedule=replace(schedule, state=UNSET, revision=None),
        state=record.state,
        revision=record.revision,
        created=record.created,
        pause_revision=record.last_commands.pause_revision,
        trigger=record.era.trigger,
        next_fires=coming,
    )


def _comes(record: Record, before: Instant | None, now: Instant) -> bool:
    """Whether *record* fires before that instant; None: yes. A trigger that cannot be read passes, to be reported."""
    try:
        return before is None or any(fire.at < before for fire in next_fires(record, since=now, count=1))
    except (InvalidSchedule, ValueError):
        return True


def _fires_before(stored: Stored, until: Instant | None) -> bool:
    return until is None or any(upcoming.at < until for upcoming in stored.next_fires[:1])
