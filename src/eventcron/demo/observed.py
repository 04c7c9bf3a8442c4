"""What the demo sees of eventcron: its facts as a rule passed them on, and what each target received."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from eventcron.model.names import Instant, Key
from eventcron.timing.instant import from_datetime, rfc3339

FIRED, REJECTED, SKIPPED, FAILED = "Schedule Fired", "Schedule Rejected", "Schedule Skipped", "Schedule Failed"


class Due(NamedTuple):
    """One fire, by whose it is and when it is due. Prints as ``tenant/name due 2026-…``."""

    key: Key
    at: Instant

    def __str__(self) -> str:
        return f"{self.key} due {rfc3339(self.at)}"


class Publication(Struct, frozen=True):
    """A fire on the bus."""

    due: Due
    fire_id: str
    revision: int
    #: When the bus passed it on.
    at: Instant


class Receipt(Struct, frozen=True):
    """A fire that reached a target. *at* is by the target's own clock."""

    target: str
    due: Due
    fire_id: str
    at: Instant


class Answer(Struct, frozen=True):
    """A fact that answers a command: ``Schedule Created``, ``Schedule Rejected``, …; *code* is the rejection's."""

    fact: str
    key: Key
    at: Instant
    revision: int = 0
    code: str = ""
    message: str = ""


class Excuse(Struct, frozen=True):
    """``Schedule Skipped`` or ``Schedule Failed``: *count* fires due from *first* to *last* that will not come."""

    key: Key
    first: Instant
    last: Instant
    count: int
    reason: str


class Observed(Struct):
    """Everything seen so far."""

    publications: list[Publication] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    excuses: list[Excuse] = field(default_factory=list)

    def fact(self, body: msgspec.Raw | bytes | str, *, at: Instant) -> None:
        """Take in a fact's event, which the bus passed on at that instant."""
        event = _events.decode(body)
        detail = event.detail
        key = Key(detail.tenant, detail.name)
        if event.detail_type == FIRED:
            self.publications.append(Publication(Due(key, _instant(detail.due)), detail.fire_id, detail.revision, at))
        elif event.detail_type in {SKIPPED, FAILED}:
            first, last = (text or detail.due for text in (detail.first_due, detail.last_due))
            reason = detail.reason or detail.code
            self.excuses.append(Excuse(key, _instant(first), _instant(last), detail.count, reason))
        else:
            self.answers.append(Answer(event.detail_type, key, at, detail.revision, detail.code, detail.message))

    def received(self, target: str, body: msgspec.Raw | bytes | str, *, at: Instant) -> None:
        """Take in the event that *target* received at that instant."""
        detail = _events.decode(body).detail
        due = Due(Key(detail.tenant, detail.name), _instant(detail.due))
        self.receipts.append(Receipt(target, due, detail.fire_id, at))


class _Detail(Struct):
    """The fields of any fact that matter here."""

    tenant: str = ""
    name: str = ""
    revision: int = 0
    due: str = ""
    fire_id: str = ""
    first_due: str = ""
    last_due: str = ""
    count: int = 1
    reason: str = ""
    code: str = ""
    message: str = ""


class _Event(Struct, rename={"detail_type": "detail-type"}):
    detail_type: str
    detail: _Detail


_events = msgspec.json.Decoder(_Event)


def _instant(text: str) -> Instant:
    return from_datetime(datetime.fromisoformat(text))
