"""Ending a schedule that has no occurrence left."""

from __future__ import annotations

from eventcron.app.publishing import publish_all
from eventcron.model.records import Record
from eventcron.ports import Ports
from eventcron.wire.encode import completed

#: Seconds for which a completed schedule that is to be deleted stays: earlier fires of it may still be on their way.
REMEMBER_S = 86_400


async def complete(ports: Ports, record: Record) -> bool:
    """Tell that *record* is completed, and store that. False: it was changed meanwhile, and that stands.

    Raises:
        Unavailable: a service refused; it may be done again.
    """
    now = ports.clock.now()
    deletes = record.schedule is not None and record.schedule.after_completion == "DELETE"
    # The fact first: a crash in between repeats it, the other way round it would never be told.
    await publish_all(ports, [completed(record, now=now)])
    expires = now // 1000 + REMEMBER_S if deletes else None
    return await ports.store.complete(record.key, revision=record.revision, expires=expires)
