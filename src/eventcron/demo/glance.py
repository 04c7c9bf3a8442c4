"""How it goes, in a few numbers, while everything fires."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from eventcron.demo.comparison import Lateness, lateness_of
from eventcron.demo.observed import Observed, Publication
from eventcron.model.names import Instant, Window

#: Fires shown one by one.
LATEST = 8


class Glance(Struct, frozen=True, kw_only=True):
    """What was seen of the fires due in a span by some instant within it."""

    seconds: int
    of_seconds: int
    published: int
    received: dict[str, int]
    lateness_ms: Lateness
    latest: list[Publication]


def glance(observed: Observed, span: Window, now: Instant, targets: list[str]) -> Glance:
    """*observed* at a glance; *targets* in the order to be shown."""
    published = [one for one in observed.publications if span.start <= one.due.at < span.end]
    received = Counter(one.target for one in observed.receipts if span.start <= one.due.at < span.end)
    return Glance(
        seconds=max(0, min(now, span.end) - span.start) // 1000,
        of_seconds=(span.end - span.start) // 1000,
        published=len(published),
        received={target: received[target] for target in targets},
        lateness_ms=lateness_of(published),
        latest=published[-LATEST:],
    )
