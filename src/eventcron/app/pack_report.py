"""What the executor reports about one pack."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from eventcron.model.codes import SkipReason
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Fire
from eventcron.model.runs import PastRun


class Published(Struct, frozen=True, gc=False):
    """A published fire. ``lateness_ms`` is the instant of publication minus the planned one, ``at``."""

    fire: Fire
    lateness_ms: int


class Report(Struct, kw_only=True):
    """How many of a pack's fires were published, dropped, skipped, put back or failed."""

    pack_id: str
    published: list[Published] = msgspec.field(default_factory=list)
    dropped: int = 0  # deleted, paused or replaced since they were planned
    skips: list[SkipNotice] = msgspec.field(default_factory=list)
    put_back: int = 0
    waiting: int = 0  # put back because their tenant's limit has no room for them yet
    expected: int = 0  # fire nothing: a report is to come
    held: int = 0  # wait until another run of their schedule has ended
    failed: int = 0
    ended: list[PastRun] = msgspec.field(default_factory=list)  # runs that were found overdue
    repeated: bool = False  # the ledger has the pack: the executor did nothing


def notice_of(fire: Fire, reason: SkipReason, by: str | None) -> SkipNotice:
    """The notice that *fire* is skipped; *by* what, if that has a name."""
    return SkipNotice(
        tenant=fire.tenant,
        name=fire.name,
        revision=fire.revision,
        reason=reason,
        first_due=fire.due,
        last_due=fire.due,
        by=by,
        cause=fire.cause,
        cause_id=fire.public_id,
    )
