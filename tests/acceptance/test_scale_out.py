"""256 segments over eight planners on the embedded AWS: each window is planned once; killing two of them loses nothing.

The executors do not read the fire queue, so that the test can read the planners' packs there.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from eventcron.adapters.aws.access import EnvironmentAccess
from eventcron.adapters.aws.clients import DynamoClient
from eventcron.adapters.aws.json_api import DynamoJson
from eventcron.adapters.aws.leases import DynamoLeases
from eventcron.adapters.aws.schedules import DynamoScheduleStore
from eventcron.adapters.clock import SystemClock
from eventcron.entrypoints.cli.dev import environment
from eventcron.local.runtime import LocalSettings, Runtime
from eventcron.model.commands import Misfire, MisfirePolicy, Schedule
from eventcron.model.names import Instant, Key
from eventcron.model.records import Record
from eventcron.ports import SegmentState
from eventcron.timing.hashing import segment_of
from eventcron.timing.trigger import parse
from eventcron.wire.encode import decode_pack
from tests.acceptance.processes import descendants
from tests.records import record_of
from tests.resources import table
from tests.waiting import until

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes by /proc"),
]

SEGMENTS = 256
WORKERS = 8
SETTINGS = LocalSettings(
    segments=SEGMENTS, planner_workers=WORKERS, tick_seconds=5, horizon_seconds=12, log_level="WARNING"
)
TICK_MS = SETTINGS.tick_seconds * 1000
#: Seconds. A planner's time, and so the longest that a dead one's lease lasts. Shorter than in the template, and enough
#: for eight planners to start at once on a busy machine: each new configuration ends those that run.
TIMEOUT = 30
#: Seconds after which the message of a dead planner shows again.
VISIBILITY = 36
#: Calls at once that read packs: on a busy machine one alone takes longer than the planners take to send as many.
READERS = 4
EXPRESSION, EVERY_MS = "*/5 * * * * *", 5_000
Fire = tuple[str, Instant]


@asynccontextmanager
async def opened_dynamodb(runtime: Runtime) -> AsyncIterator[DynamoClient]:
    """The client with which the functions call DynamoDB."""
    with closing(DynamoJson(EnvironmentAccess(environment(runtime)), limit=64)) as client:
        yield client


class Stack:
    """A running stack whose packs are collected as they appear."""

    def __init__(self, runtime: Runtime, dynamodb: DynamoClient) -> None:
        self._runtime = runtime
        self._sqs = runtime.client("sqs")
        self._lambda = runtime.client("lambda")
        self.clock = SystemClock()
        self.leases = DynamoLeases(table(dynamodb, runtime.outputs["LedgerTableName"], concurrency=64))
        schedules = table(dynamodb, runtime.outputs["SchedulesTableName"], concurrency=64)
        self.store = DynamoScheduleStore(schedules, clock=self.clock)
        #: Pack's id → fires, once for each time it came.
        self.packs: defaultdict[str, list[list[Fire]]] = defaultdict(list)
        self._spent: dict[int, int] = {}

    async def prepare(self) -> None:
        """Stop the executors, and shorten the timeouts after a planner's death to seconds."""
        await self.planned_through(1)
        await self._invoke_from("FireQueue", enabled=False)
        # A received message keeps its old visibility timeout. On a busy machine the queue is never empty between ticks.
        await self._invoke_from("SegmentQueue", enabled=False)
        await until(self.nothing_is_received)
        name = self._runtime.outputs["PlannerFunctionName"]
        await self._lambda.update_function_configuration(FunctionName=name, Timeout=TIMEOUT)
        await self._sqs.set_queue_attributes(
            QueueUrl=self._runtime.outputs["SegmentQueueUrl"], Attributes={"VisibilityTimeout": str(VISIBILITY)}
        )
        await self._invoke_from("SegmentQueue", enabled=True)

    async def _invoke_from(self, queue: str, *, enabled: bool) -> None:
        """Turn the event source mapping of *queue* on or off."""
        [mapping] = [
            mapping
            for mapping in (await self._lambda.list_event_source_mappings())["EventSourceMappings"]
            if queue in mapping["EventSourceArn"]
        ]
        await self._lambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)

    async def nothing_is_received(self) -> bool:
        """Whether no planner has a message of the segment queue."""
        kind = "ApproximateNumberOfMessagesNotVisible"
        url = self._runtime.outputs["SegmentQueueUrl"]
        answer = await self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[kind])
        return int(answer["Attributes"][kind]) == 0

    async def has(self, fires: set[Fire]) -> bool:
        return fires <= self.times().keys()

    async def held(self, *, at_least: int = 0) -> list[SegmentState]:
        """The segments that are being planned; none if they are fewer than *at_least*."""
        held = [state for state in await self.states() if state.lease_until]
        return held if len(held) >= at_least else []

    async def leases_left(self, leases: set[Instant], *, planners: int) -> list[SegmentState]:
        """Those of the *leases* that are still held, once at most so many *planners* hold them."""

        async def few() -> list[list[SegmentState]]:
            held = [state for state in await self.states() if state.lease_until in leases]
            return [held] if len({state.lease_until for state in held}) <= planners else []

        (left,) = await until(few, every=0.05)
        return left

    def busiest_planners(self, count: int) -> list[int]:
        """The planners that have used the processor most since the last call."""
        spent = {pid: ticks(pid) for pid in self.planners()}
        busiest = sorted(spent, key=lambda pid: self._spent.get(pid, 0) - spent[pid])[:count]
        self._spent = spent
        return busiest

    async def states(self) -> list[SegmentState]:
        return await self.leases.segments(SEGMENTS)

    async def planned_through(self, instant: Instant) -> None:
        async def all_are() -> bool:
            return all(state.planned_through >= instant for state in await self.states())

        await until(all_are)

    @asynccontextmanager
    async def collecting(self) -> AsyncIterator[None]:
        """Read packs off the fire queue as they appear, for as long as the context lasts."""
        reading = [asyncio.create_task(self._read(), name="packs") for _ in range(READERS)]
        try:
            yield
        finally:
            for reader in reading:
                reader.cancel()
            await asyncio.gather(*reading, return_exceptions=True)

    async def _read(self) -> None:
        url = self._runtime.outputs["FireQueueUrl"]
        while True:
            # Hidden for an hour is as good as deleted here, and a call less.
            answer = await self._sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=3_600
            )
            for message in answer.get("Messages", []):
                pack = decode_pack(message["Body"])
                self.packs[pack.id].append([(fire.name, fire.due) for fire in pack.fires])

    def times(self) -> Counter[Fire]:
        """How often each fire was sent."""
        return Counter(fire for times in self.packs.values() for fires in times for fire in fires)

    async def waiting(self, queue: str) -> int:
        """Messages in *queue*, those in hand included."""
        kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await self._sqs.get_queue_attributes(QueueUrl=self._runtime.outputs[queue], AttributeNames=kinds)
        return sum(int(answer["Attributes"][kind]) for kind in kinds)

    def planners(self) -> list[int]:
        """The processes of the planner's function. Another stack on this machine has a function of the same name."""
        name = f"AWS_LAMBDA_FUNCTION_NAME={self._runtime.outputs['PlannerFunctionName']}".encode()
        return sorted(pid for pid in descendants(os.getpid()) if name in environment_of(pid).split(b"\0"))


def environment_of(pid: int) -> bytes:
    """The environment of the process *pid*; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def ticks(pid: int) -> int:
    """Processor time of *pid*, by its own count; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def a_name_of_each_segment() -> list[str]:
    found: dict[int, str] = {}
    numbers = iter(range(1_000_000))
    while len(found) < SEGMENTS:
        name = f"s{next(numbers)}"
        found.setdefault(segment_of(Key("acme", name), SEGMENTS), name)
    return [found[segment] for segment in range(SEGMENTS)]


def a_record(name: str, segment: int) -> Record:
    # What a dead planner leaves may be planned more than a minute late. By default only the latest such fire is sent.
    schedule = Schedule(tenant="acme", name=name, expression=EXPRESSION, misfire=Misfire(policy=MisfirePolicy.FIRE_ALL))
    trigger = parse(EXPRESSION, anchor=0).canonical
    return record_of(schedule, trigger=trigger, created=1, segment=segment, wake=0)


def due(names: list[str], start: Instant, end: Instant) -> set[Fire]:
    return {(name, instant) for name in names for instant in range(-(-start // EVERY_MS) * EVERY_MS, end, EVERY_MS)}


async def freeze_two_at_work(stack: Stack) -> tuple[list[int], list[SegmentState]]:
    """Stop two planners at work. Return their process ids and the segments that they hold leases of.

    A lease ends when its planner's invocation times out, so leases with the same end belong to one planner.
    """
    while True:
        stack.busiest_planners(0)
        held = await until(lambda: stack.held(at_least=SEGMENTS // 8), every=0.05)
        victims = stack.busiest_planners(2)
        for pid in victims:
            os.kill(pid, signal.SIGSTOP)
        # The leases from before the stop that the other planners do not finish are those of the two.
        leases = {state.lease_until for state in [*held, *await stack.held()]}
        left = await stack.leases_left(leases, planners=2)
        if len({state.lease_until for state in left}) == 2:
            return victims, left
        for pid in victims:  # one of them had just ended its work
            os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(TICK_MS / 2000)


async def test_each_window_is_planned_once_and_two_killed_planners_lose_nothing() -> None:
    names = a_name_of_each_segment()
    async with Runtime(SETTINGS) as runtime, opened_dynamodb(runtime) as dynamodb:
        stack = Stack(runtime, dynamodb)
        await stack.prepare()
        records = [a_record(name, segment) for segment, name in enumerate(names)]
        assert all(await asyncio.gather(*(stack.store.put(record, replacing=None) for record in records)))
        # Every lease from here on covers all records.
        first = max(state.claimed_through for state in await stack.states())
        async with stack.collecting():
            await stack.planned_through(first + 2 * TICK_MS)
            calm = min(state.planned_through for state in await stack.states())
            planners = stack.planners()

            victims, theirs = await freeze_two_at_work(stack)
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            killed_at = stack.clock.now()
            end = max(state.claimed_through for state in theirs)
            await stack.planned_through(end)
            states = await stack.states()
            await until(lambda: stack.has(due(names, first, end)))
            # Two ticks after the messages of the dead planners have shown again.
            shown = killed_at + (VISIBILITY + SETTINGS.horizon_seconds) * 1000 + 2 * TICK_MS
            await stack.planned_through(shown)
            dead_letters = await stack.waiting("SegmentDeadLettersUrl")

    times = stack.times()
    assert len(planners) >= WORKERS
    # Two windows and more, each planned once.
    assert {fire: times[fire] for fire in due(names, first, calm)} == dict.fromkeys(due(names, first, calm), 1)
    # They died with leases, and other planners leased the same windows after those expired.
    assert all(killed_at < state.lease_until for state in theirs)
    assert all(states[state.segment].fence > state.fence for state in theirs)
    # No fire is lost. A pack that was sent twice has the same id and the same fires.
    assert due(names, first, end) <= times.keys()
    assert max(Counter(fire for came in stack.packs.values() for fire in came[0]).values()) == 1
    assert all(fires == came[0] for came in stack.packs.values() for fires in came)
    assert dead_letters == 0
