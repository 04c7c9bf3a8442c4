"""Whose turn a command takes: the tenant that its source proves, and one turn for all strangers together."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.wire.senders import STRANGERS, group_of

PLATFORM = "platform"


def group(source: object, detail: object) -> str:
    return group_of(json.dumps({"source": source, "detail": detail}), trusted_sources=frozenset({PLATFORM}))


@pytest.mark.parametrize(
    ("source", "detail", "expected"),
    [
        pytest.param("eventcron.tenant.acme", {"tenant": "acme"}, "acme", id="a-tenant"),
        pytest.param("eventcron.tenant.acme", {"tenant": "beta"}, "acme", id="a-tenant-whoever-it-names"),
        pytest.param("eventcron.tenant.acme", "no object", "acme", id="a-tenant-whatever-it-sends"),
        pytest.param("eventcron.tenant.no name", {"tenant": "acme"}, STRANGERS, id="no-tenant"),
        pytest.param("eventcron.tenant.", {"tenant": "acme"}, STRANGERS, id="no-tenant-at-all"),
        pytest.param(PLATFORM, {"tenant": "acme"}, "acme", id="the-tenant-that-a-trusted-source-acts-for"),
        pytest.param(PLATFORM, {"tenant": "no name"}, STRANGERS, id="a-trusted-source-that-names-no-tenant"),
        pytest.param(PLATFORM, {"tenant": 1}, STRANGERS, id="a-trusted-source-that-names-a-number"),
        pytest.param(PLATFORM, {}, STRANGERS, id="a-trusted-source-that-names-nobody"),
        pytest.param("other", {"tenant": "acme"}, STRANGERS, id="a-source-that-proves-nothing"),
        pytest.param("another", {"tenant": "beta"}, STRANGERS, id="and-another-in-the-same-group"),
        pytest.param(1, {"tenant": "acme"}, STRANGERS, id="no-source"),
    ],
)
def test_a_command_is_in_the_group_of_the_tenant_that_its_source_proves(
    source: object, detail: object, expected: str
) -> None:
    assert group(source, detail) == expected


@pytest.mark.parametrize("body", ["", "no json", "[1]", "{}", "\ud800", "[" * 100_000])
def test_what_nobody_can_read_is_a_stranger_s(body: str) -> None:
    assert group_of(body, trusted_sources=frozenset()) == STRANGERS


@given(st.text(), st.none() | st.text() | st.dictionaries(st.just("tenant"), st.text()))
def test_every_group_is_one_that_sqs_takes(source: str, detail: object) -> None:
    assert re.fullmatch(r"[!-~]{1,128}", group(source, detail))
