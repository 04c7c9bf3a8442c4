"""What a cold start pays for: importing a handler and opening its clients, in a fresh process.

Compared with the least that a handler with the same three clients can do: to import aiobotocore and open them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

from benchmarks.pipes import ROOT
from benchmarks.sides.process import aws_environ
from benchmarks.sides.project import environ

#: Handlers whose cold start delays a fire, and the others.
URGENT = ("planner_lambda", "executor_lambda")
OTHERS = ("registrar_lambda", "reconciler_lambda", "rest_lambda")
#: Times what the clients alone take, at most: as required, and of all others so that they do not grow.
REQUIRED = {"planner_lambda": 0.5, "executor_lambda": 0.5, "core": 0.35}
CEILING = 2.5
CLIENTS = """
import asyncio, contextlib
from aiobotocore.session import get_session
async def main():
    session = get_session()
    async with contextlib.AsyncExitStack() as exits:
        for name in ("dynamodb", "sqs", "events"):
            await exits.enter_async_context(session.create_client(name))
        print(time.process_time() - began)
asyncio.run(main())
"""
HANDLER = """
import eventcron.entrypoints.{}
from eventcron.entrypoints.process import process
async def opened(cases):
    print(time.process_time() - began)
process.run(opened)
"""
#: The core and the use cases alone.
CORE = """
import eventcron.app.planner, eventcron.app.executor
print(time.process_time() - began)
"""


def seconds(program: str) -> float:
    """Processor seconds of *program* in a fresh process."""
    url = "http://127.0.0.1:9"  # nothing is called
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    command = [sys.executable, "-c", f"import time\nbegan = time.process_time()\n{program}"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True,
        env={**os.environ, **aws_environ(url), **environ(url), "PYTHONPATH": path},
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def measure(*, rounds: int, handlers: tuple[str, ...] = URGENT + OTHERS) -> dict[str, float]:
    """The median of processor seconds by what starts: ``clients``, ``core``, and each of *handlers*."""
    programs = {"clients": CLIENTS, "core": CORE, **{name: HANDLER.format(name) for name in handlers}}
    took: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            took[name].append(seconds(program))
    return {name: median(times) for name, times in took.items()}
