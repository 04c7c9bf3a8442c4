"""Schedules whose runs are tracked, and targets that end, fail, hang, report twice, late, out of order or never.

They are there in one simulation in three, where nothing else keeps fires from being published. What targets do is drawn
for them alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.model.events import Event
from eventcron.model.names import Instant, Key
from eventcron.timing.instant import rfc3339
from tools.faultsim.inputs import input_of
from tools.faultsim.loop import SeededLoop
from tools.faultsim.seeded_random import SeededRandom
from tools.faultsim.spell import Condition
from tools.faultsim.workload import Kind, Scenario, Sent

#: One simulation in so many has them.
TRACKED = 3
#: Not where the release of a rollback cannot read schedules, nor where a limit skips fires.
_WITHOUT = {Condition.ROLLBACK, Condition.QUOTA}
#: A schedule of which the bus refuses some fires for good until the faults end.
REFUSED = Key("acme", "refused")
#: Schedules by what becomes of a fire while a run is open.
SKIPPING, QUEUEING, ALLOWING = Key("acme", "skipping"), Key("bolt", "queueing"), Key("acme", "allowing")
KEYS = {SKIPPING: "skip", QUEUEING: "queue_one", ALLOWING: "allow", REFUSED: "skip"}
OVERLAPS = ("skip", "queue_one", "allow")
#: A schedule that is paused after failures in a row. Which of the three it does with a fire is drawn.
PAUSING = Key("bolt", "pausing")
#: Milliseconds after its deadline at which a late report is sent at the latest.
LATE_MS = 60_000

#: What a target does: each as often as it is there.
_HABITS = ("ends", "ends", "ends", "fails", "hangs", "late", "twice", "out of order", "forged", "replayed")
#: Those that are failures.
_FAILURES = ("fails", "fails", "hangs", "late")


class Report(NamedTuple):
    """A report that a target sent. *genuine*: with the token that its fire had."""

    fire_id: str
    status: str
    id: str
    emitted: Instant
    arrives: Instant
    genuine: bool
    #: How often it arrives.
    times: int


def refuses(fire: Event) -> bool:
    """Whether the bus refuses *fire* for good as long as there are faults."""
    return fire.resources[0] == str(REFUSED) and crc32(fire.fire_id.encode()) % 2 == 0


def has_targets(seed: int, condition: Condition) -> bool:
    """Whether the simulation of *seed* has them."""
    return seed % TRACKED == 1 and condition not in _WITHOUT


def puts(seed: int, scenario: Scenario) -> list[Sent]:
    """The puts of the tracked schedules, early on. They end, so that each run does."""
    random = SeededRandom(seed ^ 0x7E5)
    sent = []
    for key, overlap in KEYS.items():
        runs = {"track": True, "timeout_seconds": random.pick((4, 25, 90, 400)), "overlap": overlap}
        detail = {
            "tenant": key.tenant,
            "name": key.name,
            "expression": random.pick(("*/20 * * * * *", "*/30 * * * * *", "* * * * *")),
            "end": rfc3339(scenario.start + min(scenario.span_s, 700) * 800),
            "misfire": {"policy": "fire_all", "grace_seconds": 86_400},
            "runs": runs,
            "input": input_of(key, 1),
        }
        at = scenario.start + 1_000
        source = TENANT_SOURCE_PREFIX + key.tenant
        sent.append(Sent(Kind.VALID, f"event-{key.name}", "Put Schedule", key, detail, source, at, (100,)))
    return sent + _pausing(random, scenario, sent[0])


def _pausing(random: SeededRandom, scenario: Scenario, like: Sent) -> list[Sent]:
    """The put of the schedule that is paused after failures, otherwise *like* another one, and what resumes it."""
    runs = {
        "track": True,
        "timeout_seconds": random.pick((4, 25, 90)),
        "overlap": random.pick(OVERLAPS),
        "pause_after_failures": random.between(1, 4),
    }
    which = {"tenant": PAUSING.tenant, "name": PAUSING.name}
    definition = which | {"expression": "*/20 * * * * *", "runs": runs, "input": input_of(PAUSING, 1)}
    commands = [("Put Schedule", like.detail | definition, like.emitted)]
    at = like.emitted
    for _ in range(random.between(0, 3)):
        at += random.between(60_000, min(scenario.span_s, 700) * 300)
        commands.append(("Resume Schedule", which, at))
    source = TENANT_SOURCE_PREFIX + PAUSING.tenant
    return [
        Sent(Kind.VALID, f"event-{PAUSING.name}-{number}", command, PAUSING, detail, source, emitted, (100,))
        for number, (command, detail, emitted) in enumerate(commands)
    ]


class Targets:
    """What receives the fires of the tracked schedules. *put* takes a message to the queue of commands."""

    def __init__(self, seed: int, loop: SeededLoop, *, start: Instant, put: Callable[[str], object]) -> None:
        self._random = SeededRandom(seed ^ 0x7A26)
        self._loop = loop
        self._start = start
        self._put = put
        self._timeouts_ms: dict[str, int] = {}
        self._pauses_after = 1
        #: How many more runs of the schedule that is paused after failures fail; then one succeeds.
        self._to_fail = 0
        self._seen: set[str] = set()
        self._tokens: dict[Key, str] = {}
        self.reports: list[Report] = []

    def expect(self, sent: list[Sent]) -> None:
        """Know the timeouts of the schedules that are put, and how many failures one of them allows."""
        for one in sent:
            if "runs" in one.detail:
                self._timeouts_ms[one.key.name] = one.detail["runs"]["timeout_seconds"] * 1000
                self._pauses_after = one.detail["runs"].get("pause_after_failures", self._pauses_after)

    def take(self, event: Event) -> None:
        """Receive *event*. A fire that comes again is mostly ignored."""
        detail: dict[str, Any] = msgspec.json.decode(event.detail)
        if "run_token" not in detail or detail["name"] not in self._timeouts_ms:
            return
        if detail["fire_id"] in self._seen and self._random.chance(0.7):
            return
        self._seen.add(detail["fire_id"])
        habit = self._next_of_a_streak() if detail["name"] == PAUSING.name else self._random.pick(_HABITS)
        self._behave(detail, habit, self._timeouts_ms[detail["name"]])
        self._tokens[Key(detail["tenant"], detail["name"])] = detail["run_token"]

    def _next_of_a_streak(self) -> str:
        """What the target does that often fails as many times in a row as are allowed, or one time more."""
        if self._to_fail == 0:
            allowed = self._pauses_after - 1
            self._to_fail = self._random.pick((allowed, allowed, allowed + 1, allowed + 2))
            return "ends"
        self._to_fail -= 1
        return self._random.pick(_FAILURES)

    def _behave(self, fire: dict[str, Any], habit: str, timeout_ms: int) -> None:
        random = self._random
        soon = random.between(0, timeout_ms * 7 // 10)
        if habit in {"ends", "twice", "out of order", "replayed"}:
            self._send(fire, "succeeded", soon)
        if habit == "fails":
            self._send(fire, "failed", soon)
        if habit == "late":
            self._send(fire, "succeeded", timeout_ms + random.between(5_000, LATE_MS))
        if habit == "twice":
            self._send(fire, "failed", soon + random.between(1, LATE_MS))
        if habit == "out of order":
            self._send(fire, random.pick(("started", "progress")), soon + random.between(1, 10_000))
        if habit == "forged":
            token = fire["run_token"]
            self._send(fire, "failed", soon, token=token[:-1] + ("x" if token[-1] != "x" else "y"))
        if habit == "replayed":
            other = self._tokens.get(Key(fire["tenant"], fire["name"]))
            if other is not None and other != fire["run_token"]:
                self._send(fire, "failed", soon // 2, token=other)

    def _send(self, fire: dict[str, Any], status: str, after_ms: int, *, token: str | None = None) -> None:
        """Send a report *after_ms* from now, with another *token* if one is given. It may arrive late, or twice."""
        random, now_ms = self._random, self._loop.now_us // 1000
        arrivals = [random.between(0, 60_000) if random.chance(0.1) else random.mostly_small(2_000)]
        if random.chance(0.2):
            arrivals.append(arrivals[0] + random.between(0, 200_000))
        named = f"report-{len(self.reports)}"
        emitted = self._start + now_ms + after_ms
        genuine = token is None
        self.reports.append(
            Report(fire["fire_id"], status, named, emitted, emitted + arrivals[0], genuine, len(arrivals))
        )
        given = fire if token is None else fire | {"run_token": token}
        body = self._body(given, status, named, emitted, as_record=genuine and random.chance(0.3))
        for arrival in arrivals:
            self._loop.timer((now_ms + after_ms + arrival) * 1000, self._put, body)

    def _body(self, fire: dict[str, Any], status: str, named: str, at: Instant, *, as_record: bool) -> str:
        """A command, or what AWS says of a function."""
        event: dict[str, Any] = {"id": named, "time": rfc3339(at // 1000 * 1000, millis=False)}
        if as_record and status in {"succeeded", "failed"}:
            event["source"] = "lambda"
            event["detail-type"] = f"Lambda Function Invocation Result - {_RESULTS[status]}"
            event["detail"] = {"requestPayload": {"detail": fire}, "responsePayload": {"id": named}}
            return json.dumps(event)
        event |= {"source": TENANT_SOURCE_PREFIX + fire["tenant"], "detail-type": "Report Run"}
        names = ("tenant", "name", "fire_id", "run_token")
        event["detail"] = {name: fire[name] for name in names} | {"status": status, "result": {"id": named}}
        return json.dumps(event)


_RESULTS = {"succeeded": "Success", "failed": "Failure"}
