"""Measure the cron engine: next occurrence, planning window, parsing, and the slowest known inputs.

The expressions are typical ones in a zone with daylight saving: fixed times, steps, working hours, weekdays, a few
sparse ones. The benchmark exits with 1 if it misses a target by a factor of two, which allows for a busy machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from statistics import fmean
from typing import NamedTuple
from zoneinfo import ZoneInfo

from croniter import croniter

from eventcron.errors import InvalidExpression
from eventcron.model.names import Window
from eventcron.rules.planning import WindowMemo
from eventcron.timing.trigger import Trigger, next_occurrence, parse

ZONE = "Europe/Oslo"
NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
MINUTE_MS = 60_000

MIX = [
    "30 2 * * *",
    "0 6,18 * * *",
    "*/5 * * * *",
    "*/15 9-17 * * MON-FRI",
    "0 7-23/4 * * *",
    "0 9 * * 1",
    "0 0 1 * *",
    "15 10 * * 1-5",
    "17 * * * *",
    "0 12 1,15 * *",
    "45 23 31 12 *",
    "0 0 29 2 *",
]

#: At most 256 characters each. Each one is slow for some part of the parser or the search.
WORST = [
    ",".join(f"{first}-59" for first in range(50))[:245].rstrip(",-") + " * * * *",
    ",".join(f"0-{last}" for last in range(58, 10, -1)) + " * * * *",
    "0 0 29 2 1#5",
    "0 0 0 ? * 1#5 2199",
    "0 0 12 29 2 ? 2199",
    "0 0 30 2 *",
    "0 0 31W 2 *",
    "* * * * * *",
    "0 0 * " + ",".join(["JAN-DEC"] * 30) + " *",
    "(" * 256,
    "9" * 256,
    "*/" * 128,
    "1-" * 128,
    "L" * 250 + " *",
    "* " * 128,
]


class Target(NamedTuple):
    """A measured time and its limit, both in microseconds."""

    name: str
    microseconds: float
    limit: float


def each(work: Callable[[], object], count: int, *, rounds: int = 40) -> float:
    """Return the microseconds per unit of *work*, which does *count* units, in the best of many short rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best / count * 1e6


def warm_next(triggers: list[Trigger]) -> float:
    starts = [NOW + number * 97 * MINUTE_MS for number in range(50)]

    def work(trigger: Trigger) -> None:
        for start in starts:
            next_occurrence(trigger, start)

    return fmean(each(partial(work, trigger), len(starts)) for trigger in triggers)


def croniter_next() -> float:
    start = datetime.fromtimestamp(NOW / 1000, UTC).astimezone(ZoneInfo(ZONE))

    def work(text: str) -> None:
        croniter(text, start).get_next(datetime)

    return fmean(each(partial(work, text), 1) for text in MIX)


def memo_look_up(triggers: list[Trigger]) -> float:
    window = Window(NOW, NOW + 12 * MINUTE_MS)
    memo = WindowMemo(window)
    texts = [trigger.canonical for trigger in triggers] * 200

    def work() -> None:
        for text in texts:
            memo.look_up(text)

    return each(work, len(texts))


def parse_and_validate() -> float:
    return fmean(each(partial(parse, text, timezone=ZONE, anchor=NOW), 1) for text in MIX)


def worst_input() -> tuple[float, str]:
    """Return the time of the slowest expression in ``WORST``, from text to next occurrence, and the expression."""

    def ask(text: str) -> None:
        with suppress(InvalidExpression):
            next_occurrence(parse(text, timezone=ZONE, anchor=NOW), NOW)

    return max((each(partial(ask, text), 1), text) for text in WORST)


def main() -> None:
    triggers = [parse(text, timezone=ZONE, anchor=NOW) for text in MIX]
    ours, theirs = warm_next(triggers), croniter_next()
    slowest, text = worst_input()
    targets = [
        Target("next instant, warm", ours, 8),
        Target("planning window from the memo", memo_look_up(triggers), 0.3),
        Target("parse and validate", parse_and_validate(), 250),
        Target(f"worst of {len(WORST)} inputs: {text[:24]}…", slowest, 5_000),
    ]
    for target in targets:
        print(f"{target.name:<50} {target.microseconds:10.2f} µs   target {target.limit:g} µs")
    print(f"{'croniter, construct and next':<50} {theirs:10.2f} µs   {theirs / ours:.0f} x ours, target 10 x")
    if theirs / ours < 10 or any(target.microseconds > 2 * target.limit for target in targets):
        sys.exit("a benchmark missed its target by more than a factor of two")


if __name__ == "__main__":
    main()
