"""Lateness on the embedded AWS: 200 fires a second, from the planner through the queue to a subscriber's queue."""

from __future__ import annotations

import asyncio
import json
from typing import NoReturn

import msgspec

from benchmarks.runs import JobNotDone
from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.clock import SystemClock
from eventcron.demo.observations import Due, News, Observations, QueueReader
from eventcron.demo.samples import PUT, Sample, send
from eventcron.local.runtime import LocalSettings, Runtime
from eventcron.local.tasks import run_with
from eventcron.model.names import Instant, Key
from eventcron.timing.instant import rfc3339

#: Schedules, each of which fires every second.
SCHEDULES = 200
#: Seconds from the first put to the first fire.
AHEAD_SECONDS = 30
#: Seconds after the last fire in which every one must have been received.
ARRIVAL_SECONDS = 30
CALLS_AT_ONCE = 4
READERS = 4
LOCAL = LocalSettings(tick_seconds=5)


async def _measure(seconds: int) -> list[float]:
    async with Runtime(LOCAL) as runtime:
        return await runtime.guard(_fire(runtime, seconds))


async def _fire(runtime: Runtime, seconds: int) -> list[float]:
    sqs, events = runtime.client("sqs"), runtime.client("events")
    url = (await sqs.create_queue(QueueName="benchmark"))["QueueUrl"]
    arn = (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
    pattern = {"source": ["eventcron"]}
    await events.put_rule(Name="benchmark", EventBusName=runtime.bus_name, EventPattern=json.dumps(pattern))
    await events.put_targets(Rule="benchmark", EventBusName=runtime.bus_name, Targets=[{"Id": "queue", "Arn": arn}])
    observed, news = Observations(), News()

    async def read(reader: QueueReader) -> NoReturn:
        while True:
            await reader.read()
            news.announce()

    await _warm(runtime)
    readers = [QueueReader(sqs, url, observed.add_event_message) for _ in range(READERS)]
    return await run_with(_observe(runtime, observed, news, seconds), [read(one) for one in readers])


async def _warm(runtime: Runtime) -> None:
    """Start every executor that the fires need, as the demo does. Each is a process, and its start is no lateness."""
    functions, name = runtime.client("lambda"), runtime.outputs["ExecutorFunctionName"]
    starts = (functions.invoke(FunctionName=name, Payload=b'{"Records": []}') for _ in range(LOCAL.max_executors))
    await asyncio.gather(*starts)


async def _observe(runtime: Runtime, observed: Observations, news: News, seconds: int) -> list[float]:
    clock = SystemClock()
    bus = EventBridgeBus(runtime.client("events"), runtime.bus_name, concurrency=CALLS_AT_ONCE)
    # They begin later, so that all are accepted before the first one fires.
    start = (clock.now() // 1000 + AHEAD_SECONDS) * 1000
    end = start + seconds * 1000
    await send([_sample(number, start, end) for number in range(SCHEDULES)], bus, clock)
    if not await news.until(lambda: len(observed.answers) >= SCHEDULES, seconds=AHEAD_SECONDS):
        raise JobNotDone(f"of {SCHEDULES} schedules only {len(observed.answers)} were accepted in {AHEAD_SECONDS} s")

    def received() -> dict[Due, int]:
        return {one.due: one.at for one in observed.publications}

    await clock.sleep_until(end)
    if not await news.until(lambda: len(received()) >= SCHEDULES * seconds, seconds=ARRIVAL_SECONDS):
        raise JobNotDone(f"of {SCHEDULES * seconds} fires only {len(received())} were received")
    return sorted(float(at - due.at) for due, at in received().items())


def _sample(number: int, start: Instant, end: Instant) -> Sample:
    key = Key(f"tenant-{number % 10}", f"every-second-{number}")
    span = {"start": rfc3339(start), "end": rfc3339(end)}
    detail = {"tenant": key.tenant, "name": key.name, "expression": "* * * * * *", **span}
    return Sample(command=PUT, key=key, detail=msgspec.json.encode(detail))


def measure(*, seconds: int) -> list[float]:
    """Milliseconds by which each fire of *seconds* reached the subscriber's queue after its instant, sorted.

    Raises:
        JobNotDone: not every fire was received.
    """
    return asyncio.run(_measure(seconds))
