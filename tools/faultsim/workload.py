"""The messages of a simulation: commands of every kind, some of them delivered twice, late or invalid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any, NamedTuple

from msgspec.structs import replace

from eventcron.app.planner import INDEX_LAG_MS
from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.model.names import Instant, Key
from eventcron.settings import Settings
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import from_rfc3339, rfc3339
from eventcron.timing.trigger import local_time
from tools.faultsim.faults import FaultPlan, Outage
from tools.faultsim.inputs import input_of
from tools.faultsim.seeded_random import SeededRandom
from tools.faultsim.spell import Condition


class Kind(Enum):
    """How a message has to end."""

    VALID = auto()  # it acts, unless a later command did
    INVALID = auto()  # ``Schedule Rejected`` answers it
    POISON = auto()  # its sender is unknown: it becomes a dead letter


class Sent(NamedTuple):
    """A command, or another message, that is sent to a queue and arrives there once or more often."""

    kind: Kind
    event_id: str
    command: str
    key: Key
    detail: dict[str, Any]
    source: str
    emitted: Instant
    #: Milliseconds after its emission at which it arrives.
    arrivals: tuple[int, ...]
    body: str = ""
    #: The name of the deployment's attribute.
    queue: str = "commands"

    @property
    def time(self) -> Instant:
        """The time in the event: EventBridge cuts it to whole seconds."""
        return self.emitted // 1000 * 1000

    def message(self) -> str:
        """The body of the message, as an EventBridge rule writes it."""
        if self.body:
            return self.body
        return json.dumps({
            "version": "0", "id": self.event_id, "detail-type": self.command, "source": self.source,
            "account": "000000000000", "time": rfc3339(self.time, millis=False), "region": "us-east-1",
            "resources": [], "detail": self.detail,
        })  # fmt: skip


class Scenario(NamedTuple):
    """When a simulation takes place, in which time zone, and how the deployment is configured."""

    start: Instant
    zone: str
    span_s: int
    settings: Settings
    #: Milliseconds from the start to the first tick.
    first_tick_ms: int
    #: Milliseconds that a planner may run. While there are faults it may have too little time for a whole pass; it then
    #: resumes with the next tick.
    planner_timeout_ms: int
    busy_timeout_ms: int


class _Timing(NamedTuple):
    span_s: int
    tick_seconds: int
    horizon_seconds: int
    guard_seconds: int


#: The template's settings, ticks of a minute, the demonstration's settings, and ticks faster than the index follows.
#: The guard is longer than a call and the index's lag together.
TIMINGS = (_Timing(2400, 300, 720, 45), _Timing(1500, 60, 120, 30), _Timing(900, 10, 30, 15), _Timing(300, 3, 15, 15))

#: Ordinary days, and days shortly before clocks change.
STARTS = (
    ("2026-12-01T08:00:00+00:00", "UTC"),
    ("2026-06-30T23:50:00+00:00", "Asia/Tokyo"),
    ("2026-03-29T00:50:00+00:00", "Europe/Oslo"),
    ("2026-10-25T00:50:00+00:00", "Europe/Oslo"),
    ("2026-03-08T06:50:00+00:00", "America/New_York"),
    ("2026-11-01T05:50:00+00:00", "America/New_York"),
    ("2026-10-03T15:20:00+00:00", "Australia/Lord_Howe"),
    ("2026-04-04T14:50:00+00:00", "Australia/Lord_Howe"),
)

#: Milliseconds: the template's default, and a timeout for ticks that come faster.
PLANNER_TIMEOUT_MS, QUICK_TIMEOUT_MS = 60_000, 4_000 + INDEX_LAG_MS
TENANTS = ("acme", "bolt")
#: The name of each tenant's only calendar.
CALENDAR = "holidays"
#: The bus refuses every fire of this schedule.
UNPUBLISHABLE = Key("acme", "unpublishable")
#: A stubborn bus refuses every fire of this schedule until it no longer does.
STUBBORN = Key("acme", "stubborn")


def draw_scenario(random: SeededRandom, condition: Condition = Condition.CALM) -> Scenario:
    """A scenario for one planner. Where a bus is stubborn for hours, ticks are rare."""
    timing = TIMINGS[0] if condition is Condition.STUBBORN_BUS else random.pick(TIMINGS)
    text, zone = random.pick(STARTS)
    settings = replace(
        SETTINGS,
        segments=random.between(1, 3),
        tick_seconds=timing.tick_seconds,
        horizon_seconds=timing.horizon_seconds,
        guard_seconds=timing.guard_seconds,
        lead_seconds=random.between(1, 3),
        pack_size=random.pick((1, 3, 200)),
        concurrency=random.between(1, 4),
    )
    start = from_rfc3339(text)
    timeout_ms = PLANNER_TIMEOUT_MS if timing.tick_seconds * 1000 >= PLANNER_TIMEOUT_MS else QUICK_TIMEOUT_MS
    return Scenario(
        start=start + random.between(0, 300_000),
        zone=zone,
        span_s=timing.span_s,
        settings=settings,
        first_tick_ms=random.between(0, timing.tick_seconds * 1000),
        planner_timeout_ms=timeout_ms,
        busy_timeout_ms=timeout_ms if random.chance(0.5) else random.between(3_020, 3_300),
    )


def several_planners(settings: Settings) -> Settings:
    """*settings* with a planner for each segment."""
    return replace(
        settings, planner_workers=settings.segments + 1, segment_queue_url="segments", segment_dlq_url="segment-dlq"
    )


def draw_commands(random: SeededRandom, scenario: Scenario, faults: FaultPlan) -> list[Sent]:
    """All messages, in order of emission. Some schedules end when an outage does."""
    writer = _Writer(random, scenario)
    _write_schedules(writer, random, faults)
    for _ in range(random.between(0, 3)):
        writer.invalid()
    for queue in ("fires", "segments") if scenario.settings.planner_workers > 1 else ("fires",):
        if random.chance(0.3):
            writer.poison(queue)
    return sorted(writer.sent, key=lambda sent: (sent.emitted, sent.event_id))


def _write_schedules(writer: _Writer, random: SeededRandom, faults: FaultPlan) -> None:
    for tenant in TENANTS:
        if random.chance(0.3):
            writer.calendar(tenant)
    for number in range(random.between(2, 4)):
        writer.schedule(Key(random.pick(TENANTS), f"s{number}"))
    if random.chance(0.3):
        writer.replaced_one_shots(Key(random.pick(TENANTS), "race"))
    if random.chance(0.3) or (faults.outage is not None and faults.outage.service == "events"):
        writer.schedule_with_an_end(Key(random.pick(TENANTS), "ending"), faults.outage)
    if random.chance(0.2):
        writer.schedule(UNPUBLISHABLE)
    if faults.spell.condition is Condition.STUBBORN_BUS:
        writer.patient(STUBBORN)


class _Writer:
    def __init__(self, random: SeededRandom, scenario: Scenario) -> None:
        self._random = random
        self._scenario = scenario
        self.sent: list[Sent] = []
        self._with_calendar: set[str] = set()
        #: Ids of the backfills of the schedule that is being written.
        self._backfill_ids: list[str] = []

    @property
    def _next_id(self) -> str:
        return f"event-{len(self.sent) + 1}"

    def schedule(self, key: Key) -> None:
        """One schedule: a put, and commands that change it."""
        random = self._random
        numbered = random.chance(0.3)
        at = self._scenario.start + random.between(1, self._scenario.span_s * 300)
        puts, command, last = 0, "", dict[str, Any]()
        self._backfill_ids = []
        for number in range(random.between(1, 6)):
            resumes = command == "Pause Schedule" and random.chance(0.7)
            command = "Put Schedule" if number == 0 else "Resume Schedule" if resumes else random.pick(_CHANGES)
            detail: dict[str, Any] = {"tenant": key.tenant, "name": key.name}
            if command == "Put Schedule":
                puts += 1
                detail = last = self._put(key, at, puts, last)
            if command == "Resume Schedule" and random.chance(0.5):
                detail |= {"missed": random.pick(("skip", "fire_once", "fire_all")), "per_minute": _RATES[at % 4]}
            if command == "Run Schedule":
                detail |= {"run_id": f"run-{number}"} if random.chance(0.5) else {}
            elif command in {"Backfill Schedule", "Cancel Backfill"}:
                command, more = self._backfill(command, number, at)
                detail |= more
            elif numbered or random.chance(0.3):
                detail["revision"] = number + 1 if numbered else at
            self._send(Kind.VALID, command, key, detail, at)
            at = max(self._next_command(command, at), at + 1)

    def _next_command(self, command: str, at: Instant) -> Instant:
        """When the command that follows *command* is sent."""
        random, span_s = self._random, self._scenario.span_s
        # Sometimes two commands in one second, which only their arrival orders.
        at += random.between(0, 900) if random.chance(0.1) else 1_500 + random.mostly_small(span_s * 400)
        if command == "Pause Schedule" and random.chance(0.6):
            at += random.between(20_000, span_s * 250)  # long enough for something to fall due
        if random.chance(0.25):
            return at // 60_000 * 60_000 + 60_000 - random.between(0, 1_500)  # just before many occurrences are due
        if random.chance(0.3):
            return self._tick_after(at) + random.between(-2_500, 2_500)  # while the planner works
        return at

    def _put(self, key: Key, at: Instant, number: int, last: dict[str, Any]) -> dict[str, Any]:
        """Another definition, or the *last* one as another deploy puts it: the same, or all but the input."""
        random = self._random
        of_put = {"input": input_of(key, number)}
        if last and random.chance(0.4):
            again = last | ({} if random.chance(0.7) else of_put)
            left_out = {"revision"} if random.chance(0.5) else {"revision", "state"}
            return {name: value for name, value in again.items() if name not in left_out}
        detail = {"tenant": key.tenant, "name": key.name} | self._definition(at) | of_put
        if key.tenant in self._with_calendar and random.chance(0.5):
            # No other exclusion: which of two excludes an occurrence would depend on when the calendar is read.
            detail = {name: value for name, value in detail.items() if name not in _NOT_WITH_A_CALENDAR}
            detail["exclude"] = [f"calendar:{CALENDAR}"]
        return detail

    def replaced_one_shots(self, key: Key) -> None:
        """One-shot schedules under one name, each replaced while the planner plans it."""
        random, settings = self._random, self._scenario.settings
        reach_ms = (settings.horizon_seconds + settings.guard_seconds) * 1000
        at = self._scenario.start + random.between(1, self._scenario.span_s * 100)
        for put in range(random.between(2, 8)):
            due = at // 1000 * 1000 + reach_ms + random.between(2, 6) * 1000
            detail = {"tenant": key.tenant, "name": key.name, "expression": f"at({rfc3339(due, millis=False)[:-1]})"}
            self._send(Kind.VALID, "Put Schedule", key, detail | {"input": input_of(key, put + 1)}, at)
            at = self._tick_after(due - settings.horizon_seconds * 1000) + random.between(-200, 400)

    def schedule_with_an_end(self, key: Key, outage: Outage | None) -> None:
        """A schedule that fires often, skips some occurrences, and ends during the simulation."""
        random, span_s = self._random, self._scenario.span_s
        at = self._scenario.start + random.between(1, span_s * 50)
        # If there is an outage, it ends with that: skips are reported late then, and the last fire may come first.
        first_s, last_s = (span_s // 5, span_s * 3 // 5) if outage is None else (outage.end_s - 40, outage.end_s + 10)
        end = max(at + 120_000, self._scenario.start + random.between(first_s * 1000, last_s * 1000))
        detail = {
            "tenant": key.tenant,
            "name": key.name,
            "expression": random.pick(("*/10 * * * * *", "*/20 * * * * *", "* * * * *")),
            "exclude": [random.pick(("*/2 * * * *", "*/3 * * * *"))],
            "end": rfc3339(end),
            "input": input_of(key, 1),
        }
        self._send(Kind.VALID, "Put Schedule", key, detail, at)

    def patient(self, key: Key) -> None:
        """A schedule that fires a few times early on, however late, and whose run and backfill do too."""
        random = self._random
        at = self._scenario.start + random.between(1, 5_000)
        soon = (at // 1000 + random.between(10, 60)) * 1000
        detail: dict[str, Any] = {
            "tenant": key.tenant,
            "name": key.name,
            "expression": random.pick((f"at({rfc3339(soon, millis=False)[:-1]})", "*/2 * * * *")),
            "misfire": {"policy": random.pick(("fire_all", "fire_once")), "grace_seconds": 86_400},
            "end": rfc3339(soon + random.between(60_000, 400_000)),
            "input": input_of(key, 1),
        }
        self._send(Kind.VALID, "Put Schedule", key, detail, at)
        which = {"tenant": key.tenant, "name": key.name}
        if random.chance(0.5):
            self._send(Kind.VALID, "Run Schedule", key, which | {"run_id": "run-1"}, at + 5_000)
        if random.chance(0.5):
            span = {"from": rfc3339(at), "until": rfc3339(at + 300_000), "per_minute": 60, "backfill_id": "backfill-1"}
            self._send(Kind.VALID, "Backfill Schedule", key, which | span, at + 8_000)

    def _tick_after(self, at: Instant) -> Instant:
        first, every = self._scenario.start + self._scenario.first_tick_ms, self._scenario.settings.tick_seconds * 1000
        return at + (first - at) % every

    def _backfill(self, command: str, number: int, at: Instant) -> tuple[str, dict[str, Any]]:
        """The command, and its details: a cancellation only if there is a backfill to cancel."""
        random, span_s = self._random, self._scenario.span_s
        if command == "Cancel Backfill" and self._backfill_ids:
            return command, {"backfill_id": random.pick(self._backfill_ids)}
        since = at + random.between(-span_s * 800, span_s * 300)
        detail: dict[str, Any] = {"from": rfc3339(since), "until": rfc3339(since + random.between(60_000, 2_400_000))}
        detail["per_minute"] = random.pick((2, 6, 60, 600))
        if random.chance(0.7):
            detail["backfill_id"] = f"backfill-{number}"
        self._backfill_ids.append(detail.get("backfill_id", self._next_id))
        return "Backfill Schedule", detail

    def calendar(self, tenant: str) -> None:
        """A calendar that is put at the start, and may be changed or deleted."""
        random = self._random
        key = Key(tenant, f"calendar:{CALENDAR}")
        at = self._scenario.start + random.between(0, 1_000)
        for revision in range(1, random.between(2, 4)):
            command = "Delete Calendar" if revision > 1 and random.chance(0.3) else "Put Calendar"
            detail: dict[str, Any] = {"tenant": tenant, "name": CALENDAR, "revision": revision}
            if command == "Put Calendar":
                first = self._scenario.start + random.between(-2, 1) * 86_400_000
                days = [local_time(first + day * 86_400_000, "UTC")[:10] for day in range(random.between(1, 2))]
                detail["dates"] = ["/".join(dict.fromkeys((days[0], days[-1])))] if days[0] != days[-1] else days[:1]
            self._send(Kind.VALID, command, key, detail, at, late=0.5)
            # Often so soon that the next one overtakes it.
            at += 2_000 + random.between(0, 20_000 if random.chance(0.5) else self._scenario.span_s * 500)
        self._with_calendar.add(tenant)

    def invalid(self) -> None:
        """A command that has to be rejected, or a message that is no command."""
        random = self._random
        at = self._scenario.start + random.between(1, self._scenario.span_s * 500)
        key = Key(random.pick(TENANTS), f"s{random.between(0, 3)}")
        if random.chance(0.3):
            self.poison("commands")
            return
        bad: dict[str, Any] = {"tenant": key.tenant, "name": key.name, "expression": "* * * * *", "revision": 2**52}
        command = "Put Schedule"
        source = TENANT_SOURCE_PREFIX + key.tenant
        fault = random.pick(("field", "expression", "never", "foreign", "zone"))
        if fault == "foreign":
            source = TENANT_SOURCE_PREFIX + next(tenant for tenant in TENANTS if tenant != key.tenant)
            command = random.pick(("Put Schedule", "Delete Schedule", "Pause Schedule"))
            bad = bad if command == "Put Schedule" else {"tenant": key.tenant, "name": key.name, "revision": 2**52}
        else:
            bad |= _FAULTS[fault]
        self._send(Kind.INVALID, command, key, bad, at, source=source)

    def poison(self, queue: str) -> None:
        """A message that nobody can read."""
        random = self._random
        at = self._scenario.start + random.between(1, self._scenario.span_s * 500)
        body = random.pick(_POISON_MESSAGES[queue]).replace("ID", self._next_id)
        self._send(Kind.POISON, "", Key("", ""), {}, at, body=body, queue=queue)

    def _send(
        self,
        kind: Kind,
        command: str,
        key: Key,
        detail: dict[str, Any],
        at: Instant,
        *,
        source: str = "",
        body: str = "",
        queue: str = "commands",
        late: float = 0.2,
    ) -> None:
        random = self._random
        arrivals = [random.between(0, 60_000) if random.chance(late) else random.mostly_small(2_000)]
        if random.chance(0.25) and kind is not Kind.POISON:
            # A second delivery. It comes later, as the fires of two simultaneous runs could not be distinguished.
            arrivals.append(arrivals[0] + 20_000 + random.mostly_small(300_000))
        event_id = self._next_id
        source = source or TENANT_SOURCE_PREFIX + key.tenant
        self.sent.append(Sent(kind, event_id, command, key, detail, source, at, tuple(arrivals), body, queue))

    def _definition(self, at: Instant) -> dict[str, Any]:
        random, span_s = self._random, self._scenario.span_s
        zone = random.pick(("UTC", self._scenario.zone))
        found: dict[str, Any] = {"expression": self._expression(at, zone), "timezone": zone}
        if random.chance(0.3):
            found["daylight_saving"] = random.pick((
                "eventbridge", {"gap": "skip", "overlap": "twice"}, {"gap": "shift", "overlap": "twice"},
            ))  # fmt: skip
        if random.chance(0.2):
            found["exclude"] = [random.pick(("*/3 * * * *", "*/10 * * * *", "0 0 1 1 *"))]
        if random.chance(0.2):
            found["start"] = rfc3339(at + random.between(-60_000, span_s * 200))
        if random.chance(0.2):
            found["end"] = rfc3339(at + span_s * 200 + random.between(600_000, span_s * 1000))
        if random.chance(0.35):
            found["max_fires"] = random.between(1, 12)
        if random.chance(0.3):
            found["after_completion"] = "DELETE"
        if random.chance(0.2):
            found["flexible_window_seconds"] = random.pick((5, 60, 600))
        if random.chance(0.5):
            policy, grace = random.pick(("fire_once", "fire_all", "skip")), random.pick((0, 5, 5, 60, 300, 86_400))
            found["misfire"] = {"policy": policy, "grace_seconds": grace}
        if random.chance(0.2):
            found["state"] = random.pick(("PAUSED", "ENABLED"))
        return found

    def _expression(self, at: Instant, zone: str) -> object:
        random = self._random
        soon = datetime.fromisoformat(local_time(at + random.between(5_000, self._scenario.span_s * 700), zone))
        several = [f"{soon:%-M} {soon:%-H} * * *", f"{soon:%-M} * * * *", "*/7 * * * *"]
        return random.pick((
            f"at({soon:%Y-%m-%dT%H:%M:%S})",
            f"at({soon:%Y-%m-%dT%H:%M:%S})",
            f"rate({random.pick((15, 20, 45, 90))} seconds)",
            f"rate({random.between(1, 7)} minutes)",
            random.pick(("0 0 1 1 *", "0 12 29 2 *", "30 5 1 * *")),
            several,
            f"{random.between(0, 59)} {random.pick((1, 2, 3, 6, 9))} * * *",
            *[random.pick(_CRONS)] * 6,
        ))  # fmt: skip


_NOT_WITH_A_CALENDAR = {"max_fires", "daylight_saving"}
_CHANGES: Sequence[str] = (
    "Put Schedule", "Put Schedule", "Put Schedule", "Pause Schedule", "Pause Schedule", "Resume Schedule",
    "Delete Schedule", "Run Schedule", "Backfill Schedule", "Cancel Backfill",
)  # fmt: skip
_RATES = (1, 6, 60, 600)
_CRONS = (
    "* * * * *", "*/2 * * * *", "*/5 * * * *", "1-59/3 * * * *", "*/20 * * * * *", "7,37 * * * * *",
    "cron(0/4 * * * ? *)", "0 * * * *", "*/15 * * * *", "30 */5 * * * *",
)  # fmt: skip
#: Queue → messages that it cannot have. The text ID is replaced, so that no two messages are equal.
_POISON_MESSAGES: dict[str, Sequence[str]] = {
    "commands": ("not json ID", '{"half": "ID', '{"id": "ID"}', '["ID", 2]', "null"),
    "fires": ("not json ID", '{"v": 1, "fires": [], "id": "ID"}', '{"v": 2, "id": "ID"}', "null"),
    "segments": (
        "not json ID",
        '{"v": 1, "tick": 0, "first": 1, "end": 1, "id": "ID"}',
        '{"v": 2, "id": "ID"}',
        "null",
    ),
}
_FAULTS: dict[str, dict[str, Any]] = {
    "field": {"colour": "red"},
    "expression": {"expression": "61 * * * *"},
    "never": {"expression": "0 0 30 2 *"},
    "zone": {"timezone": "Mars/Olympus"},
}
