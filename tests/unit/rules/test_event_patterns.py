"""Which patterns match nothing that a deployment's bus carries."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.rules.event_patterns import OnBus, why_nothing

BUS = OnBus(
    sources=("eventcron", "com.example"),
    prefixes=("eventcron.tenant.",),
    account="123456789012",
    region="eu-north-1",
)
PER_TENANT = OnBus(
    sources=("eventcron",), prefixes=("eventcron.tenant.", "eventcron.fires."), account="1", region="eu-north-1"
)


@pytest.mark.parametrize(
    ("pattern", "bus"),
    [
        pytest.param({"source": ["eventcron"]}, BUS, id="source"),
        pytest.param({"source": ["com.example"]}, BUS, id="trusted-source"),
        pytest.param({"source": ["eventcron.tenant.acme"]}, BUS, id="commands"),
        pytest.param({"source": ["eventcron.fires.acme"]}, PER_TENANT, id="fires-of-a-tenant"),
        pytest.param({"source": [{"prefix": "event"}]}, BUS, id="prefix"),
        pytest.param({"source": [{"prefix": "eventcron.fires."}]}, PER_TENANT, id="prefix-of-fires"),
        pytest.param({"source": [{"prefix": "eventcron.fires.acme"}]}, PER_TENANT, id="longer-prefix"),
        pytest.param({"source": [{"anything-but": "eventcron"}]}, BUS, id="anything-but"),
        pytest.param({"source": ["nobody", "eventcron"]}, BUS, id="one-of-two"),
        pytest.param({"detail-type": ["Schedule Fired"]}, BUS, id="detail-type"),
        pytest.param({"detail-type": ["Nightly Export Due"]}, BUS, id="detail-type-of-a-schedule"),
        pytest.param({"detail-type": [{"prefix": "Schedule"}]}, BUS, id="detail-type-prefix"),
        pytest.param({"account": ["123456789012"], "region": ["eu-north-1"]}, BUS, id="account"),
        pytest.param({"replay-name": [{"exists": False}]}, BUS, id="no-replay"),
        pytest.param({"colour": [{"exists": False}]}, BUS, id="absent-field"),
        pytest.param({"detail": {"input": {"kind": ["report"]}, "tenant": ["acme"]}}, BUS, id="input"),
        pytest.param({"detail": {"kind": [{"exists": False}]}}, BUS, id="absent-field-of-detail"),
        pytest.param({"$or": [{"source": ["nobody"]}, {"source": ["eventcron"]}]}, BUS, id="or"),
    ],
)
def test_a_pattern_that_may_match_is_not_complained_of(pattern: dict[str, Any], bus: OnBus) -> None:
    assert why_nothing(json.dumps(pattern), bus) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ({"source": ["eventcorn"]}, 'no event has source "eventcorn"; it is "eventcron" or'),
        ({"source": [None]}, "no event has source null"),
        ({"source": [{"prefix": "eventcron.fires."}]}, 'no event has source {"prefix": "eventcron.fires."}'),
        ({"source": [{"exists": False}]}, "no event has source"),
        ({"detail-type": ["Schedule fired"]}, 'it is spelt "Schedule Fired"'),
        ({"detail-type": ["ScheduleSkipped"]}, 'it is spelt "Schedule Skipped"'),
        ({"account": ["210987654321"]}, 'no event has account "210987654321"; this bus is in 123456789012'),
        ({"region": ["us-east-1"]}, 'no event has region "us-east-1"; this bus is in eu-north-1'),
        ({"detailtype": ["Schedule Fired"]}, 'no event has a field "detailtype"'),
        ({"detail": {"kind": ["report"]}}, 'no event has a field "detail.kind"; what a schedule carries is in'),
        ({"$or": [{"source": ["nobody"]}, {"source": ["no one"]}]}, 'no event has source "nobody"'),
        ([], "the pattern is no object"),
    ],
    ids=str,
)
def test_a_pattern_that_cannot_match_says_why(pattern: Any, reason: str) -> None:
    assert reason in str(why_nothing(json.dumps(pattern), BUS))


def test_text_that_is_no_json_matches_nothing() -> None:
    assert why_nothing("{", BUS) == "the pattern is not JSON"


def test_events_of_aws_have_a_shape_of_their_own() -> None:
    result = json.dumps(
        {"source": ["lambda"], "$or": [{"detail": {"requestPayload": {"run_token": [{"exists": True}]}}}]}
    )

    assert why_nothing(result, replace(BUS, others=("lambda",))) is None
    assert why_nothing(result, BUS) is not None
