"""No fire is lost when every Lambda host, and once everything, is killed while 200 schedules fire."""

from __future__ import annotations

import os
import random
import re
from datetime import datetime
from pathlib import Path

import pytest

from tests.acceptance.broken import COMMITS_BEFORE_IT_SENDS, RECORDS_BEFORE_IT_PUBLISHES, broken
from tests.acceptance.faults.aws import VISIBILITY_SECONDS
from tests.acceptance.faults.plan import Blow, What, plan
from tests.acceptance.faults.play import play
from tests.acceptance.faults.runtime import running
from tests.acceptance.faults.verdict import Verdict

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes by /proc"),
]

#: A new plan for each run. ``make test-faults SEED=n`` repeats the plan of a failed run.
SEED = int(os.environ.get("FAULTS_SEED") or random.randrange(1_000_000))


def report(what: object) -> None:
    print(what)  # noqa: T201  # pytest shows it with a failure, and `make test-faults` always


@pytest.mark.timeout(900)  # a minute and a half, if the machine does nothing else
async def test_nothing_is_lost_when_every_host_is_killed_in_turn_and_everything_once(tmp_path: Path) -> None:
    report(f"\nSEED={SEED}")
    async with running(tmp_path) as runtime:
        done = await play(runtime, plan(SEED, seconds=60), schedules=200, seconds=60)
    report(done)
    verdict = done.verdict
    if verdict.faults:
        report(runtime.log())

    assert verdict.faults == []
    assert verdict.published == verdict.due >= 200 * 45
    assert done.killed["everything"] == 1
    assert min(done.killed[function] for function in ("registrar", "planner", "executor")) > 0
    # Not only idle hosts died: something had to come back from the queue.
    assert verdict.latest_ms > VISIBILITY_SECONDS * 1000 / 2


def missing(verdict: Verdict, start: int) -> set[int]:
    """The due times of the missing fires, in seconds after *start*."""
    found = [re.fullmatch(r"missing: \S+ due (\S+)", fault) for fault in verdict.faults]
    return {round(datetime.fromisoformat(one[1]).timestamp()) - start // 1000 for one in found if one}


async def test_the_verdict_notices_an_executor_that_records_too_early_and_a_planner_that_commits_too_early(
    tmp_path: Path,
) -> None:
    source = broken(tmp_path, RECORDS_BEFORE_IT_PUBLISHES, COMMITS_BEFORE_IT_SENDS)
    # The first 23 seconds of a schedule are the registrar's: only after them is the planner missed. On a busy machine
    # the first executors may not hold anything yet.
    blows = [*(Blow(at, What.EXECUTORS) for at in (3.3, 5.3, 7.3)), Blow(14.8, What.COMMITTED_PLANNER)]
    async with running(tmp_path, source=source) as runtime:
        done = await play(runtime, blows, schedules=40, seconds=50)
    report(done)
    lost = missing(done.verdict, done.start)

    assert lost & set(range(12))  # what the executors held, a lead before the due instants
    assert lost & set(range(18, 38))  # what the planner had a lease for, a horizon ahead
    assert all(fault.startswith("missing: ") for fault in done.verdict.faults)
