"""A fire is decoded by types strictly, and by fields forward-compatibly."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventcron.errors import Undecodable
from eventcron.model.fires import Fire
from eventcron.testing import fire_event
from eventcron.wire.fires import decode_fire, with_input

PUBLISHED = Path(__file__).parents[3] / "events" / "published"
FIRES = sorted(path for path in PUBLISHED.glob("*.json") if "fired" in path.stem)
OTHERS = sorted(set(PUBLISHED.glob("*.json")) - set(FIRES))


class Export(msgspec.Struct):
    report: str
    rows: int = 10


def an_event(**fields: Any) -> dict[str, Any]:
    event = fire_event("acme", "nightly", input={"report": "leads"})
    return event | {"detail": event["detail"] | fields}


@pytest.mark.parametrize("path", FIRES, ids=lambda path: path.stem)
def test_every_fire_that_eventcron_publishes_is_decoded_with_all_its_fields(path: Path) -> None:
    event = json.loads(path.read_text())

    fire = decode_fire(event)
    detail = event["detail"]

    assert decode_fire(json.dumps(event)) == fire
    assert {name: getattr(fire, name) for name in detail if name not in {"due", "local_time"}} == {
        name: value for name, value in detail.items() if name not in {"due", "local_time"}
    }
    assert fire.due == datetime.fromisoformat(detail["due"])
    assert fire.local_time == fire.due
    assert fire.detail_type == event["detail-type"]
    assert fire.tracked == ("run_token" in detail)


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_no_other_event_is_a_fire(path: Path) -> None:
    with pytest.raises(Undecodable):
        decode_fire(path.read_text())


def test_instants_are_aware_and_the_local_one_keeps_its_offset() -> None:
    fire = decode_fire(an_event(local_time="2026-12-01T02:00:00.000+01:00"))

    assert fire.due == datetime(2026, 12, 1, 1, tzinfo=UTC)
    assert fire.local_time.utcoffset() == timedelta(hours=1)


def test_what_a_later_release_adds_is_left_out() -> None:
    event = an_event(cause="replay", mood="good") | {"weight": 3}

    fire = decode_fire(event)

    assert fire.cause == "replay"


def test_what_an_earlier_release_lacked_has_its_default() -> None:
    event = an_event()
    del event["detail"]["priority"], event["detail"]["labels"]

    fire = decode_fire(event)

    assert (fire.priority, fire.labels, fire.route, fire.run_token) == (5, {}, None, None)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("", "Input data was truncated"),
        (b"\xff", "malformed"),
        ("\ud800", "surrogates"),
        ("[" * 100_000, ""),
        ([], "Expected `object`, got `array`"),
        (an_event()["detail"], "the rule has to hand on the whole event"),
        (an_event(due="tomorrow"), "$.detail.due"),
        (an_event(due="2026-12-01T01:00:00"), "timezone"),
        (an_event(fire_id=7), "Expected `str`, got `int` - at `$.detail.fire_id`"),
        (an_event(tenant=""), "length >= 1"),
        (an_event() | {"source": "eventcron.tenant.acme"}, "its source is 'eventcron.tenant.acme'"),
        (an_event() | {"source": "eventcron.fires.other"}, "its source is 'eventcron.fires.other'"),
    ],
)
def test_what_is_no_fire_is_refused_with_the_reason(event: Any, reason: str) -> None:
    with pytest.raises(Undecodable, match=r"^not a fire: ") as refused:
        decode_fire(event)

    assert reason in refused.value.reason


def test_the_source_may_name_the_fires_own_tenant() -> None:
    assert decode_fire(an_event() | {"source": "eventcron.fires.acme"}).tenant == "acme"


def test_the_input_becomes_the_type_that_is_asked_for() -> None:
    fire: Fire[Export] = with_input(decode_fire(an_event()), Export)

    assert fire.input == Export(report="leads", rows=10)
    assert decode_fire(an_event()).input == {"report": "leads"}


def test_an_input_of_another_type_is_refused_with_the_field() -> None:
    with pytest.raises(Undecodable, match=r"^the input of acme/nightly does not fit: .*`\$.rows`"):
        with_input(decode_fire(fire_event("acme", "nightly", input={"report": "leads", "rows": "many"})), Export)


def test_the_token_is_in_no_text() -> None:
    fire = decode_fire(an_event(run_token="secret"))

    assert "secret" not in f"{fire} {fire!r} {[fire]}"
    assert "run_token='***'" in repr(fire)
    assert "run_token=None" in repr(decode_fire(an_event()))
