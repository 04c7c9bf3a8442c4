"""How many schedules a planner gets through a second, with its own adapters and client, before an AWS without delay.

The AWS is a process of its own and always gives the same answers: full pages of the index, and every message taken.
What is counted is the planner's own processor time, so a busy machine does not matter. docs/operations.md sizes by it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import msgspec
from aiohttp import web

from eventcron.adapters.aws import items
from eventcron.model.commands import Schedule
from eventcron.model.names import Key
from eventcron.model.records import Record, State
from eventcron.settings import Settings
from eventcron.timing.trigger import parse
from eventcron.wiring import on_aws

#: Bytes. DynamoDB Query: "a single Query operation can retrieve a maximum of 1 MB of data".
PAGE_BYTES = 1_000_000
PAGES = 4
TRIGGERS = 1_000
#: What the index projects, beside its keys.
PROJECTED = {"tenant", "name", "segment", "wake", "revision", "trigger", "first", "until", "handoff", "misfire",
             "flexible_window_seconds"}  # fmt: skip


def page(expressions: list[str]) -> tuple[bytes, int, int]:
    """A full page of the index, how many items are on it, and how many bytes DynamoDB counts for one."""
    rng = random.Random(1)
    triggers = [parse(text, anchor=0).canonical for text in expressions]
    found, size = [], 0
    while size < PAGE_BYTES:
        number = len(found)
        key = Key(f"tenant-{number % 97}", f"nightly-export-{number}")
        record = Record(
            schedule=Schedule(tenant=key.tenant, name=key.name, expression="@daily"), tenant=key.tenant, name=key.name,
            revision=1_764_547_200_000, state=State.ENABLED, created=1, defined=1, trigger=rng.choice(triggers),
            segment=0, wake=0,
        )  # fmt: skip
        item = {name: value for name, value in items.encode(record).items() if name in PROJECTED}
        size += sum(len(name) + len(str(next(iter(value.values())))) for name, value in item.items())
        found.append(item)
    last = {"tenant": {"S": "t"}, "name": {"S": "n"}, "segment": {"N": "0"}, "wake": {"N": "0"}}
    more = msgspec.json.encode({"Items": found, "Count": len(found), "LastEvaluatedKey": last})
    return more, len(found), size // len(found)


def serve(pipe: Connection, more: bytes) -> None:
    """An AWS that answers at once. Each segment has ``PAGES`` pages."""
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
        elif target == "GetItem":  # of the segment: planned through all but the last tick of the horizon
            planned = str((int(time.time()) + 420) * 1000)
            reply = {"Item": {"pk": {"S": "segment"}, "planned": {"N": planned}, "claimed": {"N": planned}}}
        elif target == "SendMessageBatch":
            reply = {"Successful": [{"Id": entry["Id"], "MessageId": "m"} for entry in body["Entries"]]}
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
    """The endpoint of that AWS."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(theirs, more))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        ours.send("end")
        process.join()


async def measure(endpoint: str, segments: int) -> tuple[int, int, float]:
    """Schedules read, fires sent, and processor seconds spent."""
    settings = Settings(
        schedules_table="schedules", ledger_table="ledger", bus_name="bus", fire_queue_url=f"{endpoint}/",
        command_dlq_url=f"{endpoint}/", fire_dlq_url=f"{endpoint}/",
    )  # fmt: skip
    async with on_aws(settings) as cases:
        deadline = cases.clock.now() + 600_000
        await cases.planner.run([0], deadline=deadline)  # opens connections
        began = time.process_time()
        reports = await cases.planner.run(range(segments), deadline=deadline)
        spent = time.process_time() - began
    return sum(report.visited for report in reports), sum(report.fires for report in reports), spent


def main() -> None:
    rng = random.Random(2)
    mixes = {
        "daily and hourly": (
            [f"{rng.randrange(60)} {rng.randrange(24)} * * *" for _ in range(TRIGGERS * 3 // 4)]
            + [f"{rng.randrange(60)} * * * *" for _ in range(TRIGGERS // 4)],
            16,
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
