"""What the use cases need from outside. Every port has one contract suite in ``tests/contract``.

Every method either does what it promises, returns what it could not do, or raises ``Unavailable``. No method turns an
error into an empty result. Instants are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from eventcron.model.events import Event
from eventcron.model.messages import GroupedCommand, Pack, SegmentRange
from eventcron.model.names import BackfillKey, CalendarKey, Instant, Key, Unreadable
from eventcron.model.records import Backfill, Calendar, FireRecord, IndexEntry, Record, StoredInput

T = TypeVar("T")

#: Seconds. The longest delay of a message in the fire queue. SQS SendMessage, DelaySeconds: "Valid values: 0 to 900".
MAX_DELAY_SECONDS = 900


class Clock(Protocol):
    """The only source of "now"."""

    def now(self) -> Instant:
        """Milliseconds since 1970. Within a process, the value never decreases."""

    async def sleep_until(self, instant: Instant) -> None:
        """Return once ``now() >= instant``: never earlier, and at once if *instant* has passed."""


class Page(Struct, Generic[T], frozen=True):
    """Part of an answer. Pass ``cursor`` to get the next part; None: this is the last.

    ``items`` may be empty although a cursor follows. Items that this release cannot read are listed in ``unreadable``.
    A scan lists the inputs that are stored apart in ``inputs``, and the tenants whose schedules are counted in
    ``counted``. ``left_out`` counts entries of the index that are not among the items, because nothing of them is due.
    """

    items: list[T]
    cursor: str | None = None
    unreadable: list[Unreadable] = []
    inputs: list[StoredInput] = []
    counted: list[str] = []
    left_out: int = 0


#: Whether nothing of a trigger, named by its canonical text, is due in the window that is being planned.
IsQuiet: TypeAlias = Callable[[str], bool]


class ScheduleStore(Protocol):
    """Stores schedules and tombstones, one record a key. Writes are conditional on the stored revision.

    An input of more than ``rules.inputs.MAX_INLINE_BYTES`` is stored apart, and read by ``read_inputs`` only.
    """

    async def get(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """The stored records of any number of keys, read consistently. A key without a record is absent.

        Raises:
            Undecodable: this release cannot read one of them.
        """

    async def get_to_fire(self, keys: Sequence[Key]) -> tuple[Mapping[Key, FireRecord], frozenset[Key]]:
        """As ``get``, for as little as it takes to read what a fire needs of a record, and the keys that are left.

        What is read at once is bounded, by the 16 MB of DynamoDB's answers. At least one of *keys* is not left.

        Raises:
            Undecodable: this release cannot read one of them.
        """

    async def put(self, record: Record, *, replacing: int | None, added: int = 0, limit: int = 0) -> bool:
        """Store *record* if the stored revision is *replacing* (None: no record is stored). False: it is another.

        Also False if ``note_put`` has stored later revisions than *record* has, or if the record was completed and
        is to be deleted since it was read: read again, and decide again.
        A large input is stored first, and the record then refers to it. The input that the record before referred to
        can be read for another ``KEPT_MS``.

        *added*, see ``rules.limits.added``, changes the count of the tenant's schedules: it rises before the record is
        stored, and falls after. *limit* is how far it may rise; 0 = no limit.

        Raises:
            InvalidSchedule: the tenant has *limit* schedules already.
        """

    async def note_put(self, key: Key, *, revision: int, put_revision: int, state_revision: int) -> bool:
        """Remember a put that changed nothing: set these two of ``LastCommands``, and nothing else.

        Returns False, and changes nothing, if the stored revision is another, or one of the two is higher already.
        """

    async def read_inputs(self, records: Sequence[FireRecord]) -> Mapping[Key, msgspec.Raw]:
        """The inputs to which *records* refer, read consistently. One that is gone is absent: the record was replaced.

        Raises:
            Undecodable: this release cannot read one of them.
        """

    async def drop_input(self, stored: StoredInput) -> bool:
        """Remove an input to which no record refers. False: it was written again since it was listed."""

    async def clear_pending(self, key: Key, *, revision: int) -> bool:
        """Clear ``pending`` of that revision. False: the stored revision is another."""

    async def move_wake(self, entry: IndexEntry, wake: Instant | None, *, handoff: Instant | None = None) -> bool:
        """Set ``wake``, and *handoff* if both are given; None removes the record from the index.

        Returns False, and changes nothing, if the stored revision or wake is no longer as in *entry*. Tried once: the
        planner repeats it.
        """

    async def complete(self, key: Key, *, revision: int, expires: int | None) -> bool:
        """Set the state to COMPLETED if the revision is unchanged and the state ENABLED. The index stays as it is.

        *expires*, seconds since 1970, sets the TTL, and the schedule counts no longer; None removes it. False: the
        stored record is another.
        """

    async def count(self, tenant: str) -> int:
        """How many schedules *tenant* has, as they are counted: all it has, and some more where writers have died."""

    async def recount(self, tenant: str) -> int:
        """Make the count of *tenant* anew, and return by how much it was too high.

        Where the count changed within ``QUIET_MS``, or changes meanwhile, it is left as it is, and 0 is returned.
        """

    async def repair(self, record: Record, *, was: Record) -> bool:
        """Set eras, segment and wake as in *record*, and nothing else.

        Returns False, and changes nothing, if revision, state, segment or wake are no longer as in *was*.
        """

    async def delete_expired(self, record: Record) -> bool:
        """Remove an expired record. False: the stored revision or ``expires`` is no longer as in *record*."""

    async def read_index(
        self, segment: int, *, before: Instant, cursor: str | None = None, is_quiet: IsQuiet | None = None
    ) -> Page[IndexEntry]:
        """One page of the index: entries of *segment* with ``wake < before``, the latest first, dense ones last.

        Entries for which ``rules.quiet.is_left_out`` holds by *is_quiet* are left out and counted. Nearly all are, so
        they have to cost next to nothing.

        Eventually consistent: an entry may be missing or stale for seconds after a write. An entry that becomes dense
        between two pages may be returned twice; in ascending order it might not be returned at all.
        """

    def cursor_after(self, segment: int, entry: IndexEntry) -> str:
        """The cursor of ``read_index`` for what comes after *entry* in the order of the index.

        *entry* is as a page had it. It may have been moved since.
        """

    async def scan(self, part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
        """One page of the whole table, of share *part* of *parts*: tombstones included, in unspecified order."""

    async def of_tenant(
        self, tenant: str, *, prefix: str = "", cursor: str | None = None, limit: int | None = None
    ) -> Page[Record]:
        """One page of a tenant's records whose names start with *prefix*, by name; at most *limit* of them.

        Tombstones are included. Here the cursor is a name that starts with *prefix*; the page begins after that name,
        whether or not a record has it.

        Raises:
            Undecodable: this release cannot read one of them.
        """


class Lease(Struct, frozen=True, kw_only=True):
    """The right of one planner to plan the window ``[start, end)`` of a segment until ``lease_until``.

    ``fence`` is a fencing token: it rises with each lease of the segment, so that the writes of a slower planner are
    refused. ``cursor`` is the index page at which an earlier, unfinished pass over the same window stopped; None: begin
    with the first page. ``lagging``: the index may not yet show everywhere what became dense.
    """

    segment: int
    start: Instant
    end: Instant
    fence: int
    lease_until: Instant
    cursor: str | None = None
    lagging: bool = False


class SegmentState(Struct, frozen=True, kw_only=True):
    """What is stored about a segment. A segment that was never planned has zeros."""

    segment: int
    planned_through: Instant = 0
    claimed_through: Instant = 0
    #: 0: the latest lease was given up.
    lease_until: Instant = 0
    fence: int = 0
    lagging: bool = False


class Leases(Protocol):
    """Decides which planner plans which window of a segment, and remembers how far each segment is planned.

    A lease ends once, by ``save``, ``commit`` or ``release``; only a commit may be repeated. Each of the three returns
    False, and changes nothing, if the lease has ended already or a later lease has fenced it off. The next lease is
    lagging if the one that is given up is, and if none was given up.
    """

    async def acquire(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        """Lease the segment through *end*. None: another planner holds a live lease, see ``rules/leases.py``.

        The lease's ``start`` is the instant through which the segment is planned (0 if it never was). If an earlier
        pass saved a page, the lease has the ``end`` and the ``cursor`` of that pass, and *end* is ignored. If an
        earlier pass crashed, ``end`` is at least what that pass leased. If the segment is planned through *end*
        already, ``start >= end``: there is nothing to plan, and no lease is held.
        """

    async def save(self, lease: Lease, cursor: str) -> bool:
        """Store the page from which the next pass resumes, and give up the lease."""

    async def commit(self, lease: Lease) -> bool:
        """Store that the segment is planned through ``lease.end``, and give up the lease and what it claimed beyond.

        *lease* may have an earlier end than the one that was acquired.
        """

    async def release(self, lease: Lease) -> bool:
        """Give up the lease. The next pass plans the whole window again."""

    async def holds(self, lease: Lease) -> bool:
        """Whether *lease* is the segment's still: it has not ended, and no later lease has fenced it off.

        Tried once: the planner repeats it.
        """

    async def planned_through(self, segment: int) -> Instant:
        """The instant through which the segment is planned, read consistently; 0 if it never was."""

    async def segments(self, count: int) -> list[SegmentState]:
        """The states of the segments 0 … count-1, in order."""


class PublishedPacks(Protocol):
    """Remembers which packs were published, so that a pack delivered twice is published once.

    Of a change whose fires were sent and whose notices were not, the registrar records an id of its own.
    """

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

    async def used(self, tenant: str, minute: int) -> int:
        """How many fires of *tenant* and *minute* were asked for until now, granted or not. Read consistently."""


class Backfills(Protocol):
    """Stores backfills, and the list of open ones. Writes are conditional on the stored version."""

    async def get(self, keys: Sequence[BackfillKey]) -> Mapping[BackfillKey, Backfill]:
        """The stored backfills of any number of keys, read consistently. A key without a backfill is absent."""

    async def put(self, backfill: Backfill, *, replacing: int | None) -> bool:
        """Store *backfill* if the stored version is *replacing* (None: none is stored). False: it is another."""

    async def open(self) -> list[BackfillKey]:
        """The list of open backfills, read consistently, in unspecified order."""

    async def enter(self, key: BackfillKey) -> None:
        """Add *key* to the list. Idempotent."""

    async def strike(self, key: BackfillKey) -> None:
        """Remove *key* from the list. Idempotent."""


class Calendars(Protocol):
    """Stores calendars and their tombstones. Writes are conditional on the stored revision."""

    async def get(self, keys: Sequence[CalendarKey]) -> Mapping[CalendarKey, Calendar]:
        """The stored calendars of any number of keys, read consistently. A key without a calendar is absent."""

    async def put(self, calendar: Calendar, *, replacing: int | None) -> bool:
        """Store *calendar* if the stored revision is *replacing* (None: none is stored). False: it is another."""

    async def scan(self, part: int, parts: int, *, cursor: str | None = None) -> Page[Calendar]:
        """One page of all calendars, of share *part* of *parts*: tombstones included, in unspecified order.

        Reads the whole table in which calendars are stored.

        Raises:
            Undecodable: this release cannot read one of them.
        """


class Refusal(Struct, frozen=True, kw_only=True):
    """One item of a call that the service did not take."""

    #: Where the item stands in the sequence that was given.
    index: int
    #: The service's own error code.
    code: str
    message: str = ""
    #: Whether the service may take the item later.
    retryable: bool = True


class FireQueue(Protocol):
    """Delays packs until shortly before they are due."""

    async def send(self, packs: Sequence[Pack], *, visible_at: Sequence[Instant], now: Instant) -> list[Refusal]:
        """Send any number of packs, each to appear at its ``visible_at`` or up to a second earlier.

        One call for each batch, with no repetition. Returns the packs that were not taken.

        Raises:
            ValueError: a ``visible_at`` is more than ``MAX_DELAY_SECONDS`` ahead. The caller planned wrongly; the
                delay is never shortened silently.
        """


class RegistrarQueue(Protocol):
    """Carries commands from a dispatcher to the registrars, which get those of different groups in turn."""

    async def send(self, commands: Sequence[GroupedCommand]) -> list[Refusal]:
        """Send any number of commands. One call for each batch, with no repetition. Returns those not taken."""


class SegmentQueue(Protocol):
    """Carries ranges of segments from a tick to the planners."""

    async def send(self, ranges: Sequence[SegmentRange]) -> list[Refusal]:
        """Send any number of ranges. One call for each batch, with no repetition. Returns those not taken."""


#: A queue that has a dead-letter queue.
DeadLetterSource: TypeAlias = Literal["commands", "fires", "segments"]


class DeadLetters(Protocol):
    """Stores messages that cannot be handled, for ``eventcron redrive``."""

    async def send_to_dlq(self, queue: DeadLetterSource, body: str, *, reason: str, code: str) -> None:
        """Send *body* to the dead-letter queue of *queue*, with the reason as a sentence and as a code."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A dead letter that was received. It is hidden from other readers for a while, then visible again."""

    id: str
    #: Identifies this receive; needed to remove the dead letter or to put it back.
    receipt: str
    body: str
    #: Why it is here, as a code and as a sentence; "" if unknown.
    code: str = ""
    reason: str = ""
    #: When it was sent to this queue.
    sent: Instant = 0
    #: The ARN of the target to which EventBridge could not deliver it; "" for a message of a queue.
    target: str = ""
    #: The ARN of that target's rule; "" if there is none.
    rule: str = ""


class DeadLetterQueue(Protocol):
    """One dead-letter queue, and the target to which its dead letters are sent back."""

    async def waiting(self) -> int:
        """Approximately how many dead letters are visible."""

    async def take(self, limit: int, *, seconds: int) -> list[DeadLetter]:
        """Receive up to *limit* dead letters, at most ten, and hide them from other readers for *seconds*."""

    async def send_back(self, dead_letter: DeadLetter, body: str) -> None:
        """Send *body* to where *dead_letter* came from. Returns once it was taken there; the dead letter stays.

        Raises:
            Undecodable: it cannot be sent there; the error says why.
        """

    async def remove(self, dead_letter: DeadLetter) -> None:
        """Remove a dead letter for good."""

    async def put_back(self, dead_letter: DeadLetter) -> None:
        """Make a dead letter visible to other readers at once."""


class EventBus(Protocol):
    """Publishes events."""

    @property
    def max_entries(self) -> int:
        """The events that one call takes at most."""

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        """Publish any number of events. One call for each batch, with no repetition. Returns those not taken."""


class CommandBus(Protocol):
    """Takes commands to a deployment."""

    async def put(self, events: Sequence[Event]) -> list[str | Refusal]:
        """Put any number: the id that the bus gave each, or why it did not take it."""
