"""kill -9 of every Lambda host in turn, and of the whole, while 200 schedules fire every second or two."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.acceptance.faults.plan import plan
from tests.acceptance.faults.play import VISIBILITY_SECONDS, Play, running

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes by /proc"),
]

#: Another plan each time; ``FAULTS_SEED=n`` deals the blows of a run that failed once more.
SEED = int(os.environ.get("FAULTS_SEED") or random.randrange(1_000_000))


async def test_nothing_is_lost_when_every_host_is_killed_in_turn_and_the_whole_once(tmp_path: Path) -> None:
    async with running(tmp_path) as runtime:
        done = await Play(runtime, seed=SEED, seconds=60).run(200, plan(SEED, seconds=60))
    verdict = done.verdict
    print(*done.story, done.killed, verdict, sep="\n")

    assert verdict.faults == []
    assert verdict.published == verdict.due > 200 * 45
    assert done.killed["everything"] == 1
    assert min(done.killed[function] for function in ("registrar", "planner", "executor")) >= 3
    # Not only idle hosts died: something had to come back from the queue.
    assert verdict.latest_ms > VISIBILITY_SECONDS * 1000 / 2
