"""What the use cases need from outside. Every port has one contract suite in ``tests/contract``.

Shared promises: a method either did what it says, returns what it could not do, or raises
``Unavailable``. Nothing turns an error into an empty result. All instants are milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from eventcron.model.events import Event
from eventcron.model.messages import Pack, SegmentRange
from eventcron.model.names import BackfillKey, CalendarKey, Instant, Key, Unreadable
from eventcron.model.records import Backfill, Calendar, IndexEntry, Record

T = TypeVar("T")


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
    """The right to plan a segment's window ``[start, end)`` until ``lease_until``.

    ``fence`` rises with each claim: a slower twin's writes are refused. ``cursor`` is the index page at
    which an unfinished pass over the same window stopped.
    """

    segment: int
    start: Instant
    end: Instant
    fence: int
    lease_until: Instant
    cursor: str | None = None


class QuotaRequest(Struct, frozen=True, kw_only=True):
    """A pack's request for places: *count* of the *limit* fires that *tenant* may publish in *minute*.

    A minute is an instant divided by 60,000. Tenant, minute and pack name the request.
    """

    tenant: str
    minute: int
    pack_id: str
    count: int
    limit: int

    def granted(self, before: int) -> int:
        """How many of them have a place after *before* others.

        >>> request = QuotaRequest(tenant="acme", minute=0, pack_id="a", count=5, limit=100)
        >>> [request.granted(before) for before in (0, 95, 97, 100, 300)]
        [5, 5, 3, 0, 0]
        """
        return max(0, min(self.count, self.limit - before))


class Ledger(Protocol):
    """What has been planned, by segment, and published, by pack and, where there is a limit, by tenant.

    A claim ends once, by ``save``, ``commit`` or ``release``; only a commit may be repeated. Each returns False
    where the claim has ended already or a later one fenced it off, and then changed nothing.
    """

    async def claim(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        """Lease the segment through *end*; None: another holds a live lease (``lease_until > now``).

        ``start`` is the instant through which the segment is planned (0 if never). A pass that stopped
        midway is resumed: the claim keeps that pass's ``end`` and ``cursor`` and ignores *end*. Where the segment is
        planned beyond *end* already, the claim has ``start >= end``: there is nothing to plan, and no lease is held.
        ``end`` is never less than what an earlier, crashed pass claimed.
        """

    async def save(self, claim: Lease, cursor: str) -> bool:
        """Remember the page to resume from and give up the lease."""

    async def commit(self, claim: Lease) -> bool:
        """The window is planned and every pack was taken: planned through ``claim.end``, lease given up."""

    async def release(self, claim: Lease) -> bool:
        """Give up the lease; the whole window will be planned again."""

    async def planned_through(self, segment: int) -> Instant:
        """The instant through which the segment is planned, read consistently; 0 if it never was."""

    async def segments(self, count: int) -> list[SegmentState]:
        """The state of segments 0 … count-1, in order; never planned ones have zeros."""

    async def rules(self) -> str:
        """What ``note_rules`` was given last; "" if it never was."""

    async def note_rules(self, rules: str) -> None:
        """Note by which zone rules and release all triggers are worked out."""

    async def published(self, pack_ids: Sequence[str]) -> set[str]:
        """Those of *pack_ids* that are recorded as published, read consistently. Any number of ids."""

    async def record(self, pack_id: str, *, now: Instant, expires: int) -> None:
        """Record a pack as published; *expires* (seconds since 1970) is when it may be forgotten. Idempotent."""

    async def acquire(self, request: QuotaRequest, *, expires: int) -> int:
        """How many fires of *request* have a place among the ``limit`` of their minute: first come, first served.

        A request repeated takes no more places and is answered as it was at first; where that answer is not known,
        because whoever asked died midway, every fire has one. *expires* (seconds since 1970) is when the minute and
        the request may be forgotten.
        """


class SegmentState(Struct, frozen=True, kw_only=True):
    """What the ledger knows of a segment."""

    segment: int
    planned_through: Instant = 0
    claimed_through: Instant = 0
    lease_until: Instant = 0
    fence: int = 0


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


class Ports(NamedTuple):
    """Everything the use cases need from outside."""

    clock: Clock
    store: ScheduleStore
    ledger: Ledger
    queue: FireQueue
    bus: EventBus
    dead: DeadLetters
    backfills: Backfills
    calendars: Calendars
    plans: SegmentQueue
    #: Gives numbers in [0, 1), which spread retries.
    jitter: Callable[[], float]
