"""What a cold start pays for: handlers import what they need and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

HANDLERS = ("registrar_lambda", "planner_lambda", "executor_lambda")

#: For the command and the tests only, or seconds of a cold start that buy nothing.
NEVER = (
    *("boto3", "pydantic", "click", "rich", "yaml", "moto", "ministack", "samtranslator"),
    *("uvloop", "pendulum", "cronsim", "pytest", "hypothesis", "jsonschema", "eventcron.local", "eventcron.testing"),
)

#: What a handler cannot do without: the clients' library, logs and metrics, structs.
NEEDED = "import aiobotocore.session, aiobotocore.client, aws_lambda_powertools, aws_lambda_powertools.metrics, msgspec"

#: The handlers may take this much of what importing ``NEEDED`` takes. Measured: 1.3; the rest is for a busy machine.
CEILING = 2.0


def _python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def _seconds(statement: str) -> float:
    """How long *statement* takes in a fresh process, at best of three."""
    program = f"import time; began = time.perf_counter()\n{statement}\nprint(time.perf_counter() - began)"
    return min(float(_python(program)) for _ in range(3))


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_imports_nothing_that_it_does_not_need(handler: str) -> None:
    program = f"import sys, eventcron.entrypoints.{handler}\nprint(*sys.modules)"
    loaded = set(_python(program).split())

    assert sorted(loaded & set(NEVER)) == []


def test_a_handler_imports_in_little_more_time_than_its_dependencies() -> None:
    needed = _seconds(NEEDED)
    ours = _seconds("; ".join(f"import eventcron.entrypoints.{handler}" for handler in HANDLERS))

    assert ours < needed * CEILING, f"{ours * 1000:.0f} ms, where its dependencies take {needed * 1000:.0f} ms"


def test_the_core_imports_neither_event_loop_nor_aws() -> None:
    program = "import sys, eventcron.timing.trigger, eventcron.rules.planning\nprint(*sys.modules)"
    loaded = set(_python(program).split())

    assert sorted(loaded & {"asyncio", "aiobotocore", "botocore", "aiohttp", "aws_lambda_powertools", *NEVER}) == []
