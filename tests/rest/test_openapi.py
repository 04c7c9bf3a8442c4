"""The OpenAPI document: generated, checked in, served."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from eventcron.entrypoints.rest import openapi, routes
from tests.rest.gateway import ACME, OTHER, Api

DOCUMENT: dict[str, Any] = json.loads(routes.DOCUMENT.read_text(encoding="utf-8"))


def test_the_document_is_what_the_routes_and_structs_make() -> None:
    assert routes.DOCUMENT.read_text(encoding="utf-8") == openapi.text(), "make schemas"


@pytest.mark.parametrize("caller", [ACME, OTHER])
def test_it_is_served_to_every_caller(api: Api, caller: str) -> None:
    answer = api("GET", "/openapi.json", caller=caller)

    assert (answer.status, answer.body) == (200, DOCUMENT)


def test_it_has_every_route_once() -> None:
    operations = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]
    ids = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]

    assert sorted(operations) == sorted((route.method, route.path) for route in routes.ROUTES)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_is_one_and_says_what_it_is(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]

    Draft202012Validator.check_schema(schema)
    assert schema.get("description") or name == "MisfirePolicy"


def test_every_reference_leads_somewhere() -> None:
    references = {
        line.split('"')[3] for line in routes.DOCUMENT.read_text(encoding="utf-8").splitlines() if '"$ref"' in line
    }

    assert references <= {openapi.REFERENCE.format(name=name) for name in DOCUMENT["components"]["schemas"]}


def test_a_body_may_leave_out_what_its_path_says() -> None:
    assert DOCUMENT["components"]["schemas"]["Schedule"]["required"] == ["expression"]
    assert DOCUMENT["components"]["schemas"]["PauseSchedule"]["required"] == []
