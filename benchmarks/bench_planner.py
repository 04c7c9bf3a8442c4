"""Measure how many schedules a planner reads per second, with its real adapters and client.

A second process plays AWS. It answers at once with full pages of the index, and accepts every message. The benchmark
counts the planner's own processor time, so other load on the machine does not matter. docs/operations/size.md uses the
result to size a deployment.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import msgspec
from aiohttp import web

from eventcron.adapters.aws import items
from eventcron.app.planner import SegmentOutcome
from eventcron.model.commands import Schedule
from eventcron.model.names import Key
from eventcron.model.records import Era, IndexEntry, Record, State
from eventcron.settings import Settings
from eventcron.timing.trigger import parse
from eventcron.wiring import on_aws

#: Bytes. DynamoDB Query: "a single Query operation can retrieve a maximum of 1 MB of data".
PAGE_BYTES = 1_000_000
PAGES = 4
TRIGGERS = 1_000
#: The attributes in the index.
PROJECTED = {"segment", *IndexEntry.__struct_fields__}
#: Milliseconds. A planner gives up by itself then; it needs a few seconds.
DEADLINE_MS = 120_000


def page(expressions: list[str]) -> tuple[bytes, int, int]:
    """Return a full page of the index, its number of items, and the bytes that DynamoDB counts per item."""
    rng = random.Random(1)
    triggers = [parse(text, anchor=0).canonical for text in expressions]
    found, size = [], 0
    while size < PAGE_BYTES:
        number = len(found)
        key = Key(f"tenant-{number % 97}", f"nightly-export-{number}")
        record = Record(
            schedule=Schedule(tenant=key.tenant, name=key.name, expression="@daily"), tenant=key.tenant, name=key.name,
            revision=1_764_547_200_000, state=State.ENABLED, created=1, segment=0, wake=0,
            eras=(Era(1_764_547_200_000, rng.choice(triggers), int(time.time() * 1000)),),
        )  # fmt: skip
        item = {name: value for name, value in items.encode(record).items() if name in PROJECTED}
        size += sum(len(name) + len(str(next(iter(value.values())))) for name, value in item.items())
        found.append(item)
    last = {"tenant": {"S": "t"}, "name": {"S": "n"}, "segment": {"N": "0"}, "wake": {"N": "0"}}
    more = msgspec.json.encode({"Items": found, "Count": len(found), "LastEvaluatedKey": last})
    return more, len(found), size // len(found)


def serve(pipe: Connection, more: bytes) -> None:
    """Serve an AWS endpoint that answers at once. Each segment has ``PAGES`` pages."""
    last = msgspec.json.encode({**msgspec.json.decode(more), "LastEvaluatedKey": None}).replace(
        b',"LastEvaluatedKey":null', b""
    )
    asked: dict[str, int] = {}

    async def answer(request: web.Request) -> web.Response:
        target = request.headers["X-Amz-Target"].rpartition(".")[2]
        body = msgspec.json.decode(await request.read())
        reply: bytes | dict[str, Any] = {}
        if target == "Query":
            segment = msgspec.json.encode(body["ExpressionAttributeValues"]).decode()
            asked[segment] = asked.get(segment, 0) + 1
            reply = more if asked[segment] % PAGES else last
        elif target == "GetItem":  # the segment's item: only the last tick of the horizon is not planned yet
            planned = str((int(time.time()) + 420) * 1000)
            reply = {"Item": {"pk": {"S": "segment"}, "planned": {"N": planned}, "claimed": {"N": planned}}}
        elif target == "SendMessageBatch":
            reply = {"Successful": [{"Id": entry["Id"], "MessageId": "m"} for entry in body["Entries"]]}
        elif target == "PutEvents":
            reply = {"FailedEntryCount": 0, "Entries": [{"EventId": "e"} for _ in body["Entries"]]}
        raw = reply if isinstance(reply, bytes) else msgspec.json.encode(reply)
        return web.Response(body=raw, content_type="application/x-amz-json-1.0")

    async def run() -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        pipe.send(runner.addresses[0][1])
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        await runner.cleanup()

    asyncio.run(run())


@contextmanager
def aws(more: bytes) -> Iterator[str]:
    """Start that endpoint in a process of its own, and yield its URL."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(theirs, more))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        ours.send("end")
        process.join()


async def measure(endpoint: str, segments: int) -> tuple[int, int, float]:
    """Return the number of schedules read, the number of fires sent, and the processor seconds used."""
    settings = Settings(
        schedules_table="schedules", ledger_table="ledger", bus_name="bus", fire_queue_url=f"{endpoint}/",
        command_dlq_url=f"{endpoint}/", fire_dlq_url=f"{endpoint}/",
    )  # fmt: skip
    async with on_aws(settings) as cases:
        deadline = cases.clock.now() + DEADLINE_MS
        await cases.planner.run([0], deadline=deadline)  # opens the connections
        began = time.process_time()
        reports = await cases.planner.run(range(segments), deadline=deadline)
        spent = time.process_time() - began
    wrong = [report for report in reports if report.skipped or report.ended is not SegmentOutcome.PLANNED]
    if wrong:
        sys.exit(f"the planner did not plan what the benchmark has in store: {wrong[0]}")
    return sum(report.visited for report in reports), sum(report.fires for report in reports), spent


def main() -> None:
    rng = random.Random(2)
    mixes = {
        "daily and hourly": (
            [f"{rng.randrange(60)} {rng.randrange(24)} * * *" for _ in range(TRIGGERS * 3 // 4)]
            + [f"{rng.randrange(60)} * * * *" for _ in range(TRIGGERS // 4)],
            4,
        ),
        "every minute": ([f"{second} * * * * *" for second in range(60)], 2),
    }
    os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="us-east-1")
    for name, (expressions, segments) in mixes.items():
        more, count, size = page(expressions)
        with aws(more) as endpoint:
            os.environ["AWS_ENDPOINT_URL"] = endpoint
            read, fires, spent = asyncio.run(measure(endpoint, segments))
        print(
            f"plan, {name:<17} {read / spent:8,.0f} schedules and {fires / spent:8,.0f} fires a second of a core;"
            f" {count:,} of {size} bytes on a page"
        )


if __name__ == "__main__":
    main()
