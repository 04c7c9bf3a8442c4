"""One run: schedules that fire every second or two, blows while they do, and the comparison."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from msgspec import Struct

from eventcron.adapters.clock import SystemClock
from eventcron.core.instant import rfc3339
from eventcron.local.demo.beside import beside
from eventcron.local.demo.emit import emit
from eventcron.local.demo.expectation import expect
from eventcron.local.demo.orders import Order, Sent, put
from eventcron.model import Instant, Schedule
from tests.acceptance.faults.plan import TICK_SECONDS, Blow, What
from tests.acceptance.faults.runtime import KeptRuntime, kill_host
from tests.acceptance.faults.verdict import Verdict, judge
from tests.acceptance.faults.watch import Watch

#: Seconds for which a message stays away whose reader was killed. The template has six times the reader's timeout, as
#: AWS asks, so that a message is not given to a second reader because calls of the first were throttled; no call is
#: throttled here. A registrar or executor has a message for about four, and one that came back early would be repeated.
VISIBILITY_SECONDS = 12
#: Seconds after which a planner ends at the latest, so that a dead one's claims run out. The template has 120.
PLANNER_TIMEOUT = 10
#: Seconds from the first order to the first fire, within which all are stored if the registrars live.
LEAD_IN = 8
#: Schedules put at each blow against the registrars, and the seconds until they fire.
MORE, MORE_LEAD_IN = 5, 3
#: Seconds after the window within which everything must have come: a message may have been hit twice.
PATIENCE = 90


class Done(Struct, frozen=True, kw_only=True):
    """How a run went."""

    verdict: Verdict
    #: Hosts killed, by function; and ``everything``.
    killed: Counter[str]
    #: One line for each blow, and what came of it.
    story: list[str]


class Play:
    """A run on *runtime*, which has just been started."""

    def __init__(self, runtime: KeptRuntime, *, seed: int, seconds: int) -> None:
        self._runtime = runtime
        self._seconds = seconds
        self._clock = SystemClock()
        self._sent: list[Sent] = []
        self._killed: Counter[str] = Counter()
        self._story = [f"seed {seed}"]

    async def run(self, schedules: int, blows: Sequence[Blow]) -> Done:
        """Put so many *schedules*, deal the *blows* while they fire, and compare."""
        async with self._clients() as (sqs, events, aws_lambda):
            await self._shorten(sqs, aws_lambda)
            watch = Watch(sqs)
            await watch.subscribe(events, self._runtime.facts["bus"])
            self._sqs, self._events, self._watch = sqs, events, watch
            verdict = await beside(self._play(schedules, blows), [watch.read(), watch.read()])
        return Done(verdict=verdict, killed=self._killed, story=self._story)

    @asynccontextmanager
    async def _clients(self) -> AsyncIterator[tuple[Any, Any, Any]]:
        facts = self._runtime.facts["environment"]
        config = AioConfig(read_timeout=60, retries={"total_max_attempts": 1}, proxies={})
        async with AsyncExitStack() as exits:
            clients = [
                await exits.enter_async_context(
                    get_session().create_client(
                        service,
                        region_name=facts["AWS_DEFAULT_REGION"],
                        endpoint_url=facts["AWS_ENDPOINT_URL"],
                        aws_access_key_id=facts["AWS_ACCESS_KEY_ID"],
                        aws_secret_access_key=facts["AWS_SECRET_ACCESS_KEY"],
                        config=config,
                    )
                )
                for service in ("sqs", "events", "lambda")
            ]
            yield clients[0], clients[1], clients[2]

    async def _shorten(self, sqs: Any, aws_lambda: Any) -> None:
        """Have what was lost with a process come back within seconds instead of minutes."""
        outputs = self._runtime.facts["outputs"]
        for queue in ("CommandQueueUrl", "FireQueueUrl"):
            attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
            await sqs.set_queue_attributes(QueueUrl=outputs[queue], Attributes=attributes)
        await aws_lambda.update_function_configuration(
            FunctionName=outputs["PlannerFunctionName"], Timeout=PLANNER_TIMEOUT
        )

    async def _play(self, schedules: int, blows: Sequence[Blow]) -> Verdict:
        tick = TICK_SECONDS * 1000
        start = (self._clock.now() + LEAD_IN * 1000) // tick * tick + tick
        end = start + self._seconds * 1000
        await self._put([f"s{n}" for n in range(schedules)], start, end)
        for number, blow in enumerate(blows):
            await self._clock.sleep_until(start + round(blow.at * 1000))
            await self._deal(number, blow, end)
        await self._clock.sleep_until(end)
        observed = self._watch.observed
        required = expect(self._sent, observed.answers, end).required
        await self._settled(required)
        verdict = judge(required, observed)
        created = {answer.key for answer in observed.answers if answer.fact == "Schedule Created"}
        unanswered = [f"unanswered: {one.order.key}" for one in self._sent if one.order.key not in created]
        letters = [f"{count} letters in {queue}" for queue, count in (await self._letters()).items() if count]
        return msgspec.structs.replace(verdict, faults=[*verdict.faults, *unanswered, *letters])

    async def _put(self, names: Sequence[str], start: Instant, end: Instant) -> None:
        orders = [_order(name, start, end, every=1 + n % 2, rate=n % 4 > 1) for n, name in enumerate(names)]
        self._sent += await emit(self._events, self._runtime.facts["bus"], orders, clock=self._clock)

    async def _deal(self, number: int, blow: Blow, end: Instant) -> None:
        if blow.what is What.EVERYTHING:
            self._tell(blow, "all of it")
            self._killed["everything"] += 1
            await self._runtime.kill()
            await self._runtime.start()
            return
        if blow.what is What.REGISTRARS:
            start = self._clock.now() // 1000 * 1000 + MORE_LEAD_IN * 1000
            await self._put([f"more{number}-{n}" for n in range(MORE)], start, end)
        functions = {What.EXECUTORS: {"executor"}, What.PLANNER: {"planner"}, What.REGISTRARS: {"registrar"}}
        self._kill(blow, functions.get(blow.what))

    def _kill(self, blow: Blow, functions: set[str] | None) -> None:
        meant = [host for host in self._runtime.hosts() if functions is None or host.function in functions]
        # The oldest are the busiest: a free one is taken in the order of their start.
        hit = [host for host in meant[: max(1, round(len(meant) * blow.share))] if kill_host(host)]
        self._killed.update(host.function for host in hit)
        self._tell(blow, ", ".join(f"{host.function} {host.pid}" for host in hit) or "nobody there")

    def _tell(self, blow: Blow, whom: str) -> None:
        self._story.append(f"{rfc3339(self._clock.now(), millis=True)} at {blow.at:.3f} s, {blow.what}: {whom}")

    async def _settled(self, required: set[Any]) -> None:
        """Wait until all has come and nothing is on its way that could come again; or for as long as it may take."""
        outputs = self._runtime.facts["outputs"]
        deadline = self._clock.now() + PATIENCE * 1000
        while self._clock.now() < deadline:
            waiting = await self._count(outputs["CommandQueueUrl"]) + await self._count(outputs["FireQueueUrl"])
            if not waiting and not await self._count(self._watch.url):
                return
            await asyncio.sleep(0.5)  # a queue does not announce that it is empty

    async def _letters(self) -> dict[str, int]:
        outputs = self._runtime.facts["outputs"]
        queues = ("CommandDeadLettersUrl", "FireDeadLettersUrl", "TargetDeadLettersUrl")
        return {queue: await self._count(outputs[queue]) for queue in queues}

    async def _count(self, queue: str) -> int:
        """Messages in *queue*, whether they are visible or not."""
        answer = await self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
        names = ("", "NotVisible", "Delayed")
        return sum(int(answer["Attributes"][f"ApproximateNumberOfMessages{name}"]) for name in names)


def _order(name: str, start: Instant, end: Instant, *, every: int, rate: bool) -> Order:
    """A schedule that fires every second or two from *start* until *end*, and however late."""
    units = "second" if every == 1 else "seconds"
    expression = f"rate({every} {units})" if rate else f"*/{every} * * * * *"
    detail = {
        "tenant": "acme" if rate else "globex",
        "name": name,
        "expression": expression,
        "start": rfc3339(start),
        "end": rfc3339(end),
        "misfire": {"policy": "fire_all"},
    }
    return put(msgspec.convert(detail, Schedule))


@asynccontextmanager
async def running(directory: Path, *, source: Path | None = None) -> AsyncIterator[KeptRuntime]:
    """A runtime that has just been started, in *directory*; killed in any case."""
    runtime = KeptRuntime(directory, source=source)
    try:
        await runtime.start()
        yield runtime
    finally:
        await runtime.kill()
