"""What a cold start pays for: handlers import what they need and nothing else. `make bench` measures the time."""

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

#: Modules beside its own that a handler may import on top of ``NEEDED``: some of the standard library's, such as
#: ``zoneinfo``. Measured: 8.
MORE = 20


def _loaded(statement: str) -> set[str]:
    """The modules that a fresh process has after *statement*."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_imports_nothing_that_it_does_not_need(handler: str) -> None:
    loaded = _loaded(f"import eventcron.entrypoints.{handler}")
    more = {name for name in loaded - _loaded(NEEDED) if name.partition(".")[0] != "eventcron"}

    assert sorted(loaded & set(NEVER)) == []
    assert len(more) <= MORE, sorted(more)


def test_the_core_imports_neither_event_loop_nor_aws() -> None:
    loaded = _loaded("import eventcron.core.trigger, eventcron.core.planning")

    assert sorted(loaded & {"asyncio", "aiobotocore", "botocore", "aiohttp", "aws_lambda_powertools", *NEVER}) == []
