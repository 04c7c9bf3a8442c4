"""Schemathesis reads the OpenAPI document and tries to make the API break its word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test

from eventcron.entrypoints.rest.routes import ROUTES
from tests.rest.contract import CHECKS, DAY, document
from tests.rest.gateway import PLATFORM, Api, Application

#: A sweep. ``test_api`` and ``test_openapi`` are quick.
pytestmark = pytest.mark.slow

#: For each operation: some seconds in all.
EXAMPLES = 40

schema = document()
app = Application(PLATFORM)
schema.app = app


@settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def keeps_to_the_document(case: Case[Any]) -> None:
    """Each request meets the same few schedules."""
    api = app.api = Api()
    for name in ("n0", "n1"):
        api("PUT", f"/tenants/acme/schedules/{name}", {"expression": "0 * * * *", "revision": 10}, caller=PLATFORM)
    api("POST", "/tenants/acme/schedules/n0/backfill", DAY | {"backfill_id": "b0"}, caller=PLATFORM)

    case.call_and_validate(checks=CHECKS)


@pytest.mark.parametrize(("method", "path"), [(route.method, route.path) for route in ROUTES])
def test_the_api_keeps_to_its_document(method: str, path: str) -> None:
    # ``schema.parametrize()`` builds the same cases while tests are collected, so every worker would build all of them.
    test = build_operation_test(
        config=schema.config,
        operation=schema[path][method],
        test_func=keeps_to_the_document,
        given_kwargs={},
        feedback=FeedbackSources(),
    )
    test()
