"""A worker on a queue in memory, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from itertools import pairwise
from typing import Any, TypeAlias

import pytest

from eventcron.app.jobs import Handled, Handler, Jobs
from eventcron.app.run_reporter import RunReporter
from eventcron.app.worker import Worker, WorkSettings
from eventcron.errors import Unavailable
from eventcron.model.fires import Fire
from eventcron.model.tracking import RunStatus
from eventcron.ports import Refusal
from eventcron.ports.work import WorkMessage
from eventcron.rules.jobs import Filter, JobEnd
from eventcron.testing import (
    MemoryQueue,
    MemoryRunReports,
    MemorySeen,
    MemoryWorkQueue,
    VirtualClock,
    VirtualLoop,
    fire_event,
)

LATER = Refusal(index=0, code="InternalError")
NEVER = Refusal(index=0, code="ReceiptHandleIsInvalid", retryable=False)


Work: TypeAlias = Callable[[Fire[Any]], Awaitable[object]]


class Rig:
    """A worker, and everything it says."""

    def __init__(
        self,
        work: Work,
        *,
        refuse: Callable[[str, WorkMessage], Refusal | None] | None = None,
        interruptible: bool = True,
        max_receives: int = 5,
        **settings: Any,
    ) -> None:
        self.clock = VirtualClock(0, asyncio.get_running_loop())
        self.memory = MemoryQueue(self.clock, max_receives=max_receives)
        self.queue = MemoryWorkQueue(self.memory, self.clock, **({} if refuse is None else {"refuse": refuse}))
        self.reports = MemoryRunReports()
        self.ends: list[tuple[int, JobEnd]] = []
        self.refusals: list[tuple[str, str]] = []
        self.waits = 0
        handler = Handler(filter=Filter(name="nightly"), work=work, interruptible=interruptible)
        reporter = RunReporter(self.reports, lost=print)
        self.worker = Worker(
            Jobs([handler], seen=MemorySeen(), reporter=reporter),
            queue=self.queue,
            clock=self.clock,
            jitter=lambda: 0.5,
            settings=WorkSettings(**{"visibility_seconds": 60, **settings}),
            watch=self,
        )

    def began(self, max_receives: int | None) -> None:
        self.max_receives = max_receives

    def handled(self, message: WorkMessage, how: Handled) -> None:
        self.ends.append((message.receives, how.end))

    def refused(self, doing: str, message_id: str, refusal: Refusal) -> None:
        self.refusals.append((doing, refusal.code))

    def waiting(self, error: Unavailable) -> None:
        self.waits += 1

    def put(self, name: str = "nightly", *, due: str = "2026-12-01T01:00:00Z") -> str:
        return self.memory.put(json.dumps(fire_event("acme", name, due=due, run_token="secret")))

    def put_many(self, count: int) -> None:
        for number in range(count):
            self.put(due=f"2026-12-01T01:{number // 60:02}:{number % 60:02}Z")

    async def run_until(self, condition: Callable[[], bool], *, at_most: int = 7_200) -> None:
        """Run the worker until *condition* holds, and then to its end."""
        running = asyncio.create_task(self.worker.run())
        end = self.clock.now() + at_most * 1000
        while not condition() and not running.done():
            assert self.clock.now() < end, (self.ends, self.refusals)
            await self.clock.sleep_until(self.clock.now() + 100)
        self.worker.stop()
        await running

    @property
    def said(self) -> list[RunStatus]:
        return [report.status for report in self.reports.taken]


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(test())


async def nothing(_fire: Fire[Any]) -> None:
    """A job that ends at once."""


def test_work_is_done_and_its_message_deleted() -> None:
    async def test() -> None:
        rig = Rig(nothing)
        rig.put_many(25)
        await rig.run_until(lambda: len(rig.ends) == 25)

        assert len(rig.memory) == 0
        assert set(rig.ends) == {(1, JobEnd.SUCCEEDED)}
        assert rig.max_receives == 5

    run(test)


def test_no_more_jobs_run_at_once_than_allowed_and_as_many_if_there_are() -> None:
    async def test() -> None:
        running = most = 0

        async def work(_fire: Fire[Any]) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(3)
            running -= 1

        rig = Rig(work, concurrency=13)
        rig.put_many(60)
        await rig.run_until(lambda: len(rig.ends) == 60)

        assert most == 13

    run(test)


def test_a_message_stays_hidden_as_long_as_its_job_runs() -> None:
    async def test() -> None:
        async def work(_fire: Fire[Any]) -> None:
            await asyncio.sleep(3_600)

        rig = Rig(work)
        rig.put()
        await rig.run_until(lambda: bool(rig.ends))

        assert rig.ends == [(1, JobEnd.SUCCEEDED)]
        assert rig.refusals == []

    run(test)


def test_a_message_of_a_dead_worker_comes_back_as_soon_as_its_visibility_ends() -> None:
    async def test() -> None:
        async def hang(_fire: Fire[Any]) -> None:
            await asyncio.Event().wait()

        rig = Rig(hang, stop_seconds=0)
        rig.put()
        running = asyncio.create_task(rig.worker.run())
        await rig.clock.sleep_until(30_000)

        assert rig.memory.next_visible() == 20_000 + 60_000, "whoever dies now was heard of last at 20 s"
        rig.worker.stop()
        await running

    run(test)


def test_a_failed_job_is_tried_again_later_and_later_and_then_given_up() -> None:
    async def test() -> None:
        tried: list[int] = []

        async def work(_fire: Fire[Any]) -> None:
            tried.append(rig.clock.now())
            raise ValueError("no rows")

        rig = Rig(work)
        rig.put()
        await rig.run_until(lambda: bool(rig.memory.dead))

        assert rig.ends == [(receives, JobEnd.FAILED) for receives in (1, 2, 3, 4, 5)]
        waits = [round((later - earlier) / 1000) for earlier, later in pairwise(tried)]
        assert waits == [3, 7, 15, 30], "three quarters of 5, 10, 20, 40 seconds"
        assert rig.said.count(RunStatus.FAILED) == 1
        assert rig.said[-1] is RunStatus.FAILED

    run(test)


@pytest.mark.parametrize("body", ["{}", json.dumps(fire_event("acme", "weekly"))], ids=["no-fire", "no-handler"])
def test_a_message_that_nobody_can_do_ends_in_the_dead_letter_queue_and_others_are_done(body: str) -> None:
    async def test() -> None:
        rig = Rig(nothing, max_receives=2)
        rig.memory.put(body)
        rig.put_many(3)
        await rig.run_until(lambda: bool(rig.memory.dead))

        assert [message.body for message in rig.memory.dead] == [body]
        assert sum(end is JobEnd.SUCCEEDED for _, end in rig.ends) == 3

    run(test)


def test_a_fire_delivered_twice_is_worked_on_once() -> None:
    async def test() -> None:
        done: list[str] = []

        async def work(fire: Fire[Any]) -> None:
            done.append(fire.fire_id)
            await asyncio.sleep(2)

        rig = Rig(work)
        rig.put()
        rig.put()
        await rig.run_until(lambda: len(rig.memory) == 0)

        assert len(done) == 1
        assert sorted(end for _, end in rig.ends) == [JobEnd.BUSY, JobEnd.REPEATED, JobEnd.SUCCEEDED]

    run(test)


def test_a_deletion_that_is_refused_is_repeated_and_one_refused_for_good_does_no_work_twice() -> None:
    async def test() -> None:
        refusals = {"1": [LATER, LATER], "2": [NEVER]}
        done = 0

        def refuse(doing: str, message: WorkMessage) -> Refusal | None:
            waiting = refusals.get(message.id)
            return waiting.pop() if doing == "delete" and waiting else None

        async def work(_fire: Fire[Any]) -> None:
            nonlocal done
            done += 1

        rig = Rig(work, refuse=refuse)
        rig.put_many(3)
        await rig.run_until(lambda: len(rig.memory) == 0)

        assert done == 3
        assert rig.refusals == [("delete", "ReceiptHandleIsInvalid")]
        assert (2, JobEnd.REPEATED) in rig.ends, "it came back, was known, and was deleted"

    run(test)


def test_deletions_at_one_moment_go_in_one_call() -> None:
    async def test() -> None:
        calls: list[int] = []
        rig = Rig(nothing)
        delete = rig.queue.delete

        async def counted(messages: Any) -> Any:
            calls.append(len(messages))
            return await delete(messages)

        rig.queue.delete = counted  # type: ignore[method-assign]
        rig.put_many(10)
        await rig.run_until(lambda: len(rig.ends) == 10)

        assert sum(calls) == 10
        assert len(calls) < 4

    run(test)


def test_a_queue_that_is_unavailable_is_asked_again() -> None:
    async def test() -> None:
        rig = Rig(nothing)
        receive = rig.queue.receive
        outage = iter(range(8))

        async def refused(*arguments: Any, **options: Any) -> Any:
            if next(outage, None) is not None:
                raise Unavailable("sqs", "Throttled")
            return await receive(*arguments, **options)

        rig.queue.receive = refused  # type: ignore[method-assign]
        rig.put()
        await rig.run_until(lambda: bool(rig.ends))

        assert (rig.waits, rig.ends) == (8, [(1, JobEnd.SUCCEEDED)])

    run(test)


def test_an_outage_does_not_keep_a_stopped_worker() -> None:
    async def test() -> None:
        rig = Rig(nothing)

        async def refused(*_arguments: Any, **_options: Any) -> Any:
            raise Unavailable("sqs", "Throttled")

        rig.queue.receive = refused  # type: ignore[method-assign]
        await rig.run_until(lambda: rig.waits > 10)

        assert rig.ends == []

    run(test)


@pytest.mark.parametrize("operation", ["receive", "delete", "hide"])
def test_what_is_forbidden_ends_the_worker_once_its_jobs_have_ended(operation: str) -> None:
    async def test() -> None:
        ended: list[str] = []

        async def work(fire: Fire[Any]) -> None:
            await asyncio.sleep(0 if fire.due.second == 0 else 25)
            ended.append(fire.fire_id)

        rig = Rig(work, concurrency=2)
        allowed = getattr(rig.queue, operation)
        asked = 0

        async def forbidden(*arguments: Any, **options: Any) -> Any:
            nonlocal asked
            asked += 1
            if operation == "receive" and asked == 1:
                return await allowed(*arguments, **options)
            raise PermissionError(operation)

        setattr(rig.queue, operation, forbidden)
        rig.put_many(2)
        with pytest.raises(PermissionError, match=operation):
            await rig.worker.run()

        assert len(ended) == 2

    run(test)


def test_a_stopped_worker_lets_its_jobs_end_and_takes_no_more() -> None:
    async def test() -> None:
        async def work(_fire: Fire[Any]) -> None:
            await asyncio.sleep(20)

        rig = Rig(work, concurrency=1, stop_seconds=30)
        rig.put_many(2)
        await rig.run_until(lambda: rig.clock.now() > 1_000)

        assert rig.ends == [(1, JobEnd.SUCCEEDED)]
        assert len(rig.memory) == 1

    run(test)


def test_jobs_that_do_not_end_in_time_go_back_to_the_queue_at_once() -> None:
    async def test() -> None:
        async def work(_fire: Fire[Any]) -> None:
            await asyncio.sleep(500)

        rig = Rig(work, stop_seconds=30)
        rig.put_many(3)
        await rig.run_until(lambda: rig.clock.now() > 1_000)

        assert rig.ends == [(1, JobEnd.STOPPED)] * 3
        assert rig.clock.now() < 33_000
        assert len(rig.memory.receive()) == 3, "they are visible"
        assert RunStatus.FAILED not in rig.said

    run(test)


def test_the_second_stop_stops_the_jobs_and_the_poll_at_once() -> None:
    async def test() -> None:
        async def work(_fire: Fire[Any]) -> None:
            await asyncio.sleep(500)

        rig = Rig(work, stop_seconds=300)
        rig.put()
        running = asyncio.create_task(rig.worker.run())
        await rig.clock.sleep_until(1_000)
        rig.worker.stop()
        rig.worker.stop()
        await running

        assert rig.ends == [(1, JobEnd.STOPPED)]
        assert rig.clock.now() < 2_000

    run(test)


def test_a_worker_whose_task_is_cancelled_stops_in_time_and_says_so() -> None:
    async def test() -> None:
        async def work(_fire: Fire[Any]) -> None:
            await asyncio.sleep(10)

        rig = Rig(work)
        rig.put()
        running = asyncio.create_task(rig.worker.run())
        await rig.clock.sleep_until(1_000)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        assert rig.ends == [(1, JobEnd.SUCCEEDED)]

    run(test)


def test_a_thread_that_goes_on_keeps_its_message_hidden() -> None:
    async def test() -> None:
        async def work(_fire: Fire[Any]) -> None:
            await asyncio.sleep(500)

        rig = Rig(work, interruptible=False, stop_seconds=1)
        rig.put()
        await rig.run_until(lambda: rig.clock.now() > 1_000)

        assert rig.ends == [(1, JobEnd.STOPPED)]
        assert rig.memory.receive() == []

    run(test)


def test_what_a_poll_brings_after_the_stop_goes_back() -> None:
    async def test() -> None:
        rig = Rig(nothing)
        running = asyncio.create_task(rig.worker.run())
        await rig.clock.sleep_until(500)
        rig.worker.stop()
        rig.put()
        await running

        assert rig.ends == []
        assert len(rig.memory.receive()) == 1, "it is visible"

    run(test)
