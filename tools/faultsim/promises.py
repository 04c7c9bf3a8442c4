"""The eight guarantees by name, and what it is to break one."""

from __future__ import annotations

from typing import NamedTuple

from eventcron.model.names import Key

GUARANTEES = {
    1: "every occurrence is published, or a fact says why not",
    2: "nothing is published before its due instant",
    3: "nothing of a replaced revision that is due a second after the fact is published",
    4: "without a fault exactly once; repeats carry the same fire_id",
    5: "a stale or replayed command changes nothing; the highest revision wins",
    6: "one bad schedule, tenant or message never stops another",
    7: "planning costs nothing for what sleeps",
    8: "no tenant touches another's schedules",
}


class Violation(NamedTuple):
    """A guarantee that did not hold, for which schedule, and how that shows."""

    guarantee: int
    key: Key | None
    what: str

    def __str__(self) -> str:
        return f"guarantee {self.guarantee} ({GUARANTEES[self.guarantee]}) broken for {self.key}: {self.what}"
