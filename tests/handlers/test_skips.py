"""What the functions log of each occurrence that will not fire: whose it is, why, and when it was due."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventcron.rules.packing import make_pack
from eventcron.timing.instant import rfc3339
from eventcron.wire.encode import encode_pack
from tests.handlers.test_handlers import NOW, Stack, executor, fire_of, planner, put, registrar, sqs


@pytest.fixture(name="stack")
def _stack() -> Stack:
    return Stack()


def skip_lines(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    lines = [vars(record) for record in caplog.records if record.message == "fire_skipped"]
    return [(line["levelname"], line["schedule"], line["reason"], line["due"], line["by"]) for line in lines]


def test_the_executor_names_each_fire_it_skips_with_schedule_reason_and_due(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    registrar(stack, sqs(put("late"), put("punctual")))
    stack.clock.instant += 2 * 86_400_000
    pack = encode_pack(make_pack([fire_of("late", due=NOW + 60_000)]))

    executor(stack, sqs(pack))

    assert skip_lines(caplog) == [("WARNING", "acme/late", "misfire", rfc3339(NOW + 60_000), None)]


def test_a_pack_of_many_skips_names_twenty_and_counts_the_others(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    stack.change(tenant_fires_per_minute=1)
    registrar(stack, sqs(*(put(f"n{number}") for number in range(30))))
    stack.clock.instant += 60_000
    pack = encode_pack(make_pack([fire_of(f"n{number}", due=NOW + 60_000) for number in range(30)]))

    executor(stack, sqs(pack))

    assert len(skip_lines(caplog)) == 20
    assert {(reason, by) for _, _, reason, _, by in skip_lines(caplog)} == {("quota", "1 fires a minute")}
    (left,) = (vars(record) for record in caplog.records if record.message == "more_fires_skipped")
    assert left["count"] == 30 - 1 - 20


def test_the_planner_names_what_it_skips(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    registrar(stack, sqs(put("excluded", exclude=["2026-12-01"]), put("other")))
    caplog.clear()
    stack.clock.instant += 3_600_000

    planner(stack, {"source": "aws.events"})

    names = sorted((level, schedule, reason, by) for level, schedule, reason, _, by in skip_lines(caplog))
    assert names == [
        ("INFO", "acme/excluded", "excluded", "2026-12-01"),
        ("INFO", "acme/other", "misfire", None),  # all but the latest, an hour late
    ]


def test_the_registrar_names_what_a_command_leaves_without_a_fire(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    registrar(stack, sqs(put("excluded", exclude=["2026-12-01"])))

    names = {(level, schedule, reason, by) for level, schedule, reason, _, by in skip_lines(caplog)}
    assert names == {("INFO", "acme/excluded", "excluded", "2026-12-01")}


def test_a_backfill_names_what_it_skips(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    registrar(stack, sqs(put("nightly", "0 2 * * *", exclude=["2026-11-02"])))
    span = {"from": "2026-11-01T00:00:00Z", "until": "2026-11-05T00:00:00Z", "backfill_id": "november"}
    command = json.loads(put("nightly")) | {"id": "b", "detail-type": "Backfill Schedule"}
    command["detail"] = {"tenant": "acme", "name": "nightly", **span}
    registrar(stack, sqs(json.dumps(command)))
    caplog.clear()

    planner(stack, {"source": "aws.events"})

    assert skip_lines(caplog) == [("INFO", "acme/nightly", "excluded", "2026-11-02T02:00:00.000Z", "2026-11-02")]
