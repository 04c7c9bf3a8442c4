"""No expression within the documented limits takes more than 50 ms for its next fire, a put or a GET.

That includes a put with ``max_fires``, which finds its last fire as well, the ten-thousandth at most.

The inputs are the worst that were found, by these ways of looking:

- what the search has to look at: sets of exclusions that leave nothing, or one second a day, or the last year;
- what it cannot share: exclusions of which no two have a field in common, so that all days and times of day differ;
- what arithmetic cannot shorten: periods of ``rate()`` that share no divisor with a day, nights with a gap alone, and
  a drifting ``rate()`` from which the exclusions of each year take just what it meets then;
- what takes long to read: expressions of 256 characters of lists, steps and rules, and calendars of 1,000 spans;
- random sets of exclusions, most of which leave little (``RANDOM`` of them, of a fixed seed, are tried here);
- climbing: ``worst_inputs.py`` changes a random input as long as that makes it slower. ``worst_found.jsonl`` has what
  an hour of it found. Each run climbs for ``SECONDS`` more of processor time, of a fixed seed, or for as many as the
  first argument says.

Each is measured as a put does it, from text to the record and what the registrar sends; as a GET does it, from the
canonical text to the next fire; and as ``eventcron next`` does it. The cache of triggers is empty each time. The clock
changes of the zone and the numbers of each step are known: a function finds them once. Times are compared with those of
a fixed piece of work, so they are milliseconds of a core that does nothing else.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from benchmarks.worst_inputs import CALENDARS, Input, all_but_one, climb, parsed, sample
from eventcron.errors import EventcronError
from eventcron.model.commands import Schedule
from eventcron.rules.handover import handover
from eventcron.rules.lifecycle import When, put
from eventcron.rules.ordering import Version
from eventcron.timing import exclusions, trigger

NOW = 1_767_225_600_000  # 2026-01-01T00:00:00Z
#: Milliseconds. What a registrar plans itself: horizon and guard.
REACH_MS = 720_000
LIMIT_MS = {"put": 50.0, "put with max_fires": 50.0, "GET": 50.0, "next": 50.0}
#: What a busy machine may add.
TOLERANCE = 2
RANDOM = 40
SECONDS = 60
ZONES = ("UTC", "America/New_York")
FOUND = Path(__file__).with_name("worst_found.jsonl")

#: Seconds that have no divisor in common with a day.
PRIMES = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67)
LAST_MINUTES = ["* * 1-30 * *", "* 0-22 * * *", "0-58 * * * *"]

#: Steps of ``pace``, and how many milliseconds they take on an idle core of 2026.
PACE_STEPS, PACE_MS = 20_000, 1.48

Case = tuple[str, list[str], list[str]]


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


def by_hand() -> Iterator[Case]:
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


def long_to_read(choose: random.Random) -> Iterator[Case]:
    forms: dict[str, Callable[[], str]] = {
        "steps": lambda: f"{choose.randint(0, 30)}-59/{choose.randint(1, 29)}",
        "ranges": lambda: f"{(low := choose.randint(0, 58))}-{choose.randint(low + 1, 59)}",
        "numbers": lambda: f"{choose.randint(0, 59):02}",
        "rules": lambda: choose.choice([f"{choose.randint(1, 31)}W", f"L-{choose.randint(0, 30)}W", "LW"]),
    }
    for name, term in forms.items():
        before, after = ("0 0 0 ", " * *") if name == "rules" else ("", " * * * * *")

        def filled(term: Callable[[], str] = term, before: str = before, after: str = after) -> str:
            terms: list[str] = []
            while len(",".join(terms)) < 235:
                terms.append(term())
            return f"{before}{','.join(terms)}{after}"

        yield f"80 long lists of {name}", [filled() for _ in range(16)], [filled() for _ in range(64)]


def drifting() -> Iterator[Case]:
    """A rate that meets another hour each ten years, without that hour in those years."""
    period, by_hour = 86_401, dict[int, list[int]]()
    for year in range(2026, 2200):
        days = range((year - 2026) * 365, (year - 2025) * 366)
        for hour in {day * (period - 86_400) // 3_600 % 24 for day in days}:
            by_hour.setdefault(hour, []).append(year)
    exclude = [f"* * {hour} * * * {years[0]}-{years[-1]}" for hour, years in by_hour.items()]
    yield "a rate that drifts through the day", [f"rate({period} seconds)"], exclude
    yield "16 rates that drift", [f"rate({period + n} seconds)" for n in range(16)], exclude
    minutes = [f"{minute} * * * *" for minute in range(0, 60, 2)]
    yield "a rate that drifts through the hour", ["rate(3601 seconds)"], [*minutes, "calendar:nearly-always"]


def cases() -> Iterator[tuple[str, Input]]:
    choose = random.Random(2)
    for name, expression, exclude in [*by_hand(), *long_to_read(choose), *drifting()]:
        for zone in ZONES:
            yield f"{name}, {zone}", Input(expression, exclude, zone)
    for number, line in enumerate(FOUND.read_text().splitlines(), 1):
        yield f"line {number} of {FOUND.name}", Input(**json.loads(line))


def pace() -> float:
    """How many times longer than on an idle core a fixed piece of work takes now; 1 at least."""
    began, number = time.process_time(), 0
    for step in range(PACE_STEPS):
        number = (number * 31 + step) & 0xFFFF
    return max((time.process_time() - began) * 1000 / PACE_MS, 1.0)


def milliseconds(work: Callable[[], object], *, times: int = 3) -> float:
    """The processor time of *work*, the best of some *times*, with no trigger in memory."""
    best = float("inf")
    for _ in range(times):
        for cache in (trigger.from_canonical, trigger._remaining, exclusions._cron):
            cache.cache_clear()
        before, began = pace(), time.process_time()
        work()
        took = time.process_time() - began
        best = min(best, took * 2 / (before + pace()))
    return best * 1000


def put_it(schedule: Schedule) -> None:
    when = When(time=NOW, now=NOW, reach=REACH_MS, segments=16)
    with suppress(EventcronError):
        handover(put(None, schedule, Version(NOW, ()), when, expires=NOW, calendars=CALENDARS), now=NOW)


def ways(given: Input) -> dict[str, Callable[[], object]]:
    schedule = Schedule(
        tenant="acme", name="job", expression=given.expression, timezone=given.timezone, exclude=given.exclude
    )
    limited = replace(schedule, max_fires=10_000)
    text = parsed(given, NOW).canonical
    return {
        "put": lambda: put_it(schedule),
        "put with max_fires": lambda: put_it(limited),
        "GET": lambda: trigger.next_occurrence(trigger.from_canonical(text), NOW),
        "next": lambda: trigger.next_occurrence(parsed(given, NOW), NOW),
    }


def climbed(seconds: float) -> Iterator[tuple[str, Input]]:
    """What climbing finds within *seconds* of processor time, for each way in turn."""
    choose, end = random.Random(3), time.process_time() + seconds
    while time.process_time() < end:
        for way in LIMIT_MS:

            def cost(given: Input, way: str = way) -> float:
                work = ways(given)[way]
                work()  # so that the clock changes of the zone are known
                return milliseconds(work, times=1)

            found = climb(choose, cost, now=NOW, more=lambda: time.process_time() < end)
            if found is not None:
                yield f"a climb, {json.dumps(found[1]._asdict())}", found[1]


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "-v"]
    worst = dict.fromkeys(LIMIT_MS, (0.0, ""))
    for name, given in [*cases(), *climbed(float(words[0]) if words else SECONDS)]:
        for way, work in ways(given).items():
            work()
            took = milliseconds(work)
            worst[way] = max(worst[way], (took, name))
            if "-v" in sys.argv:
                print(f"{way:<18} {took:8.1f} ms   {name[:100]}")
    for way, (took, name) in worst.items():
        print(f"worst {way:<18} {took:8.1f} ms   limit {LIMIT_MS[way]:g} ms   {name}")
    if any(took > TOLERANCE * LIMIT_MS[way] for way, (took, _) in worst.items()):
        sys.exit("an expression takes more than twice the limit")


if __name__ == "__main__":
    main()
