"""Measure what a tenant that floods the bus with commands costs another tenant, on the embedded AWS.

One tenant, *noisy*, has schedules that fire each second, and puts ever new ones as fast as the benchmark is asked to.
Another, *quiet*, puts a schedule every second, and has one that fires every second. The benchmark prints how long the
puts of *quiet* took to be stored and how late its fires came to a queue, before the flood and during it.
docs/operations/size.md quotes it.

    python -m benchmarks.flood [--commands 50000] [--seconds 60] [--firing 50]

The flood ends with the last command or the last second, whichever comes first, and what it could send is printed. The
embedded AWS, all functions and the benchmark share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from eventcron.adapters.aws.access import EnvironmentAccess
from eventcron.adapters.aws.json_api import EventsJson
from eventcron.local.runtime import LocalSettings, Runtime

#: Entries of a call. PutEvents takes ten.
BATCH = 10
#: Calls of PutEvents under way at once.
AT_ONCE = 8
#: Seconds for which *quiet* is watched before the flood, and for which its last puts are waited for after it.
BEFORE, AFTER = 20, 300
LOOK_SECONDS = 0.1
BUS = "eventcron"


def entry(tenant: str, name: str, expression: str) -> dict[str, Any]:
    """A put of a schedule, for PutEvents."""
    detail = json.dumps({"tenant": tenant, "name": name, "expression": expression})
    source = f"eventcron.tenant.{tenant}"
    return {"EventBusName": BUS, "Source": source, "DetailType": "Put Schedule", "Detail": detail}


class Quiet:
    """The quiet tenant, on a running stack: what it puts and what it receives, by the clock of this process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sqs, self._dynamodb = runtime.client("sqs"), runtime.client("dynamodb")
        #: When each put was sent, and how many seconds later it was stored.
        self.sent: dict[str, float] = {}
        self.stored: dict[str, float] = {}
        #: When each fire came to the queue, and how many milliseconds after it was due.
        self.late: list[tuple[float, float]] = []

    async def put(self, tenant: str, name: str, expression: str) -> None:
        await self._runtime.client("events").put_events(Entries=[entry(tenant, name, expression)])

    async def subscribe(self) -> str:
        """Have the fires sent to a queue, and return its URL."""
        url: str = (await self._sqs.create_queue(QueueName="quiet"))["QueueUrl"]
        asked = await self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        events, pattern = (
            self._runtime.client("events"),
            {"detail": {"tenant": ["quiet"], "fire_id": [{"exists": True}]}},
        )
        await events.put_rule(Name="quiet", EventBusName=BUS, EventPattern=json.dumps(pattern))
        target = {"Id": "queue", "Arn": asked["Attributes"]["QueueArn"]}
        await events.put_targets(Rule="quiet", EventBusName=BUS, Targets=[target])
        return url

    async def put_each_second(self) -> None:
        for number in range(1_000_000):
            name, start = f"q{number}", time.monotonic()
            self.sent[name] = start
            await self.put("quiet", name, "0 9 1 1 *")
            await asyncio.sleep(max(0.0, start + 1 - time.monotonic()))

    async def look(self) -> None:
        """Note which puts are stored. They are looked for in the order in which they were sent."""
        while True:
            for name in [name for name in self.sent if name not in self.stored][:5]:
                key = {"tenant": {"S": "quiet"}, "name": {"S": name}}
                table = self._runtime.outputs["SchedulesTableName"]
                if "Item" in await self._dynamodb.get_item(TableName=table, Key=key):
                    self.stored[name] = time.monotonic() - self.sent[name]
            await asyncio.sleep(LOOK_SECONDS)

    async def receive(self, url: str) -> None:
        """Note when each fire came to the queue: published, matched and sent there."""
        while True:
            got = await self._sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, AttributeNames=["SentTimestamp"]
            )
            for message in got.get("Messages", []):
                due = datetime.fromisoformat(json.loads(message["Body"])["detail"]["due"]).astimezone(UTC)
                late = int(message["Attributes"]["SentTimestamp"]) - due.timestamp() * 1000
                self.late.append((time.monotonic(), late))
                await self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


async def flood(commands: int, seconds: float) -> None:
    """Send *commands* at a steady rate for *seconds*, or as many as the bus takes; print how many it took."""
    access = EnvironmentAccess.of(os.environ)
    assert access is not None  # ``flooded`` gives it
    start, first = time.monotonic(), iter(range(0, commands, BATCH))
    with closing(EventsJson(access, limit=AT_ONCE)) as events:

        async def send() -> int:
            taken = 0
            for number in first:
                now = time.monotonic() - start
                if now >= seconds:
                    break
                await asyncio.sleep(max(0.0, number / commands * seconds - now))
                entries = [entry("noisy", f"n{index}", "0 9 1 1 *") for index in range(number, number + BATCH)]
                await events.put_events(Entries=entries)
                taken += BATCH
            return taken

        sent = sum(await asyncio.gather(*(send() for _ in range(AT_ONCE))))
    print(sent)


async def flooded(runtime: Runtime, commands: int, seconds: float) -> int:
    """Flood from a process of its own, so that this one goes on measuring; how many commands were taken."""
    access = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": os.devnull}
    where = {"AWS_DEFAULT_REGION": runtime.region, "AWS_ENDPOINT_URL": runtime.endpoint}
    sender = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.flood", "--send", f"--commands={commands}", f"--seconds={seconds}"),
        env=os.environ | access | where,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await sender.communicate()
    return int(printed)


def row(title: str, quiet: Quiet, when: Callable[[float], bool]) -> str:
    """One line: how the tenant *quiet* fared with what it sent and received *when*."""
    now = time.monotonic()
    puts = [quiet.stored.get(name, now - at) for name, at in quiet.sent.items() if when(at)]
    fires = [late for at, late in quiet.late if when(at)]
    return f"{title}: its puts {_figures(puts, 's', 1)}; its fires {_figures(fires, 'ms late', 0)}"


def _figures(values: list[float], unit: str, digits: int) -> str:
    if not values:
        return "none"
    worst, median = max(values), statistics.median(values)
    return f"{len(values)}, median {median:,.{digits}f}, worst {worst:,.{digits}f} {unit}"


async def measure(commands: int, seconds: float, firing: int) -> None:
    async with Runtime(LocalSettings(bus_name=BUS, log_level="ERROR")) as runtime:
        quiet = Quiet(runtime)
        url = await quiet.subscribe()
        await quiet.put("quiet", "often", "* * * * * *")
        for number in range(firing):
            await quiet.put("noisy", f"often{number}", "* * * * * *")
        putting = asyncio.create_task(quiet.put_each_second())
        watching = [asyncio.create_task(work) for work in (quiet.look(), quiet.receive(url))]
        await asyncio.sleep(BEFORE)
        began = time.monotonic()
        sent = await flooded(runtime, commands, seconds)
        ended = time.monotonic()
        putting.cancel()
        while time.monotonic() < ended + AFTER and len(quiet.stored) < len(quiet.sent):  # noqa: ASYNC110  # polls AWS
            await asyncio.sleep(LOOK_SECONDS)
        waiting = await _waiting(runtime)
        print(f"{sent:,} commands of another tenant in {ended - began:,.0f} s, which has {firing} fires a second")
        print(row("without them", quiet, lambda at: at < began))
        print(row("with them", quiet, lambda at: began <= at < ended))
        print(f"not stored {time.monotonic() - ended:,.0f} s later: {len(quiet.sent) - len(quiet.stored)}; {waiting}")
        for one in watching:
            one.cancel()


async def _waiting(runtime: Runtime) -> str:
    """How many commands wait in each of the queues of commands."""
    counts = []
    for name in ("CommandQueueUrl", "RegistrarQueueUrl"):
        if name in runtime.outputs:
            asked = await runtime.client("sqs").get_queue_attributes(
                QueueUrl=runtime.outputs[name], AttributeNames=["ApproximateNumberOfMessages"]
            )
            counts.append(f"{int(asked['Attributes']['ApproximateNumberOfMessages']):,} in {name.removesuffix('Url')}")
    return "waiting " + ", ".join(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--firing", type=int, default=50)
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    work: Coroutine[Any, Any, None] = measure(given.commands, given.seconds, given.firing)
    if given.send:
        work.close()
        work = flood(given.commands, given.seconds)
    asyncio.run(work)


if __name__ == "__main__":
    main()
