"""Schemathesis reads the OpenAPI document and tries to make the API break its word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case

from tests.rest.contract import CHECKS, DAY, document
from tests.rest.gateway import PLATFORM, Api, Application

#: A sweep. ``test_api`` and ``test_openapi`` are quick.
pytestmark = pytest.mark.slow

#: For each operation: some seconds in all.
EXAMPLES = 40

schema = document()
app = Application(PLATFORM)
schema.app = app


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_api_keeps_to_its_document(case: Case[Any]) -> None:
    """Each request meets the same few schedules."""
    api = app.api = Api()
    for name in ("n0", "n1"):
        api("PUT", f"/tenants/acme/schedules/{name}", {"expression": "0 * * * *", "revision": 10}, caller=PLATFORM)
    api("POST", "/tenants/acme/schedules/n0/backfill", DAY | {"backfill_id": "b0"}, caller=PLATFORM)

    case.call_and_validate(checks=CHECKS)
