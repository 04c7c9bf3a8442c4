"""The guarantees, and a violation of one."""

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


class Violation(NamedTuple):
    """A guarantee that did not hold: of which schedule (None: of none in particular), and what shows it."""

    guarantee: int
    key: Key | None
    what: str

    def __str__(self) -> str:
        of = "" if self.key is None else f" for {self.key}"
        return f"guarantee {self.guarantee} ({GUARANTEES[self.guarantee]}) broken{of}: {self.what}"
