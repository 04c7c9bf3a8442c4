"""A schedule that expects reports, and whoever sends them.

It is there where tracked schedules are. Reports come in time, fall silent, come back, come late, twice, say a failure,
or come from strangers. What is sent is drawn for it alone.
"""

from __future__ import annotations

from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.model.names import Instant, Key
from eventcron.timing.instant import rfc3339
from tools.faultsim.seeded_random import SeededRandom
from tools.faultsim.workload import Kind, Scenario, Sent

#: The schedule.
WATCHED = Key("bolt", "watched")
#: Its expressions, each with the seconds of its interval.
_EXPRESSIONS = {"*/20 * * * * *": 20, "*/30 * * * * *": 30, "* * * * *": 60}


def puts(seed: int, scenario: Scenario) -> list[Sent]:
    """The put of the schedule, early on, and the reports. It ends before the simulation does."""
    random = SeededRandom(seed ^ 0xBEA7)
    expression, within_s = random.pick(tuple(_EXPRESSIONS)), random.pick((4, 15, 45, 90))
    every_s = _EXPRESSIONS[expression]
    start, end = scenario.start + 1_000, scenario.start + min(scenario.span_s, 700) * 800
    detail = {
        "tenant": WATCHED.tenant,
        "name": WATCHED.name,
        "expression": expression,
        "end": rfc3339(end),
        "misfire": {"policy": "fire_all", "grace_seconds": 86_400},
        "expect": {"within_seconds": within_s},
    }
    source = TENANT_SOURCE_PREFIX + WATCHED.tenant
    sent = [Sent(Kind.VALID, "event-watched", "Put Schedule", WATCHED, detail, source, start, (100,))]
    at, silent = start + 20_000, False
    while at < end:
        silent = random.chance(0.6) if silent else random.chance(0.25)
        if not silent:
            sent += _reports(random, at, len(sent), within_s * 1000)
        at += every_s * 1000 if random.chance(0.8) else random.between(1_000, every_s * 2_000)
    return sent


def _reports(random: SeededRandom, due: Instant, number: int, within_ms: int) -> list[Sent]:
    """A report for the instant *due*, and perhaps one more, of a failure or of a stranger."""
    which = {"tenant": WATCHED.tenant, "name": WATCHED.name}
    arrivals = [random.between(0, 60_000) if random.chance(0.1) else random.mostly_small(2_000)]
    if random.chance(0.2):
        arrivals.append(arrivals[0] + random.between(0, 100_000))
    at = due + (random.between(0, within_ms) if random.chance(0.9) else random.between(0, within_ms * 3))
    status = "failed" if random.chance(0.15) else "succeeded"
    own = TENANT_SOURCE_PREFIX + WATCHED.tenant
    found = [_report(f"beat-{number}", which | {"status": status}, own, at, arrivals)]
    if random.chance(0.15):
        status = random.pick(("failed", "succeeded"))
        other = at + random.between(0, 5_000)
        found.append(_report(f"beat-{number}-b", which | {"status": status}, own, other, [100]))
    if random.chance(0.15):
        stranger = TENANT_SOURCE_PREFIX + "evil"
        found.append(_report(f"beat-{number}-s", which | {"status": "succeeded"}, stranger, at, [100]))
    return found


def _report(named: str, detail: dict[str, str], source: str, at: Instant, arrivals: list[int]) -> Sent:
    kind = Kind.INVALID if source.endswith("evil") else Kind.VALID
    return Sent(kind, named, "Report Run", WATCHED, dict(detail), source, at, tuple(arrivals))
