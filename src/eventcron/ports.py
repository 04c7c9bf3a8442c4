"""What the use cases need from outside. Every port has one contract suite in ``tests/contract``.

Shared promises: a method either did what it says, returns what it could not do, or raises
``Unavailable``. Nothing turns an error into an empty result. All instants are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from eventcron.model.events import Event
from eventcron.model.messages import Pack, SegmentRange
from eventcron.model.names import BackfillKey, CalendarKey, Instant, Key, Unreadable
from eventcron.model.records import Backfill, Calendar, IndexEntry, Record

T = TypeVar("T")

#: Seconds. The longest delay of a message in the fire queue. SQS SendMessage, DelaySeconds: "Valid values: 0 to 900".
MAX_DELAY_SECONDS = 900


class Clock(Protocol):
    """The only source of "now"."""

    def now(self) -> Instant:
        """Milliseconds since 1970, never going back within a process."""

    async def sleep_until(self, instant: Instant) -> None:
        """Return once ``now() >= instant``, never before; at once if it has passed."""


class Page(Struct, Generic[T], frozen=True):
    """Part of an answer: ``cursor`` asks for the next part, None = there is none.

    ``items`` may be empty while there is a cursor. What is ``unreadable`` is told beside them, not left out.
    """

    items: list[T]
    cursor: str | None = None
    unreadable: list[Unreadable] = []


class ScheduleStore(Protocol):
    """Holds schedules and tombstones. One record a key; writes are conditional on the stored revision."""

    async def get(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """The stored records, read consistently; a key without a record is absent. Any number of keys.

        Raises:
            Undecodable: one of them is stored in a form that cannot be read.
        """

    async def put(self, record: Record, *, replacing: int | None) -> bool:
        """Store *record* if the stored revision is *replacing* (None = no record). False: someone was first."""

    async def clear_pending(self, key: Key, *, revision: int) -> bool:
        """Clear ``pending`` of that revision. False: the stored revision is another."""

    async def move_wake(self, entry: IndexEntry, wake: Instant | None, *, handoff: Instant | None = None) -> bool:
        """Set ``wake`` (None = drop it from the index) if revision and wake are still as in *entry*; else False.

        With it goes *handoff*, if that and a wake are given.
        """

    async def complete(self, key: Key, *, revision: int, expires: int | None) -> bool:
        """Set state COMPLETED, if revision is unchanged and state ENABLED. In the index it stays as it is.

        *expires* (seconds since 1970) sets the TTL. False: the stored record is another.
        """

    async def repair(self, record: Record, *, was: Record) -> bool:
        """Set eras, segment and wake as in *record*, and nothing else.

        False, and nothing is changed: revision, state, segment or wake are no longer as in *was*.
        """

    async def delete_expired(self, record: Record) -> bool:
        """Remove an expired record. False: its revision or ``expires`` is no longer as in *record*."""

    async def plans(self, segment: int, *, before: Instant, cursor: str | None = None) -> Page[IndexEntry]:
        """One page of the index: plans of *segment* with ``wake < before``, the latest ``wake`` first, dense ones last.

        Eventually consistent: a plan may be missing or stale for seconds after a write. So one that becomes dense
        between two pages may be seen twice; in the other order it would not be seen.
        """

    async def scan(self, part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
        """One page of share *part* of *parts* of the whole table, tombstones included, in unspecified order."""

    async def of_tenant(
        self, tenant: str, *, prefix: str = "", cursor: str | None = None, limit: int | None = None
    ) -> Page[Record]:
        """One page of a tenant's records by name, tombstones included; at most *limit* of them.

        Here a cursor is a name, of a record or not, that starts with *prefix*: the page follows it.

        Raises:
            Undecodable: one of them is stored in a form that cannot be read.
        """


class Lease(Struct, frozen=True, kw_only=True):
    """The right of one planner to plan the window ``[start, end)`` of a segment until ``lease_until``.

    ``fence`` rises with each lease of the segment, so that the writes of a slower planner are refused. ``cursor`` is
    the index page at which an earlier, unfinished pass over the same window stopped; None: begin with the first page.
    """

    segment: int
    start: Instant
    end: Instant
    fence: int
    lease_until: Instant
    cursor: str | None = None


class SegmentState(Struct, frozen=True, kw_only=True):
    """What is stored about a segment. A segment that was never planned has zeros."""

    segment: int
    planned_through: Instant = 0
    claimed_through: Instant = 0
    lease_until: Instant = 0
    fence: int = 0


class Leases(Protocol):
    """Decides which planner plans which window of a segment, and remembers how far each segment is planned.

    A lease ends once, by ``save``, ``commit`` or ``release``; only a commit may be repeated. Each of the three returns
    False, and changes nothing, if the lease has ended already or a later lease has fenced it off.
    """

    async def acquire(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        """Lease the segment through *end*. None: another planner holds a live lease (``lease_until > now``).

        The lease's ``start`` is the instant through which the segment is planned (0 if it never was). If an earlier
        pass saved a page, the lease has the ``end`` and the ``cursor`` of that pass, and *end* is ignored. If an
        earlier pass crashed, ``end`` is at least what that pass leased. If the segment is planned through *end*
        already, ``start >= end``: there is nothing to plan, and no lease is held.
        """

    async def save(self, lease: Lease, cursor: str) -> bool:
        """Store the page from which the next pass resumes, and give up the lease."""

    async def commit(self, lease: Lease) -> bool:
        """Store that the segment is planned through ``lease.end``, and give up the lease."""

    async def release(self, lease: Lease) -> bool:
        """Give up the lease. The next pass plans the whole window again."""

    async def planned_through(self, segment: int) -> Instant:
        """The instant through which the segment is planned, read consistently; 0 if it never was."""

    async def segments(self, count: int) -> list[SegmentState]:
        """The states of the segments 0 … count-1, in order."""


class RulesVersion(Protocol):
    """Remembers by which zone database and release the stored triggers were last worked out."""

    async def read(self) -> str:
        """The version written last; "" if there is none."""

    async def write(self, version: str) -> None:
        """Store *version* in place of the one before."""


class PublishedPacks(Protocol):
    """Remembers which packs were published, so that a pack delivered twice is published once."""

    async def published(self, pack_ids: Sequence[str]) -> set[str]:
        """Those of *pack_ids* that were recorded, read consistently. Any number of ids."""

    async def record(self, pack_id: str, *, now: Instant, expires: int) -> None:
        """Record that a pack was published. Idempotent. It may be deleted at *expires*, seconds since 1970."""


class QuotaRequest(Struct, frozen=True, kw_only=True):
    """A pack asks for *count* of the *limit* fires that *tenant* may publish in *minute*.

    A minute is an instant divided by 60,000. Tenant, minute and pack identify the request.
    """

    tenant: str
    minute: int
    pack_id: str
    count: int
    limit: int

    def granted(self, before: int) -> int:
        """How many of the fires are granted once *before* fires of the same minute were asked for.

        >>> request = QuotaRequest(tenant="acme", minute=0, pack_id="a", count=5, limit=100)
        >>> [request.granted(before) for before in (0, 95, 97, 100, 300)]
        [5, 5, 3, 0, 0]
        """
        return max(0, min(self.count, self.limit - before))


class Quota(Protocol):
    """Counts the fires of each tenant and minute against the tenant's limit: first come, first served."""

    async def acquire(self, request: QuotaRequest, *, expires: int) -> int:
        """How many fires of *request* are granted.

        Idempotent: a repeated request gets its first answer and is not counted again. If the first call crashed
        before it had an answer, all fires are granted. What is stored about the minute and the request may be deleted
        at *expires*, seconds since 1970.
        """


class Backfills(Protocol):
    """Holds backfills, and which of them are open. One item a backfill; writes are conditional on its version."""

    async def get(self, keys: Sequence[BackfillKey]) -> Mapping[BackfillKey, Backfill]:
        """The stored backfills, read consistently; a key without one is absent. Any number of keys."""

    async def put(self, backfill: Backfill, *, replacing: int | None) -> bool:
        """Store *backfill* if the stored version is *replacing* (None = there is none). False: someone was first."""

    async def open(self) -> list[BackfillKey]:
        """Those entered and not struck off since, in unspecified order, read consistently."""

    async def enter(self, key: BackfillKey) -> None:
        """Add *key* to the open ones. Idempotent."""

    async def strike(self, key: BackfillKey) -> None:
        """Take *key* off the open ones. Idempotent."""


class Calendars(Protocol):
    """Holds calendars and their tombstones. One item a calendar; writes are conditional on the stored revision."""

    async def get(self, keys: Sequence[CalendarKey]) -> Mapping[CalendarKey, Calendar]:
        """The stored calendars, read consistently; a key without one is absent. Any number of keys."""

    async def put(self, calendar: Calendar, *, replacing: int | None) -> bool:
        """Store *calendar* if the stored revision is *replacing* (None = there is none). False: someone was first."""


class Refusal(Struct, frozen=True, kw_only=True):
    """Something not taken: its place in the given sequence, the service's code, and whether trying again may help."""

    index: int
    code: str
    message: str = ""
    retryable: bool = True


class FireQueue(Protocol):
    """Holds packs until they are due."""

    async def send(self, packs: Sequence[Pack], *, visible_at: Sequence[Instant], now: Instant) -> list[Refusal]:
        """Hand over *packs*, each to appear no later than its ``visible_at`` (at most a second earlier).

        Returns those not taken. Any number of packs; batches respect count and bytes.

        Raises:
            ValueError: a ``visible_at`` further off than 900 s, the queue's longest delay: a planning fault,
                never clamped.
        """


class SegmentQueue(Protocol):
    """Carries ranges of segments from a tick to the planners."""

    async def send(self, ranges: Sequence[SegmentRange]) -> list[Refusal]:
        """Hand over *ranges*, any number. Returns those not taken."""


class DeadLetters(Protocol):
    """Where a message ends that cannot be handled: kept with its reason, for ``eventcron redrive``."""

    async def send_to_dlq(self, queue: str, body: str, *, reason: str, code: str) -> None:
        """Keep *body* in the dead-letter queue of *queue* (``commands``, ``fires`` or ``plans``) with its reason."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A dead letter in hand: hidden from others for a while, then back in its queue unless it was removed."""

    id: str
    #: What gives the right to remove it or put it back; another one each time it is taken.
    receipt: str
    body: str
    #: Why it died: a word for programs and one sentence, "" where nobody said.
    code: str = ""
    reason: str = ""
    #: When it was sent first.
    sent: Instant = 0
    #: The ARN of the target that EventBridge could not deliver it to; "" for a message of a queue.
    target: str = ""
    #: The ARN of that target's rule; "" where there is none.
    rule: str = ""


class DeadLetterQueue(Protocol):
    """One dead-letter queue, and the way back out of it."""

    async def waiting(self) -> int:
        """About how many letters are there that nobody has in hand."""

    async def take(self, limit: int, *, seconds: int) -> list[DeadLetter]:
        """Up to *limit* letters, at most ten, hidden from others for *seconds*. Empty: none was found."""

    async def send_back(self, letter: DeadLetter, body: str) -> None:
        """Send *body* to where *letter* came from; returns only once it was taken there. The letter stays.

        Raises:
            Undecodable: it cannot be sent there from here; says why.
        """

    async def remove(self, letter: DeadLetter) -> None:
        """Remove a letter for good."""

    async def put_back(self, letter: DeadLetter) -> None:
        """Show a letter to others again at once."""


class EventBus(Protocol):
    """Publishes events."""

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        """Put *events* on the bus, any number; calls respect what the service takes. Returns those not taken."""
