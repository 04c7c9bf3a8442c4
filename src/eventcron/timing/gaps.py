"""How close to each other the fires of a trigger are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise

from eventcron.model.names import Instant, Window
from eventcron.timing import canonical as text_form
from eventcron.timing.trigger import Trigger, from_canonical, occurrences

#: Fires that are looked at. A cron expression repeats the same times on each of its days and the same seconds in each
#: of its minutes, so what comes close does so within the first few. To look at as many takes under a millisecond.
FIRES_LOOKED_AT = 200
#: Milliseconds after the first instant beyond which no fire is looked at: a year. An expression may fire for centuries.
SPAN_LOOKED_AT_MS = 366 * 86_400_000


def shortest_gap(trigger: Trigger, start: Instant) -> int | None:
    """The milliseconds between the two closest of the fires from *start* on; None: there are no two.

    Looks at the first ``FIRES_LOOKED_AT`` fires within ``SPAN_LOOKED_AT_MS``: of each expression, and of all together.
    What is excluded counts as firing, so that an exclusion cannot push the close fires out of sight.
    """
    window = Window(start, start + SPAN_LOOKED_AT_MS)
    gaps = (
        later - earlier
        for alone in _parts(trigger)
        for earlier, later in pairwise(islice(occurrences(alone, window), FIRES_LOOKED_AT))
    )
    return min(gaps, default=None)


def _parts(trigger: Trigger) -> Iterator[Trigger]:
    """Each expression of *trigger* as a trigger without exclusions, and all of them as one."""
    alone = [(item,) for item in trigger.distinct] if len(trigger.items) > 1 else []
    for items in (*alone, trigger.items):
        yield from_canonical(text_form.encode(text_form.Parts(trigger.timezone, trigger.policy, items, ())))
