"""Names, bounds and instants that every other part of the model is made of.

An instant inside the program is an ``Instant``: whole milliseconds since 1970-01-01T00:00:00Z, an ``int``. It becomes
RFC 3339 text at the edges only. Spans are half-open: ``[start, end)``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from msgspec import Meta

from eventcron.model.codes import SkipReason

#: Milliseconds since 1970-01-01T00:00:00Z.
Instant: TypeAlias = int

#: 1970-01-01 and 2200-01-01, between which all instants are that anything looks for. The last year of EventBridge's
#: ``cron()`` is 2199.
BEGINNING_OF_TIME: Instant = 0
END_OF_TIME: Instant = 7_258_118_400_000


#: Bytes of JSON. An EventBridge entry holds 256 KB; the envelope and the event around the input take the rest.
MAX_INPUT_BYTES = 200_000


#: Characters. Long enough for any hand-written cron, short enough to bound parsing.
MAX_EXPRESSION_CHARS = 256


#: Milliseconds. The largest integer every JSON reader keeps exactly, 2**53 - 1.
MAX_REVISION = 9_007_199_254_740_991


def form(allowed: str, **bounds: Any) -> Meta:
    """Bounds of a value, and *allowed*, the sentence that a rejection quotes.

    A field describes its meaning in a ``Meta`` of its own. That description replaces this one in the JSON Schema; the
    rejection still quotes *allowed*.
    """
    return Meta(description=allowed, extra={"allowed": allowed}, **bounds)


def _name(longest: int) -> Meta:
    """A name that may stand in the path of a URL, where clients resolve ``.`` and ``..`` before they send it."""
    allowed = f"1-{longest} of A-Z a-z 0-9 . _ -, but not '.' or '..'"
    return form(allowed, pattern=rf"^(?!\.{{1,2}}\Z)[A-Za-z0-9._-]{{1,{longest}}}\Z")


TenantId = Annotated[str, _name(64)]


ScheduleName = Annotated[str, _name(128)]


Expression = Annotated[
    str, form("cron, cron(), rate(), at(), manual or a macro", min_length=1, max_length=MAX_EXPRESSION_CHARS)
]


Timezone = Annotated[str, form("IANA name", min_length=1, max_length=64)]


Revision = Annotated[
    int, Meta(ge=0, le=MAX_REVISION, description="Orders commands; milliseconds since 1970 by convention.")
]


Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]


#: Fires a minute. A hundred a second is a quarter of what EventBridge's smallest Regions take in one call each.
MAX_PER_MINUTE = 6_000


#: Milliseconds. A year and a day of occurrences.
MAX_BACKFILL_MS = 366 * 86_400_000


#: Segments that a deployment can have.
MAX_SEGMENTS = 1_024


#: Days and ranges in a calendar. Its days are stored with each schedule that uses it.
MAX_CALENDAR_SPANS = 1_000


CalendarName = Annotated[str, _name(64)]


Days = Annotated[str, form("a date, 2026-12-24, or a range, 2026-12-24/2026-12-26", max_length=21)]


RunId = Annotated[str, _name(64)]


#: What the id of a resume's catch-up starts with, before the revision of the resume. No ``RunId`` has a colon.
CATCH_UP_PREFIX = "resume:"

#: Names a backfill, or a resume's catch-up.
BackfillId = Annotated[
    str,
    form(
        "the id of a backfill, or resume: and the revision of a Resume Schedule",
        pattern=r"^((?!\.{1,2}\Z)[A-Za-z0-9._-]{1,64}|resume:[0-9]{1,16})\Z",
    ),
]

FireId = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{32}\Z", description="The same for every delivery of the same occurrence.")
]

#: Characters of the longest token that a command may bring. Those of eventcron have 44.
MAX_TOKEN_CHARS = 128

#: Proves that whoever reports on a run received its fire.
RunToken = Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN_CHARS)]

Label = Annotated[str, Meta(max_length=256)]


Route = Annotated[str, form("1-64 of A-Z a-z 0-9 . _ -", pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]


LabelKey = Annotated[str, form("1-64 of A-Z a-z 0-9 . _ : / -", pattern=r"^[A-Za-z0-9._:/-]{1,64}\Z")]


#: Why a fire exists.
Cause: TypeAlias = Literal["schedule", "run", "backfill"]


class Window(NamedTuple):
    """A half-open span ``[start, end)`` of instants."""

    start: Instant
    end: Instant


class Key(NamedTuple):
    """Names a schedule. Prints as ``tenant/name``."""

    tenant: str
    name: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.name}"


class Unreadable(NamedTuple):
    """A schedule that is stored in a form this release cannot read, as a later one may leave it behind."""

    key: Key
    reason: str


class CalendarKey(NamedTuple):
    """Names a calendar. Prints as ``tenant/calendar:name``, which is no schedule's."""

    tenant: str
    name: str

    def __str__(self) -> str:
        return f"{self.tenant}/calendar:{self.name}"


class Occurrence(NamedTuple):
    """One instant at which a trigger matches.

    ``skipped`` says why it will not fire; None = it fires.
    """

    due: Instant
    skipped: SkipReason | None = None
    by: str | None = None  # the exclusion that did it


class BackfillKey(NamedTuple):
    """Names a backfill. Prints as ``tenant/name/id``."""

    tenant: str
    name: str
    id: str

    @property
    def is_catch_up(self) -> bool:
        """Whether a resume opened it, and no ``Backfill Schedule``."""
        return self.id.startswith(CATCH_UP_PREFIX)

    def __str__(self) -> str:
        return f"{self.tenant}/{self.name}/{self.id}"
