"""What a deployment costs in a month, by service, computed from what fires and from a dated table of prices.

The requests are those that eventcron makes; a test counts them in a simulated day. Bytes and milliseconds are measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from eventcron.model.history import KeepHistory
from eventcron.preview import prices
from eventcron.settings import Settings

#: Days of a month.
MONTH_DAYS = 30
DAY_SECONDS = 86_400
#: Packs that Lambda hands an executor at once: the template's ``BatchSize``.
PACKS_AT_ONCE = 10
#: Requests a day with which Lambda asks a queue that is empty: five pollers, each waits 20 seconds. "Lambda reads up to
#: five batches with long polling"; SQS: "the maximum long polling wait time is 20 seconds".
IDLE_POLLS = 5 * DAY_SECONDS // 20
#: Queues that Lambda asks: of commands, of the registrar and of fires.
QUEUES = 3
#: Bytes of a read unit for an eventually consistent read, of which a Query or a Scan sums up its items.
READ_BYTES = 8_192
#: Bytes of a dense schedule in the index, and of a record in the table, as DynamoDB counts them.
ENTRY_BYTES, RECORD_BYTES = 140, 1_000
#: Bytes that an executor logs for each invocation and a planner for each tick, metrics included.
EXECUTOR_LOG, PLANNER_LOG = 1_200, 2_500
#: Seconds: a tick that has nothing to do, an executor's work besides waiting, and a schedule's and a fire's share.
TICK_SECONDS, EXECUTE_SECONDS, DENSE_SECONDS, FIRE_SECONDS = 0.5, 0.1, 0.00001, 0.0001
#: The reconciler starts every hour and reads every record once a day.
SWEEPS, SWEEP_SECONDS = 24, 1.0
#: Metrics that the functions publish, and alarms of the template.
METRICS, ALARMS = 32, 23
#: Of a history: events that Lambda hands its function at once, the template's ``BatchSize``; messages of one receive;
#: seconds of an invocation; bytes of an entry, as DynamoDB counts them; alarms and metrics.
HISTORY_AT_ONCE, RECEIVED_AT_ONCE = 100, 10
HISTORY_SECONDS, HISTORY_BYTES = 0.1, 700
HISTORY_ALARMS, HISTORY_METRICS = 2, 2


class Workload(Struct, frozen=True, kw_only=True):
    """What a day is like."""

    #: Stored schedules, and how many of them every tick reads.
    schedules: int
    dense: int
    #: Number of fires → how many seconds of a day have so many.
    seconds: Mapping[int, float]
    #: Fires a day of schedules that the planner moves with each fire.
    timed_fires: float = 0

    @property
    def fires(self) -> float:
        return sum(count * seconds for count, seconds in self.seconds.items())


def evenly(schedules: int, fires_per_day: float) -> Workload:
    """*schedules* that fire *fires_per_day* each, all at full minutes, spread evenly over the day.

    >>> evenly(1_440, 1).seconds
    {1: 1440}
    """
    fires = schedules * fires_per_day
    minutes = DAY_SECONDS // 60
    low, rest = divmod(round(fires), minutes)
    seconds = {count: number for count, number in ((low, minutes - rest), (low + 1, rest)) if count and number}
    dense = schedules if fires_per_day >= 1 / 3 else 0
    return Workload(schedules=schedules, dense=dense, seconds=seconds, timed_fires=0 if dense else fires)


def counted(seconds: Mapping[int, int], *, days: int, schedules: int, dense: int) -> Workload:
    """The average day of some *days*, whose *seconds* (instant → fires) were counted."""
    sizes = Counter(seconds.values())
    return Workload(schedules=schedules, dense=dense, seconds={size: number / days for size, number in sizes.items()})


class Requests(Struct, frozen=True, kw_only=True):
    """What eventcron asks of AWS on one day."""

    events: float
    packs: float
    executors: float
    ticks: float
    queue_requests: float
    read_units: float
    write_units: float
    function_seconds: float
    log_bytes: float
    #: Invocations of the function that keeps the history, and the entries that are kept.
    historians: float = 0
    kept: float = 0


def requests(workload: Workload, settings: Settings) -> Requests:
    """The requests of one day."""
    ticks = DAY_SECONDS / settings.tick_seconds
    by_second = [(fires, seconds, _packs(fires, settings)) for fires, seconds in workload.seconds.items()]
    packs = sum(seconds * number for _, seconds, number in by_second)
    executors = sum(seconds * ceil(number / PACKS_AT_ONCE) for _, seconds, number in by_second)
    segments = settings.segments * ticks
    sent = _sends(packs, segments)
    pages = max(1.0, workload.dense * ENTRY_BYTES / READ_BYTES / settings.segments)
    planning = ticks * TICK_SECONDS + workload.dense * ticks * DENSE_SECONDS
    publishing = executors * (settings.lead_seconds + EXECUTE_SECONDS) + workload.fires * FIRE_SECONDS
    with_nothing_kept = Requests(
        events=workload.fires,
        packs=packs,
        executors=executors,
        ticks=ticks,
        queue_requests=sent + 2 * executors + QUEUES * IDLE_POLLS,
        # The lease and the index of each segment; each schedule and pack again before it fires; one sweep.
        read_units=segments * (1 + pages) + workload.fires + packs + workload.schedules * RECORD_BYTES / READ_BYTES,
        # A segment's lease is taken and given back; a pack is remembered; a move is one write and two of the index.
        write_units=2 * segments + packs + 3 * workload.timed_fires,
        function_seconds=planning + publishing + SWEEPS * SWEEP_SECONDS,
        log_bytes=executors * EXECUTOR_LOG + ticks * PLANNER_LOG,
    )
    return _with_history(with_nothing_kept, workload, settings)


def _with_history(day: Requests, workload: Workload, settings: Settings) -> Requests:
    """*day* with what it takes to keep each fire. How many fires are tracked is unknown: they are counted as none."""
    if settings.keep_history is KeepHistory.NONE:
        return day
    seconds = workload.seconds if settings.keep_history is KeepHistory.ALL else {}
    kept = sum(fires * count for fires, count in seconds.items())
    runs = sum(ceil(fires / HISTORY_AT_ONCE) * count for fires, count in seconds.items())
    # One request for each event that the rule sends; a receive and a delete for ten.
    asked = kept + 2 * sum(ceil(fires / RECEIVED_AT_ONCE) * count for fires, count in seconds.items())
    return replace(
        day,
        queue_requests=day.queue_requests + asked + IDLE_POLLS,
        write_units=day.write_units + kept,
        function_seconds=day.function_seconds + runs * HISTORY_SECONDS,
        log_bytes=day.log_bytes + runs * EXECUTOR_LOG,
        historians=runs,
        kept=kept,
    )


def _packs(fires: int, settings: Settings) -> float:
    """Packs of *fires* due in one second: a pack never spans two segments. The number that a fair hash expects."""
    segments = settings.segments
    return max(segments * (1 - (1 - 1 / segments) ** fires), fires / settings.pack_size)


def _sends(packs: float, rounds: float) -> float:
    """Calls for *packs* in so many *rounds* of a segment: ten packs a call, and no call for two rounds."""
    each = packs / rounds
    return packs if each < 1 else rounds * ceil(each / PACKS_AT_ONCE)


class Item(NamedTuple):
    """A line of the bill: the *dollars* of a month for *quantity* of *what*."""

    service: str
    what: str
    quantity: float
    dollars: float


class Bill(Struct, frozen=True, kw_only=True):
    """A month. ``scheduler`` is what EventBridge Scheduler asks for the same fires."""

    items: list[Item]
    scheduler: float

    @property
    def total(self) -> float:
        return sum(item.dollars for item in self.items)


def bill(workload: Workload, settings: Settings, *, memory_megabytes: int) -> Bill:
    """The bill of a month like *workload*, for a deployment with *settings*."""
    day = requests(workload, settings)
    gb_seconds = MONTH_DAYS * day.function_seconds * memory_megabytes / 1024
    invocations = MONTH_DAYS * (day.executors + day.ticks + day.historians + SWEEPS)
    entries = day.kept * settings.history_days
    stored_gb = (workload.schedules * (RECORD_BYTES + ENTRY_BYTES) + entries * HISTORY_BYTES) / 1024**3
    keeps = settings.keep_history is not KeepHistory.NONE
    metrics = METRICS + HISTORY_METRICS * keeps
    alarms = ALARMS + HISTORY_ALARMS * keeps
    logs_gb = MONTH_DAYS * day.log_bytes / 1024**3
    events = MONTH_DAYS * day.events
    return Bill(
        items=[
            _by_million("EventBridge", "fires put on the bus", events, prices.EVENTS),
            _by_million("DynamoDB", "read units", MONTH_DAYS * day.read_units, prices.READ_UNITS),
            _by_million("DynamoDB", "write units", MONTH_DAYS * day.write_units, prices.WRITE_UNITS),
            Item("DynamoDB", "GB stored", stored_gb, stored_gb * prices.STORED_GB),
            _by_million("SQS", "requests", MONTH_DAYS * day.queue_requests, prices.SQS_REQUESTS),
            Item("Lambda", "GB-seconds", gb_seconds, gb_seconds * prices.GB_SECOND),
            _by_million("Lambda", "invocations", invocations, prices.INVOCATIONS),
            Item("CloudWatch", "GB of logs", logs_gb, logs_gb * prices.LOGS_GB),
            Item("CloudWatch", "metrics", metrics, metrics * prices.METRIC),
            Item("CloudWatch", "alarms", alarms, alarms * prices.ALARM),
            Item("CloudWatch", "dashboards", 1, prices.DASHBOARD),
        ],
        scheduler=events * prices.SCHEDULER_INVOCATIONS / prices.MILLION,
    )


def _by_million(service: str, what: str, quantity: float, dollars: float) -> Item:
    return Item(service, what, quantity, quantity * dollars / prices.MILLION)
