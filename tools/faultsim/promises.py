"""The guarantees, the times that they promise, and a violation of one.

The times are written out and not imported from ``eventcron``: the checker has to notice when the code changes one.
"""

from __future__ import annotations

from typing import NamedTuple

from eventcron.model.names import Key

GUARANTEES = {
    1: "every occurrence is published, or an event says why not",
    2: "nothing is published before its due instant",
    3: "no fire of a replaced revision is published that is due more than a second after the change",
    4: "without a fault exactly once; repeats carry the same fire_id",
    5: "a stale or repeated command changes nothing; the highest revision wins",
    6: "one bad schedule, tenant or message never stops another",
    7: "planning reads no schedule that has nothing due",
    8: "no tenant touches another's schedules",
    9: "runs that must not overlap do not, and none holds up others for ever",
    10: "each tracked fire has one end, and only its token says which",
    11: "a schedule is paused after so many failures in a row as it allows, and never after fewer",
    12: "a schedule that expects reports says once that it is silent, once that it is back, and nothing in between",
}

#: Milliseconds after a change in which a fire of the replaced revision may still be due: guarantee 3 in
#: ``docs/reference/guarantees.md`` says "more than a second later".
CUTOVER_MS = 1_000
#: Milliseconds. A fire that is late by less is published whatever the misfire policy: below its table that page says
#: "more than a minute late".
LATE_MS = 60_000
#: Milliseconds. A fire that is late by less is published whatever its grace, because publishing takes time. No page
#: promises it; the number is that of ``eventcron.rules.misfire``.
TIMELY_MS = 1_000
#: Milliseconds from the decision to publish a fire to its publication, at most. It is no promise, but follows from the
#: faults that are simulated: four slow calls of 6 s, each 1.6 s slower without CPU (``FaultProfile``), and 9.6 s more.
PUBLISHING_MS = 40_000


class Violation(NamedTuple):
    """A guarantee that did not hold: of which schedule (None: of none in particular), and what shows it."""

    guarantee: int
    key: Key | None
    what: str

    def __str__(self) -> str:
        of = "" if self.key is None else f" for {self.key}"
        return f"guarantee {self.guarantee} ({GUARANTEES[self.guarantee]}) broken{of}: {self.what}"
