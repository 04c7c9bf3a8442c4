"""One message: its fire is read, its handler found, its work done once, and eventcron hears how it went."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from eventcron.app.jobs import Handled, Handler, Jobs
from eventcron.app.run_reporter import RunReporter
from eventcron.errors import Unavailable
from eventcron.model.fires import Fire
from eventcron.model.tracking import RunStatus
from eventcron.ports.work import NotReported, RunReport
from eventcron.rules.jobs import Filter, JobEnd
from eventcron.testing import MemoryRunReports, MemorySeen, fire_event


def body(name: str = "nightly", **fields: Any) -> str:
    return json.dumps(fire_event("acme", name, **{"run_token": "secret", **fields}))


class Rig:
    """Jobs whose work is to be called by ``work``."""

    def __init__(self, *handlers: Handler, refuse: str = "") -> None:
        self.reports = MemoryRunReports(refuse)
        self.seen = MemorySeen()
        self.lost: list[tuple[RunReport, NotReported]] = []
        reporter = RunReporter(self.reports, lost=lambda *both: self.lost.append(both))
        self.jobs = Jobs(handlers, seen=self.seen, reporter=reporter)

    async def handle(self, text: str, *, last: bool = False) -> Handled:
        return await self.jobs.handle(text, last=last)

    @property
    def said(self) -> list[tuple[RunStatus, str, str]]:
        return [(one.status, one.message, one.result.decode()) for one in self.reports.taken]


def on(name: str, work: Any, **fields: Any) -> Handler:
    return Handler(filter=Filter(name=name), work=work, **fields)


async def test_the_work_is_done_and_reported_with_its_result() -> None:
    done: list[Fire[Any]] = []

    async def work(fire: Fire[Any]) -> object:
        done.append(fire)
        return {"rows": 3}

    rig = Rig(on("nightly", work))
    how = await rig.handle(body(input=[1]))

    assert (how.end, how.fire) == (JobEnd.SUCCEEDED, done[0])
    assert done[0].input == [1]
    assert rig.said == [(RunStatus.STARTED, "", "null"), (RunStatus.SUCCEEDED, "", '{"rows":3}')]


async def test_a_fire_that_is_not_tracked_is_not_reported() -> None:
    async def work(_fire: Fire[Any]) -> None:
        """Nothing."""

    rig = Rig(on("*", work))

    assert (await rig.handle(body(run_token=None))).end is JobEnd.SUCCEEDED
    assert rig.said == []


async def test_the_first_handler_that_matches_does_the_work() -> None:
    async def never(_fire: Fire[Any]) -> None:
        raise AssertionError

    async def work(_fire: Fire[Any]) -> None:
        """Nothing."""

    rig = Rig(on("weekly", never), on("night*", work), on("*", never))

    assert (await rig.handle(body())).end is JobEnd.SUCCEEDED


@pytest.mark.parametrize("last", [False, True])
async def test_a_fire_without_handler_is_not_done_and_its_run_ends_with_the_last_delivery(last: bool) -> None:
    rig = Rig()

    how = await rig.handle(body(), last=last)

    assert (how.end, how.reason) == (JobEnd.UNHANDLED, "no handler is registered for it")
    assert rig.said == [
        (RunStatus.FAILED, "no handler is registered for it", "null")
        if last
        else (RunStatus.PROGRESS, "is tried again: no handler is registered for it", "null")
    ]


async def test_a_message_that_is_no_fire_is_not_done() -> None:
    rig = Rig()

    how = await rig.handle("{}")

    assert (how.end, how.fire) == (JobEnd.UNREADABLE, None)
    assert how.reason.startswith("not a fire: ")
    assert rig.said == []


async def test_an_input_that_does_not_fit_is_not_handed_to_the_work() -> None:
    class Export(msgspec.Struct):
        report: str

    async def never(_fire: Fire[Export]) -> None:
        raise AssertionError

    rig = Rig(on("*", never, input=Export))
    how = await rig.handle(body(input={}), last=True)

    assert how.end is JobEnd.UNREADABLE
    assert [status for status, _, _ in rig.said] == [RunStatus.FAILED]
    assert "`report`" in rig.said[0][1]


@pytest.mark.parametrize("last", [False, True])
async def test_a_failure_ends_the_run_only_if_nobody_tries_again(last: bool) -> None:
    async def work(_fire: Fire[Any]) -> None:
        raise ValueError("no rows")

    rig = Rig(on("*", work))
    how = await rig.handle(body(), last=last)

    assert (how.end, how.reason) == (JobEnd.FAILED, "ValueError: no rows")
    assert isinstance(how.error, ValueError)
    assert rig.said[1:] == [
        (RunStatus.FAILED, "ValueError: no rows", "null")
        if last
        else (RunStatus.PROGRESS, "is tried again: ValueError: no rows", "null")
    ]
    assert await rig.seen.claim(how.fire.fire_id if how.fire else "") == "new", "it can be tried again"


async def test_a_second_delivery_is_not_worked_on_while_the_first_is() -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()
    count = 0

    async def work(_fire: Fire[Any]) -> None:
        nonlocal count
        count += 1
        begun.set()
        await goes_on.wait()

    rig = Rig(on("*", work))
    first = asyncio.create_task(rig.handle(body()))
    await begun.wait()
    second = await rig.handle(body())
    goes_on.set()

    assert second.end is JobEnd.BUSY
    assert (await first).end is JobEnd.SUCCEEDED
    assert (await rig.handle(body())).end is JobEnd.REPEATED
    assert count == 1
    assert [status for status, _, _ in rig.said] == [RunStatus.STARTED, RunStatus.SUCCEEDED, RunStatus.SUCCEEDED]


async def test_stopped_work_can_be_done_by_another_and_its_run_stays_open() -> None:
    begun = asyncio.Event()

    async def work(_fire: Fire[Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    rig = Rig(on("*", work))
    task = asyncio.create_task(rig.handle(body()))
    await begun.wait()
    rig.jobs.stop()
    how = await task

    assert (how.end, how.still_running) == (JobEnd.STOPPED, False)
    assert [status for status, _, _ in rig.said] == [RunStatus.STARTED, RunStatus.PROGRESS]
    assert (await rig.handle(body())).end is JobEnd.STOPPED, "no work begins any more"
    assert how.fire is not None
    assert await rig.seen.claim(how.fire.fire_id) == "new"


async def test_a_thread_cannot_be_stopped_so_its_fire_is_nobody_elses_yet() -> None:
    begun = asyncio.Event()

    async def work(_fire: Fire[Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    rig = Rig(on("*", work, interruptible=False))
    task = asyncio.create_task(rig.handle(body()))
    await begun.wait()
    rig.jobs.stop()
    how = await task

    assert (how.end, how.still_running) == (JobEnd.STOPPED, True)
    assert how.fire is not None
    assert await rig.seen.claim(how.fire.fire_id) == "busy"


async def test_a_job_that_cancels_itself_has_failed() -> None:
    async def work(_fire: Fire[Any]) -> None:
        raise asyncio.CancelledError

    rig = Rig(on("*", work))

    assert (await rig.handle(body())).end is JobEnd.FAILED


async def test_a_report_that_is_not_taken_changes_nothing_of_the_work() -> None:
    async def work(_fire: Fire[Any]) -> None:
        """Nothing."""

    rig = Rig(on("*", work), refuse="AccessDenied: no")
    how = await rig.handle(body())

    assert how.end is JobEnd.SUCCEEDED
    assert [(report.status, str(error)) for report, error in rig.lost] == [
        (RunStatus.STARTED, "AccessDenied: no"),
        (RunStatus.SUCCEEDED, "AccessDenied: no"),
    ]


async def test_a_fault_before_the_work_leaves_no_claim_behind() -> None:
    class Broken(MemoryRunReports):
        async def report(self, report: RunReport) -> None:
            raise OSError(report.status)

    async def never(_fire: Fire[Any]) -> None:
        raise AssertionError

    seen = MemorySeen()
    jobs = Jobs([on("*", never)], seen=seen, reporter=RunReporter(Broken(), lost=print))

    with pytest.raises(OSError, match="progress"):
        await jobs.handle(body(), last=False)

    assert await seen.claim(fire_event("acme", "nightly")["detail"]["fire_id"]) == "new"


async def test_where_it_is_not_known_whether_the_work_is_done_it_is_not_done() -> None:
    class Down(MemorySeen):
        async def claim(self, fire_id: str) -> Any:
            raise Unavailable("dynamodb", "Throttled", fire_id)

    async def never(_fire: Fire[Any]) -> None:
        raise AssertionError

    jobs = Jobs([on("*", never)], seen=Down(), reporter=RunReporter(None, lost=print))

    with pytest.raises(Unavailable):
        await jobs.handle(body(), last=False)


async def test_the_memory_of_a_process_has_a_limit_and_forgets_the_oldest() -> None:
    seen = MemorySeen(limit=2)
    for fire_id in "abc":
        await seen.claim(fire_id)
        await seen.finish(fire_id)

    assert [await seen.claim(fire_id) for fire_id in "cba"] == ["done", "done", "new"]
