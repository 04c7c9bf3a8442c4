"""Handlers import only what they need, so that a cold start is short."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Each test starts processes.
pytestmark = pytest.mark.slow

HANDLERS = ("dispatcher_lambda", "registrar_lambda", "planner_lambda", "executor_lambda")

#: Packages for the command line and the tests, and others that would only slow a cold start down.
NEVER = (
    *("boto3", "pydantic", "click", "rich", "yaml", "moto", "ministack", "samtranslator"),
    *("uvloop", "pendulum", "cronsim", "pytest", "hypothesis", "jsonschema", "eventcron.local", "eventcron.testing"),
)

#: What every handler needs: the library of the AWS clients, logs and metrics, structs.
NEEDED = "import aiobotocore.session, aiobotocore.client, aws_lambda_powertools, aws_lambda_powertools.metrics, msgspec"

#: Modules that all handlers together load beyond ``NEEDED``. ``make bench`` measures the time that they take.
CEILING = 200


#: Modules that a Lambda target loads for its decorator beyond msgspec.
CONSUMER_CEILING = 60


def _python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def _loaded(statement: str) -> set[str]:
    """Return the modules that a fresh process has loaded after *statement*."""
    return set(_python(f"import sys\n{statement}\nprint(*sys.modules)").split())


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_imports_none_of_these_packages(handler: str) -> None:
    assert sorted(_loaded(f"import eventcron.entrypoints.{handler}") & set(NEVER)) == []


def test_the_handlers_import_little_more_than_their_dependencies() -> None:
    ours = _loaded("; ".join(f"import eventcron.entrypoints.{handler}" for handler in HANDLERS))

    beyond = ours - _loaded(NEEDED)
    assert "eventcron.entrypoints.executor_lambda" in beyond
    assert len(beyond) < CEILING, sorted(beyond)


def test_what_a_lambda_target_imports_brings_neither_event_loop_nor_aws() -> None:
    """The event loop comes with the first coroutine or report, an AWS client with the first report."""
    loaded = _loaded("from eventcron import consumer; consumer.handler(once=consumer.REPEATABLE)(lambda fire: None)")

    assert sorted(loaded & {"asyncio", "aiobotocore", "botocore", "aiohttp", "aws_lambda_powertools", *NEVER}) == []
    assert len(loaded - _loaded("import msgspec")) < CONSUMER_CEILING


def test_the_pure_packages_import_neither_event_loop_nor_aws() -> None:
    loaded = _loaded("import eventcron.timing.trigger, eventcron.rules.planning")

    assert sorted(loaded & {"asyncio", "aiobotocore", "botocore", "aiohttp", "aws_lambda_powertools", *NEVER}) == []
