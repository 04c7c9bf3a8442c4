"""Handlers import only what they need, so that a cold start is short."""

from __future__ import annotations

import subprocess
import sys

import pytest

HANDLERS = ("registrar_lambda", "planner_lambda", "executor_lambda")

#: Packages for the command line and the tests, and others that would only slow a cold start down.
NEVER = (
    *("boto3", "pydantic", "click", "rich", "yaml", "moto", "ministack", "samtranslator"),
    *("uvloop", "pendulum", "cronsim", "pytest", "hypothesis", "jsonschema", "eventcron.local", "eventcron.testing"),
)

#: What every handler needs: the library of the AWS clients, logs and metrics, structs.
NEEDED = "import aiobotocore.session, aiobotocore.client, aws_lambda_powertools, aws_lambda_powertools.metrics, msgspec"

#: Importing the handlers may take this many times as long as importing ``NEEDED``. Measured: 1.3.
CEILING = 2.0


def _python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def _seconds(statement: str) -> float:
    """Return the seconds that *statement* takes in a fresh process, the best of three runs."""
    program = f"import time; began = time.perf_counter()\n{statement}\nprint(time.perf_counter() - began)"
    return min(float(_python(program)) for _ in range(3))


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_imports_none_of_these_packages(handler: str) -> None:
    program = f"import sys, eventcron.entrypoints.{handler}\nprint(*sys.modules)"
    loaded = set(_python(program).split())

    assert sorted(loaded & set(NEVER)) == []


def test_importing_the_handlers_takes_little_longer_than_their_dependencies() -> None:
    needed = _seconds(NEEDED)
    ours = _seconds("; ".join(f"import eventcron.entrypoints.{handler}" for handler in HANDLERS))

    assert ours < needed * CEILING, f"{ours * 1000:.0f} ms, where its dependencies take {needed * 1000:.0f} ms"


def test_timing_and_rules_import_neither_an_event_loop_nor_aws() -> None:
    program = "import sys, eventcron.timing.trigger, eventcron.rules.planning\nprint(*sys.modules)"
    loaded = set(_python(program).split())

    assert sorted(loaded & {"asyncio", "aiobotocore", "botocore", "aiohttp", "aws_lambda_powertools", *NEVER}) == []
