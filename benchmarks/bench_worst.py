"""No expression within the documented limits takes more than 50 ms for its next fire, a put or a GET.

A put with ``max_fires`` finds its last fire as well, the ten-thousandth at most: 150 ms.

The inputs are the worst that were found, by four ways of looking:

- what the search has to look at: sets of exclusions that leave nothing, or one second a day, or the last year;
- what it cannot share: exclusions of which no two have a field in common, so that all days and times of day differ;
- what arithmetic cannot shorten: periods of ``rate()`` that share no divisor with a day, and nights with a gap alone;
- random sets of exclusions, most of which leave little (``RANDOM`` of them, of a fixed seed, are tried here).

Each is measured as a put does it, from text to the record and what the registrar sends; as a GET does it, from the
canonical text to the next fire; and as ``eventcron next`` does it. The caches of triggers are empty each time, and
those of the zone are warm: a function fills them once.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from msgspec.structs import replace

from eventcron.errors import EventcronError
from eventcron.model.commands import Schedule
from eventcron.rules.handover import handover
from eventcron.rules.lifecycle import When, put
from eventcron.rules.ordering import Version
from eventcron.rules.planning import nth_fire
from eventcron.timing import exclusions, trigger

NOW = 1_767_225_600_000  # 2026-01-01T00:00:00Z
#: Milliseconds. What a registrar plans itself: horizon and guard.
REACH_MS = 720_000
LIMIT_MS = 50.0
#: The ten-thousandth fire of a dozen rates without a common divisor is found by merging them.
MAX_FIRES_LIMIT_MS = 150.0
#: What a busy machine may add.
TOLERANCE = 2
RANDOM = 40
ZONES = ("UTC", "America/New_York")

#: Seconds that have no divisor in common with a day.
PRIMES = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67)
LAST_MINUTES = ["* * 1-30 * *", "* 0-22 * * *", "0-58 * * * *"]

Case = tuple[str, list[str], list[str]]


def sample(choose: random.Random, low: int, high: int, count: int) -> str:
    return ",".join(map(str, sorted(choose.sample(range(low, high + 1), count))))


def all_but_one(choose: random.Random, low: int, high: int) -> str:
    left_out = choose.randint(low, high)
    spans = [(low, left_out - 1), (left_out + 1, high)]
    return ",".join(f"{first}-{last}" for first, last in spans if first <= last)


def of_pairs(choose: random.Random, form: str) -> list[str]:
    """Thirty pairs: each covers two minutes or seconds, one member on some days of the month, one on the others."""
    found = []
    for number in range(30):
        days = set(choose.sample(range(1, 32), 16))
        for chosen in (days, set(range(1, 32)) - days):
            span = f"{2 * number}-{2 * number + 1}"
            found.append(form.format(span=span, days=",".join(map(str, sorted(chosen)))))
    return found


def various(choose: random.Random) -> list[str]:
    return [
        f"{sample(choose, 0, 59, 22)} {sample(choose, 0, 59, 22)} {sample(choose, 0, 23, 12)} "
        f"{sample(choose, 1, 31, 15)} {sample(choose, 1, 12, 6)} *"
        for _ in range(61)
    ]


def dense(choose: random.Random) -> list[str]:
    bounds = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12)]
    return [" ".join([*(all_but_one(choose, *bound) for bound in bounds), "*"]) for _ in range(61)]


def cases() -> Iterator[Case]:
    choose = random.Random(1)
    minutes, seconds = [f"{m} * * * *" for m in range(60)], [f"{s} * * * * *" for s in range(60)]
    covered = ["0-29 * * * * *", "30-59 * * 1-15 * *", "30-59 * * 16-31 * *"]
    thin = ["* 1-23 * * *", "1-59 * * * *", "1-59 0 0 * * *"]
    primes = [86_399, 86_353, 43_201, 7_919, 7_927, 5_003, 3_607, 3_613, 10_007, 20_011, 30_011, 40_009]
    yield "16 times of day, each minute excluded", [f"{m} 9 * * *" for m in range(16)], minutes
    yield "rate(1 second), each minute excluded", ["rate(1 second)"], minutes
    yield "rate(1 second), each second excluded", ["rate(1 second)"], seconds
    yield "16 steps of seconds, each second excluded", [f"*/{n} * * * * *" for n in range(1, 17)], seconds
    yield "16 rates, each second excluded", [f"rate({n} seconds)" for n in range(1, 17)], seconds
    yield "half the minutes of eleven months", ["rate(2 minutes)"], ["*/2 * * 1-11 *"]
    yield "pairs of days, each minute", ["* * * * *"], of_pairs(choose, "{span} * {days} * *")
    yield "pairs of days, each second", ["* * * * * *"], of_pairs(choose, "{span} * * {days} * *")
    yield "61 various exclusions", ["* * * * * *"], various(choose)
    yield "61 various exclusions that others cover", ["* * * * * *"], various(choose) + covered
    yield "61 various exclusions of a rate", ["rate(7 seconds)"], various(choose) + covered
    yield "61 exclusions of nearly everything", ["* * * * * *"], dense(choose)
    yield "a rate of 7919 seconds, one second a day left", ["rate(7919 seconds)"], thin
    yield "a rate of 86399 seconds, one second a day left", ["rate(86399 seconds)"], thin
    yield "16 rates of primes, the last minutes of a month left", [f"rate({p} seconds)" for p in PRIMES], LAST_MINUTES
    yield "12 rates of primes, one second a day left", [f"rate({p} seconds)" for p in primes], thin
    yield "a night that has a gap alone", ["30 2 8-14 3 *"], ["* * * * 1-6"]
    yield "every second of 2199", ["* * * * * * 2199"], []
    yield "the 29th of February 2192", [f"{n} 0 0 29 2 * 2192" for n in range(16)], []
    for number in range(RANDOM):
        fields = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
        exclude = []
        for _ in range(choose.choice([4, 16, 64])):
            texts = ["*"] * 6
            for position in choose.sample(range(6), choose.randint(1, 4)):
                texts[position] = all_but_one(choose, *fields[position])
            exclude.append(" ".join(texts))
        yield f"random {number}", [choose.choice(["* * * * * *", "0/7 3 * * * *", "rate(77 seconds)"])], exclude


def milliseconds(work: Callable[[], object]) -> float:
    """The processor time of *work*, the best of three, with no trigger in memory."""
    best = float("inf")
    for _ in range(3):
        for cache in (trigger.from_canonical, trigger._remaining, exclusions._cron):
            cache.cache_clear()
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best * 1000


def put_it(schedule: Schedule) -> None:
    when = When(time=NOW, now=NOW, reach=REACH_MS, segments=16)
    with suppress(EventcronError):
        handover(put(None, schedule, Version(NOW, ()), when, expires=NOW), now=NOW)


def measure(expression: Sequence[str], exclude: Sequence[str], zone: str) -> dict[str, float]:
    schedule = Schedule(tenant="acme", name="job", expression=list(expression), timezone=zone, exclude=list(exclude))
    limited = replace(schedule, max_fires=10_000)
    text = trigger.parse(expression, timezone=zone, exclude=exclude, anchor=NOW).canonical
    return {
        "put": milliseconds(lambda: put_it(schedule)),
        "put with max_fires": milliseconds(lambda: put_it(limited)),
        "GET": milliseconds(lambda: nth_fire(text, NOW, 1)),
        "next": milliseconds(
            lambda: trigger.next_occurrence(trigger.parse(expression, timezone=zone, exclude=exclude, anchor=NOW), NOW)
        ),
    }


def main() -> None:
    worst: dict[str, tuple[float, str]] = {}
    for name, expression, exclude in cases():
        for zone in ZONES:
            for way, took in measure(expression, exclude, zone).items():
                worst[way] = max(worst.get(way, (0.0, "")), (took, f"{name}, {zone}"))
            if "-v" in sys.argv:
                print(f"{name} {zone}: {measure(expression, exclude, zone)}")
    limits = {way: MAX_FIRES_LIMIT_MS if way == "put with max_fires" else LIMIT_MS for way in worst}
    for way, (took, name) in worst.items():
        print(f"worst {way:<18} {took:8.1f} ms   limit {limits[way]:g} ms   {name}")
    if any(took > TOLERANCE * limits[way] for way, (took, _) in worst.items()):
        sys.exit("an expression takes more than twice the limit")


if __name__ == "__main__":
    main()
