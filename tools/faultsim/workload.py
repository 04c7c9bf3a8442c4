"""What tenants ask for: schedules of every kind, changed in flight, told twice, out of order, and amid nonsense."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any, NamedTuple

from msgspec.structs import replace

from eventcron.config import Settings
from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.model.names import Instant, Key
from eventcron.timing.instant import from_datetime, rfc3339
from eventcron.timing.trigger import local_time
from tools.faultsim.faults import FaultPlan, Outage
from tools.faultsim.seeded_random import SeededRandom


class Kind(Enum):
    """What ought to become of a message."""

    GOOD = auto()  # it acts, unless a later one did
    BAD = auto()  # it is answered by ``Schedule Rejected``
    POISON = auto()  # nobody can be answered: it is dead-lettered


class Sent(NamedTuple):
    """One message that a queue gets, once or more often: a command, unless it is poison."""

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
    #: An attribute of the deployment.
    queue: str = "commands"

    @property
    def time(self) -> Instant:
        """The event's own time: EventBridge cuts it to whole seconds."""
        return self.emitted // 1000 * 1000

    def message(self) -> str:
        """The event as the rule puts it in the queue."""
        if self.body:
            return self.body
        return json.dumps({
            "version": "0", "id": self.event_id, "detail-type": self.command, "source": self.source,
            "account": "000000000000", "time": rfc3339(self.time, millis=False), "region": "us-east-1",
            "resources": [], "detail": self.detail,
        })  # fmt: skip


class Setting(NamedTuple):
    """Where and when a simulation takes place."""

    start: Instant
    zone: str
    span_s: int
    settings: Settings
    #: Milliseconds from the start to the first tick.
    first_tick_ms: int
    #: Milliseconds that a planner may run: enough, or until the weather clears so few that it stops midway and goes on
    #: with the next tick.
    planner_timeout_ms: int
    busy_timeout_ms: int


class _Pace(NamedTuple):
    span_s: int
    tick_seconds: int
    horizon_seconds: int
    guard_seconds: int


#: The template's own settings, a minute's, those of a demonstration, and ticks that come faster than the index follows.
#: The guard outlasts a call and the index's lag.
PACES = (_Pace(2400, 300, 720, 45), _Pace(1500, 60, 120, 30), _Pace(900, 10, 30, 15), _Pace(300, 3, 15, 15))

#: Shortly before the clocks change, where they do, and ordinary days.
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

#: Milliseconds. The template's default, and what is left of it where ticks come faster than that.
PLANNER_TIMEOUT_MS, QUICK_TIMEOUT_MS = 60_000, 4_000
TENANTS = ("acme", "bolt")
#: The name of each tenant's only calendar.
CALENDAR = "holidays"
#: Its fires are refused by the bus for ever.
CURSED = Key("acme", "cursed")


def setting(dice: SeededRandom) -> Setting:
    """Where and when, and how the deployment is set."""
    pace = dice.pick(PACES)
    text, zone = dice.pick(STARTS)
    settings = Settings(
        schedules_table="schedules",
        ledger_table="ledger",
        bus_name="eventcron",
        fire_queue_url="fires",
        command_dlq_url="command-dlq",
        fire_dlq_url="fire-dlq",
        segments=dice.between(1, 3),
        tick_seconds=pace.tick_seconds,
        horizon_seconds=pace.horizon_seconds,
        guard_seconds=pace.guard_seconds,
        lead_seconds=dice.between(1, 3),
        pack_size=dice.pick((1, 3, 200)),
        concurrency=dice.between(1, 4),
    )
    start = from_datetime(datetime.fromisoformat(text))
    timeout_ms = PLANNER_TIMEOUT_MS if pace.tick_seconds * 1000 >= PLANNER_TIMEOUT_MS else QUICK_TIMEOUT_MS
    return Setting(
        start=start + dice.between(0, 300_000),
        zone=zone,
        span_s=pace.span_s,
        settings=settings,
        first_tick_ms=dice.between(0, pace.tick_seconds * 1000),
        planner_timeout_ms=timeout_ms,
        busy_timeout_ms=timeout_ms if dice.chance(0.6) else dice.between(3_020, 3_300),
    )


def several_planners(settings: Settings) -> Settings:
    """*settings*, but each segment is handed to a planner of its own."""
    return replace(
        settings, planner_workers=settings.segments + 1, segment_queue_url="plans", segment_dlq_url="plan-dlq"
    )


def workload(dice: SeededRandom, where: Setting, weather: FaultPlan) -> list[Sent]:
    """All that is sent, in order of emission. Some of it ends as a service comes back."""
    writer = _Writer(dice, where)
    for tenant in TENANTS:
        if dice.chance(0.2):
            writer.calendar(tenant)
    for number in range(dice.between(2, 4)):
        writer.life(Key(dice.pick(TENANTS), f"s{number}"))
    if dice.chance(0.3):
        writer.race(Key(dice.pick(TENANTS), "race"))
    if dice.chance(0.3) or (weather.outage is not None and weather.outage.service == "events"):
        writer.ending(Key(dice.pick(TENANTS), "ending"), weather.outage)
    if dice.chance(0.2):
        writer.life(CURSED)
    for _ in range(dice.between(0, 3)):
        writer.nonsense()
    for queue in ("fires", "plans") if where.settings.planner_workers > 1 else ("fires",):
        if dice.chance(0.3):
            writer.poison(queue)
    return sorted(writer.sent, key=lambda sent: (sent.emitted, sent.event_id))


class _Writer:
    def __init__(self, dice: SeededRandom, where: Setting) -> None:
        self._dice = dice
        self._where = where
        self.sent: list[Sent] = []
        self._with_calendar: set[str] = set()
        #: Of the schedule whose life is being written.
        self._backfill_ids: list[str] = []

    @property
    def _next_id(self) -> str:
        return f"event-{len(self.sent) + 1}"

    def life(self, key: Key) -> None:
        """One schedule from its first put on."""
        dice = self._dice
        numbered = dice.chance(0.3)
        at = self._where.start + dice.between(1, self._where.span_s * 300)
        puts = 0
        self._backfill_ids = []
        for number in range(dice.between(1, 6)):
            command = "Put Schedule" if number == 0 else dice.pick(_CHANGES)
            detail: dict[str, Any] = {"tenant": key.tenant, "name": key.name}
            if command == "Put Schedule":
                puts += 1
                detail |= self._definition(at) | {"input": {"of": str(key), "put": puts}}
                if key.tenant in self._with_calendar and dice.chance(0.5):
                    # Alone: when a calendar is taken over depends on much, and so would what excludes what.
                    detail = {name: value for name, value in detail.items() if name not in _BESIDE_CALENDARS}
                    detail["exclude"] = [f"calendar:{CALENDAR}"]
            if command == "Resume Schedule" and dice.chance(0.5):
                detail["missed"] = dice.pick(("skip", "fire_once", "fire_all"))
            if command == "Run Schedule":
                detail |= {"run_id": f"run-{number}"} if dice.chance(0.5) else {}
            elif command in {"Backfill Schedule", "Cancel Backfill"}:
                command, more = self._backfill(command, number, at)
                detail |= more
            elif numbered or dice.chance(0.3):
                detail["revision"] = number + 1 if numbered else at
            self._send(Kind.GOOD, command, key, detail, at)
            # Now and then two in the same second, which only their order of arrival tells apart.
            pause = dice.between(0, 900) if dice.chance(0.1) else 1_500 + dice.mostly_small(self._where.span_s * 400)
            sent_at, at = at, at + pause
            if dice.chance(0.25):
                at = at // 60_000 * 60_000 + 60_000 - dice.between(0, 1_500)  # just before many are due
            elif dice.chance(0.3):
                at = self._tick_after(at) + dice.between(-2_500, 2_500)  # while the planner is at work
            at = max(at, sent_at + 1)

    def race(self, key: Key) -> None:
        """One shot after another, each replaced while the planner is at it."""
        dice, settings = self._dice, self._where.settings
        reach_ms = (settings.horizon_seconds + settings.guard_seconds) * 1000
        at = self._where.start + dice.between(1, self._where.span_s * 100)
        for put in range(dice.between(2, 8)):
            due = at // 1000 * 1000 + reach_ms + dice.between(2, 6) * 1000
            detail = {"tenant": key.tenant, "name": key.name, "expression": f"at({rfc3339(due, millis=False)[:-1]})"}
            self._send(Kind.GOOD, "Put Schedule", key, detail | {"input": {"of": str(key), "put": put + 1}}, at)
            at = self._tick_after(due - settings.horizon_seconds * 1000) + dice.between(-200, 400)

    def ending(self, key: Key, outage: Outage | None) -> None:
        """It fires often, skips some, and is over in the midst of it."""
        dice, span_s = self._dice, self._where.span_s
        at = self._where.start + dice.between(1, span_s * 50)
        # With the end of an outage: what is owed of it by then is told late, and its last fire may come first.
        first_s, last_s = (span_s // 5, span_s * 3 // 5) if outage is None else (outage.end_s - 40, outage.end_s + 10)
        end = max(at + 120_000, self._where.start + dice.between(first_s * 1000, last_s * 1000))
        detail = {
            "tenant": key.tenant,
            "name": key.name,
            "expression": dice.pick(("*/10 * * * * *", "*/20 * * * * *", "* * * * *")),
            "exclude": [dice.pick(("*/2 * * * *", "*/3 * * * *"))],
            "end": rfc3339(end),
            "input": {"of": str(key), "put": 1},
        }
        self._send(Kind.GOOD, "Put Schedule", key, detail, at)

    def _tick_after(self, at: Instant) -> Instant:
        first, every = self._where.start + self._where.first_tick_ms, self._where.settings.tick_seconds * 1000
        return at + (first - at) % every

    def _backfill(self, command: str, number: int, at: Instant) -> tuple[str, dict[str, Any]]:
        """The first of a life is asked for; it may be cancelled later on."""
        dice, span_s = self._dice, self._where.span_s
        if command == "Cancel Backfill" and self._backfill_ids:
            return command, {"backfill_id": dice.pick(self._backfill_ids)}
        since = at + dice.between(-span_s * 800, span_s * 300)
        detail: dict[str, Any] = {"from": rfc3339(since), "until": rfc3339(since + dice.between(60_000, 2_400_000))}
        detail["per_minute"] = dice.pick((2, 6, 60, 600))
        if dice.chance(0.7):
            detail["backfill_id"] = f"backfill-{number}"
        self._backfill_ids.append(detail.get("backfill_id", self._next_id))
        return "Backfill Schedule", detail

    def calendar(self, tenant: str) -> None:
        """A calendar that is there early, and may change or go."""
        dice = self._dice
        key = Key(tenant, f"calendar:{CALENDAR}")
        at = self._where.start + dice.between(0, 1_000)
        for revision in range(1, dice.between(2, 4)):
            command = "Delete Calendar" if revision > 1 and dice.chance(0.3) else "Put Calendar"
            detail: dict[str, Any] = {"tenant": tenant, "name": CALENDAR, "revision": revision}
            if command == "Put Calendar":
                first = self._where.start + dice.between(-2, 1) * 86_400_000
                days = [local_time(first + day * 86_400_000, "UTC")[:10] for day in range(dice.between(1, 2))]
                detail["dates"] = ["/".join(dict.fromkeys((days[0], days[-1])))] if days[0] != days[-1] else days[:1]
            self._send(Kind.GOOD, command, key, detail, at)
            at += 2_000 + dice.between(0, self._where.span_s * 500)
        self._with_calendar.add(tenant)

    def nonsense(self) -> None:
        """A command that has to be refused, or a message that is none."""
        dice = self._dice
        at = self._where.start + dice.between(1, self._where.span_s * 500)
        key = Key(dice.pick(TENANTS), f"s{dice.between(0, 3)}")
        if dice.chance(0.3):
            self.poison("commands")
            return
        bad: dict[str, Any] = {"tenant": key.tenant, "name": key.name, "expression": "* * * * *", "revision": 2**52}
        command = "Put Schedule"
        source = TENANT_SOURCE_PREFIX + key.tenant
        fault = dice.pick(("field", "expression", "never", "foreign", "zone"))
        if fault == "foreign":
            source = TENANT_SOURCE_PREFIX + next(tenant for tenant in TENANTS if tenant != key.tenant)
            command = dice.pick(("Put Schedule", "Delete Schedule", "Pause Schedule"))
            bad = bad if command == "Put Schedule" else {"tenant": key.tenant, "name": key.name, "revision": 2**52}
        else:
            bad |= _FAULTS[fault]
        self._send(Kind.BAD, command, key, bad, at, source=source)

    def poison(self, queue: str) -> None:
        """A message that nobody can read."""
        dice = self._dice
        at = self._where.start + dice.between(1, self._where.span_s * 500)
        body = dice.pick(_POISON[queue]).replace("ID", self._next_id)
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
    ) -> None:
        dice = self._dice
        arrivals = [dice.mostly_small(2_000) if dice.chance(0.8) else dice.between(0, 60_000)]
        if dice.chance(0.25) and kind is not Kind.POISON:
            # A replay; not of the same moment, as the fires of two runs at once could not be told apart.
            arrivals.append(arrivals[0] + 20_000 + dice.mostly_small(300_000))
        event_id = self._next_id
        source = source or TENANT_SOURCE_PREFIX + key.tenant
        self.sent.append(Sent(kind, event_id, command, key, detail, source, at, tuple(arrivals), body, queue))

    def _definition(self, at: Instant) -> dict[str, Any]:
        dice, span_s = self._dice, self._where.span_s
        zone = dice.pick(("UTC", self._where.zone))
        found: dict[str, Any] = {"expression": self._expression(at, zone), "timezone": zone}
        if dice.chance(0.3):
            found["daylight_saving"] = dice.pick((
                "eventbridge", {"gap": "skip", "overlap": "twice"}, {"gap": "shift", "overlap": "twice"},
            ))  # fmt: skip
        if dice.chance(0.2):
            found["exclude"] = [dice.pick(("*/3 * * * *", "*/10 * * * *", "0 0 1 1 *"))]
        if dice.chance(0.2):
            found["start"] = rfc3339(at + dice.between(-60_000, span_s * 200))
        if dice.chance(0.2):
            found["end"] = rfc3339(at + span_s * 200 + dice.between(600_000, span_s * 1000))
        if dice.chance(0.35):
            found["max_fires"] = dice.between(1, 12)
        if dice.chance(0.3):
            found["after_completion"] = "DELETE"
        if dice.chance(0.2):
            found["flexible_window_seconds"] = dice.pick((5, 60, 600))
        if dice.chance(0.5):
            policy, grace = dice.pick(("fire_once", "fire_all", "skip")), dice.pick((0, 5, 5, 60, 300, 86_400))
            found["misfire"] = {"policy": policy, "grace_seconds": grace}
        if dice.chance(0.1):
            found["state"] = "PAUSED"
        return found

    def _expression(self, at: Instant, zone: str) -> object:
        dice = self._dice
        soon = datetime.fromisoformat(local_time(at + dice.between(5_000, self._where.span_s * 700), zone))
        several = [f"{soon:%-M} {soon:%-H} * * *", f"{soon:%-M} * * * *", "*/7 * * * *"]
        return dice.pick((
            f"at({soon:%Y-%m-%dT%H:%M:%S})",
            f"at({soon:%Y-%m-%dT%H:%M:%S})",
            f"rate({dice.pick((15, 20, 45, 90))} seconds)",
            f"rate({dice.between(1, 7)} minutes)",
            dice.pick(("0 0 1 1 *", "0 12 29 2 *", "30 5 1 * *")),
            several,
            f"{dice.between(0, 59)} {dice.pick((1, 2, 3, 6, 9))} * * *",
            *[dice.pick(_CRONS)] * 6,
        ))  # fmt: skip


_BESIDE_CALENDARS = {"max_fires", "daylight_saving"}
_CHANGES: Sequence[str] = (
    "Put Schedule", "Put Schedule", "Put Schedule", "Pause Schedule", "Resume Schedule", "Resume Schedule",
    "Delete Schedule", "Run Schedule", "Backfill Schedule", "Cancel Backfill",
)  # fmt: skip
_CRONS = (
    "* * * * *", "*/2 * * * *", "*/5 * * * *", "1-59/3 * * * *", "*/20 * * * * *", "7,37 * * * * *",
    "cron(0/4 * * * ? *)", "0 * * * *", "*/15 * * * *", "30 */5 * * * *",
)  # fmt: skip
#: Queue → messages that are none of it. ID makes each of them another one.
_POISON: dict[str, Sequence[str]] = {
    "commands": ("not json ID", '{"half": "ID', '{"id": "ID"}', '["ID", 2]', "null"),
    "fires": ("not json ID", '{"v": 1, "fires": [], "id": "ID"}', '{"v": 2, "id": "ID"}', "null"),
    "plans": ("not json ID", '{"v": 1, "tick": 0, "first": 1, "end": 1, "id": "ID"}', '{"v": 2, "id": "ID"}', "null"),
}
_FAULTS: dict[str, dict[str, Any]] = {
    "field": {"colour": "red"},
    "expression": {"expression": "61 * * * *"},
    "never": {"expression": "0 0 30 2 *"},
    "zone": {"timezone": "Mars/Olympus"},
}
