"""One run: schedules that fire every second or two, kills while they fire, and the comparison."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.clock import SystemClock
from eventcron.demo.comparison import expect
from eventcron.demo.samples import Sample, Sent, put, send
from eventcron.local.tasks import run_with
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key
from eventcron.timing.instant import rfc3339
from tests.acceptance.faults.aws import Aws, becomes, connected
from tests.acceptance.faults.plan import TICK_SECONDS, Blow, What
from tests.acceptance.faults.runtime import KeptRuntime, kill_host
from tests.acceptance.faults.verdict import Verdict, judge
from tests.acceptance.faults.watch import Watch

#: Seconds from the first command to the first fire. Within them, live registrars store all schedules.
LEAD_IN = 5
#: Schedules that are put at each blow to the registrars, and the seconds until they fire.
MORE, MORE_LEAD_IN = 5, 3
#: Seconds after which a hang is ended. What is waited for takes a fraction of it.
PATIENCE = 240.0
#: The most faults printed of a run.
SHOWN_FAULTS = 20

_FUNCTIONS = {
    What.EXECUTORS: "executor",
    What.PLANNER: "planner",
    What.COMMITTED_PLANNER: "planner",
    What.REGISTRARS: "registrar",
}


class Done(Struct, frozen=True, kw_only=True):
    """The outcome of a run."""

    verdict: Verdict
    #: The window's start.
    start: Instant
    #: Hosts killed, by function; and ``everything``.
    killed: Counter[str]
    #: One line for each blow, and whom it hit.
    story: list[str]

    def __str__(self) -> str:
        verdict = self.verdict
        sums = (
            f"due {verdict.due:,}, published {verdict.published:,}, repeats {verdict.repeats:,}, "
            f"late by {verdict.latest_ms / 1000:.1f} s at most"
        )
        return "\n".join([*self.story, f"killed: {dict(self.killed)}", sums, *verdict.faults[:SHOWN_FAULTS]])


class Play:
    """A run on *runtime*, which must be new. *aws* are its services."""

    def __init__(self, runtime: KeptRuntime, aws: Aws) -> None:
        self._runtime = runtime
        self._aws = aws
        self._clock = SystemClock()
        self._watch = Watch(aws.sqs)
        self._sent: list[Sent] = []
        self._killed: Counter[str] = Counter()
        self._story: list[str] = []
        #: Not while everything is dead.
        self._up = asyncio.Event()
        self._up.set()

    async def run(self, schedules: int, blows: Sequence[Blow], *, seconds: int) -> Done:
        """Put so many *schedules*, deal the *blows* while they fire for so many *seconds*, and compare."""
        await self._aws.shorten()
        await self._watch.subscribe(self._aws.events, self._aws.bus)
        return await run_with(self._play(schedules, blows, seconds), [self._watch.read(), self._watch.read()])

    async def _play(self, schedules: int, blows: Sequence[Blow], seconds: int) -> Done:
        tick = TICK_SECONDS * 1000
        start = (self._clock.now() + LEAD_IN * 1000) // tick * tick + tick
        end = start + seconds * 1000
        await self._put([f"s{n}" for n in range(schedules)], start, end)
        async with asyncio.TaskGroup() as dealing:
            for number, blow in enumerate(blows):
                dealing.create_task(self._deal(number, blow, start, end))
        await self._clock.sleep_until(end)
        await self._settled(end)
        if await self._sent_back():
            await self._settled(end)
        verdict = judge(expect(self._sent, self._watch.observed.answers, end).required, self._watch.observed)
        faults = [*verdict.faults, *self._unanswered(), *await self._given_up()]
        verdict = msgspec.structs.replace(verdict, faults=faults)
        return Done(verdict=verdict, start=start, killed=self._killed, story=self._story)

    async def _put(self, names: Sequence[str], start: Instant, end: Instant) -> None:
        samples = [_sample(name, start, end, every=1 + n % 2, rate=n % 4 > 1) for n, name in enumerate(names)]
        self._sent += await send(samples, EventBridgeBus(self._aws.events, self._aws.bus), self._clock)

    async def _deal(self, number: int, blow: Blow, start: Instant, end: Instant) -> None:
        await self._clock.sleep_until(start + round(blow.at * 1000))
        if blow.what is What.EVERYTHING:
            await self._kill_everything(blow)
            return
        await self._up.wait()
        if blow.what is What.REGISTRARS:
            first = self._clock.now() // 1000 * 1000 + MORE_LEAD_IN * 1000
            if first >= end:
                self._record(blow, "too late, everything took long to come back")
                return
            await self._put([f"more{number}-{n}" for n in range(MORE)], first, end)
        begins = {
            What.REGISTRARS: self._registrar_begins,
            What.PLANNER: self._aws.planner_begins,
            What.COMMITTED_PLANNER: self._aws.planner_commits,
        }.get(blow.what)
        if begins is not None and not await begins():
            self._record(blow, "none began")
            return
        await asyncio.sleep(blow.after)
        # Meanwhile everything may have died. What starts again then, a developer would see fail.
        await self._up.wait()
        self._kill(blow)

    async def _registrar_begins(self) -> bool:
        """The first thing that one does may be to start."""
        return await self._aws.registrar_begins() and await becomes(lambda: self._there("registrar"))

    async def _there(self, function: str) -> bool:
        return any(host.function == function for host in self._runtime.hosts())

    async def _kill_everything(self, blow: Blow) -> None:
        self._up.clear()
        self._killed["everything"] += 1
        hosts = len(self._runtime.hosts())
        await self._runtime.kill()
        await self._runtime.start()
        self._record(blow, f"{hosts} hosts and all that ran them; here they are again")
        self._up.set()

    def _kill(self, blow: Blow) -> None:
        function = _FUNCTIONS.get(blow.what)
        meant = [host for host in self._runtime.hosts() if function in {None, host.function}]
        # In the order of their start, which is that in which ministack gives them work.
        hit = [host for host in meant[: max(1, round(len(meant) * blow.share))] if kill_host(host)]
        self._killed.update(host.function for host in hit)
        self._record(blow, ", ".join(f"{host.function} {host.pid}" for host in hit) or "none running")

    def _record(self, blow: Blow, whom: str) -> None:
        self._story.append(f"{rfc3339(self._clock.now(), millis=True)} {blow.what} at {blow.at:.3f} s: {whom}")

    async def _settled(self, end: Instant) -> None:
        """Wait until all is planned that is due before *end*, has come and was read: nothing could come any more."""
        deadline = self._clock.now() + PATIENCE * 1000
        while left := await self._left(end):
            assert self._clock.now() < deadline, "\n".join([f"not at rest: {left}", *self._story])
            await asyncio.sleep(0.5)  # a queue does not announce that it is empty

    async def _left(self, end: Instant) -> dict[str, int]:
        """What could still come: milliseconds that are not planned, messages on their way, messages not read."""
        aws = self._aws
        left = {
            "unplanned_ms": max(0, end - await aws.planned_through()),
            "on_their_way": await aws.on_their_way(),
            "unread": await aws.count(self._watch.url),
        }
        return left if any(left.values()) else {}

    def _unanswered(self) -> list[str]:
        """The puts without ``Schedule Created``, and what came instead."""
        answers: dict[Key, list[str]] = {}
        for one in self._watch.observed.answers:
            text = " ".join([rfc3339(one.at, millis=True), one.detail_type, str(one.revision), one.code, one.message])
            answers.setdefault(one.key, []).append(text.rstrip())
        return [
            f"unanswered: {sent.sample.key} of {rfc3339(sent.at, millis=True)}, only {answers.get(sent.sample.key, [])}"
            for sent in self._sent
            if not any(" Schedule Created " in text for text in answers.get(sent.sample.key, []))
        ]

    async def _sent_back(self) -> int:
        """Redrive the dead letters, as an operator does. Return their number."""
        dead_letters = await self._aws.dead_letters()
        count = 0
        for output, queue in (("CommandDeadLettersUrl", "commands"), ("FireDeadLettersUrl", "fires")):
            if dead_letters[output]:
                count += dead_letters[output]
                await self._runtime.command("redrive", "send", queue, "--all")
                self._story.append(f"{dead_letters[output]} dead letters of {queue} sent back")
        return count

    async def _given_up(self) -> list[str]:
        return [f"given up: {count} in {queue}" for queue, count in (await self._aws.dead_letters()).items() if count]


async def play(runtime: KeptRuntime, blows: Sequence[Blow], *, schedules: int, seconds: int) -> Done:
    """Run on *runtime*, which must be new."""
    async with connected(runtime.document) as aws:
        return await Play(runtime, aws).run(schedules, blows, seconds=seconds)


def _sample(name: str, start: Instant, end: Instant, *, every: int, rate: bool) -> Sample:
    """A schedule that fires every second or two from *start* until *end*, however late."""
    units = "second" if every == 1 else "seconds"
    detail = {
        "tenant": "acme" if rate else "globex",
        "name": name,
        "expression": f"rate({every} {units})" if rate else f"*/{every} * * * * *",
        "start": rfc3339(start),
        "end": rfc3339(end),
        "misfire": {"policy": "fire_all"},
    }
    return put(msgspec.convert(detail, Schedule))
