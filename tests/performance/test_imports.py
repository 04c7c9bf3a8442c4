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

#: Modules that all handlers together load beyond ``NEEDED``. Measured: see ``make bench`` for what that costs.
CEILING = 200


def _python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def _loaded(statement: str) -> set[str]:
    """The modules of a fresh process after *statement*."""
    return set(_python(f"import sys\n{statement}\nprint(*sys.modules)").split())


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_imports_nothing_that_it_does_not_need(handler: str) -> None:
    assert sorted(_loaded(f"import eventcron.entrypoints.{handler}") & set(NEVER)) == []


def test_the_handlers_import_little_more_than_their_dependencies() -> None:
    ours = _loaded("; ".join(f"import eventcron.entrypoints.{handler}" for handler in HANDLERS))

    beyond = ours - _loaded(NEEDED)
    assert "eventcron.entrypoints.executor_lambda" in beyond
    assert len(beyond) < CEILING, sorted(beyond)


def test_the_pure_packages_import_neither_event_loop_nor_aws() -> None:
    loaded = _loaded("import eventcron.timing.trigger, eventcron.rules.planning")

    assert sorted(loaded & {"asyncio", "aiobotocore", "botocore", "aiohttp", "aws_lambda_powertools", *NEVER}) == []
