"""Compares the fires that came with those that had to: none missing, early or unexpected; repeats have the same id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from msgspec import Struct

from eventcron.demo.observations import Due, Observations, Publication
from eventcron.timing.instant import rfc3339


class Verdict(Struct, frozen=True):
    """The outcome. ``repeats`` is the number of publications beyond the first of each fire."""

    due: int
    published: int
    repeats: int
    #: Milliseconds. The greatest lateness of a first publication.
    latest_ms: int
    #: One sentence for each fault.
    faults: list[str]


def judge(required: Collection[Due], observed: Observations) -> Verdict:
    """Compare what was *observed* with the fires that were *required*."""
    first: dict[Due, int] = {}
    for one in observed.publications:
        first[one.due] = min(one.at, first.get(one.due, one.at))
    wanted = set(required)
    faults = [
        *(f"missing: {due}" for due in sorted(wanted - first.keys())),
        *(f"unexpected: {due}" for due in sorted(first.keys() - wanted)),
        *(
            f"early: {one.due} was published at {rfc3339(one.at, millis=True)}"
            for one in observed.publications
            if one.at < one.due.at
        ),
        *_ambiguous(observed.publications),
        *(f"skipped: {one.count} of {one.key} from {rfc3339(one.first)}: {one.reason}" for one in observed.skips),
    ]
    return Verdict(
        due=len(wanted),
        published=len(wanted & first.keys()),
        repeats=len(observed.publications) - len(first),
        latest_ms=max((at - due.at for due, at in first.items()), default=0),
        faults=faults,
    )


def _ambiguous(publications: Iterable[Publication]) -> list[str]:
    """Fires with two ids, and ids of two fires."""
    pairs = {(one.due, one.fire_id) for one in publications}
    dues = Counter(due for due, _ in pairs)
    ids = Counter(fire_id for _, fire_id in pairs)
    return [
        *(f"{due} came under {count} ids" for due, count in sorted(dues.items()) if count > 1),
        *(f"id {fire_id} came for {count} fires" for fire_id, count in sorted(ids.items()) if count > 1),
    ]
