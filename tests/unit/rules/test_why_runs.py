"""What the lanes of runs tell about a tracked fire, and about a report that was expected."""

from __future__ import annotations

from typing import Any

import pytest

from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Key
from eventcron.model.runs import NOT_PUBLISHED, Lane, LaneKey, OpenRun, Outage, PastRun, Skipped
from eventcron.model.tracking import RunEnd
from eventcron.model.why import Because
from eventcron.rules.runs import ALLOWANCE_MS
from eventcron.rules.why_runs import STILL_OPEN, LaneAnswer, expected_says, lane_answer, lanes_of
from eventcron.wire.encode import fire_id

AT = 1_796_112_000_000  # 2026-12-01T08:00:00Z
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
KEY = Key("acme", "report")


def fire(due: Instant = AT, *, revision: int = 7) -> Fire:
    return Fire("acme", "report", revision, due, due)


def lane(**fields: Any) -> Lane:
    return Lane(tenant="acme", name="report", secret="s", **fields)


def open_run(due: Instant = AT) -> OpenRun:
    return OpenRun(fire(due), fire_id(fire(due)), due + 2 * SECOND, due + HOUR)


def past(end: RunEnd, *, due: Instant = AT, by: str = "e1") -> PastRun:
    return PastRun(fire(due), fire_id(fire(due)), due, due + HOUR, end, due + 5 * MINUTE, by)


def test_a_run_is_in_the_lane_of_its_schedule_or_in_one_of_its_own() -> None:
    """A lane is named by its fire, whatever revision that is of."""
    assert lanes_of(KEY, [AT, AT + HOUR]) == [
        LaneKey("acme", "report"),
        LaneKey("acme", "report", fire_id(fire())),
        LaneKey("acme", "report", fire_id(fire(AT + HOUR, revision=8))),
    ]


@pytest.mark.parametrize(
    ("known", "answer"),
    [
        pytest.param(
            lane(open=open_run()),
            (
                Because.FIRED,
                "it fired; its run is open since 2026-12-01T08:00:02Z, and overdue at 2026-12-01T09:00:00Z",
                True,
            ),
            id="open",
        ),
        pytest.param(
            lane(past=(past(RunEnd.SUCCEEDED),)),
            (Because.FIRED, "it fired; its run succeeded, at 2026-12-01T08:05:00Z", True),
            id="succeeded",
        ),
        pytest.param(
            lane(past=(past(RunEnd.OVERDUE),)),
            (Because.FIRED, "it fired; its run did not end in time, at 2026-12-01T08:05:00Z", True),
            id="overdue",
        ),
        pytest.param(
            lane(past=(past(RunEnd.FAILED, by=NOT_PUBLISHED),)),
            (
                Because.DEAD_LETTER,
                "it could not be published: the bus refused it for good, at 2026-12-01T08:05:00Z",
                False,
            ),
            id="never-published",
        ),
        pytest.param(
            lane(open=open_run(AT - HOUR), waiting=fire()),
            (
                Because.OVERLAP,
                "it waits for the open run to end, overdue at 2026-12-01T08:00:00Z: `overlap` is `queue_one`",
                None,
            ),
            id="waiting",
        ),
        pytest.param(
            lane(waiting=fire()),
            (Because.OVERLAP, "it waits for the open run to end: `overlap` is `queue_one`", None),
            id="waiting-while-it-is-sent-again",
        ),
        pytest.param(
            lane(skipped=(Skipped(fire_id(fire()), "another", AT),)),
            (Because.OVERLAP, f"it was skipped: {STILL_OPEN}", False),
            id="skipped",
        ),
    ],
)
def test_a_lane_tells_what_became_of_its_fire_and_nothing_of_another_instant(
    known: Lane, answer: tuple[Because, str, bool | None]
) -> None:
    assert lane_answer([lane(), known], KEY, AT) == LaneAnswer(*answer)
    assert lane_answer([known], KEY, AT + 1) is None


def test_a_fire_that_was_sent_back_is_answered_by_its_latest_run() -> None:
    refused, succeeded = past(RunEnd.FAILED, by=NOT_PUBLISHED), past(RunEnd.SUCCEEDED)

    again = lane_answer([lane(past=(refused, succeeded))], KEY, AT)
    running = lane_answer([lane(past=(refused,), open=open_run())], KEY, AT)

    assert again is not None
    assert running is not None
    assert (again.because, running.because) == (Because.FIRED, Because.FIRED)
    assert lane_answer([], KEY, AT) is None


#: A report was to come by 08:10.
EXPECTED = "it fires nothing: it expects a report by 2026-12-01T08:10:00Z"
OUTAGE = Outage(fire(AT - HOUR), AT - HOUR)


@pytest.mark.parametrize(
    ("known", "now", "says"),
    [
        pytest.param(lane(), AT + 10 * MINUTE - 1, "", id="it-may-still-come"),
        pytest.param(
            lane(),
            AT + 10 * MINUTE,
            "; what became of that is kept for two hours, or as `Run Overdue` in a history",
            id="nobody-knows-any-more",
        ),
        pytest.param(
            lane(past=(past(RunEnd.OVERDUE),), beats=(AT + HOUR,)),
            AT + 2 * HOUR,
            "; none came, and `Run Overdue` said so",
            id="none-came",
        ),
        pytest.param(
            lane(outage=OUTAGE),
            AT + HOUR,
            "; it is silent or failed since 2026-12-01T07:00:00Z, which is said once",
            id="it-was-silent-before",
        ),
        pytest.param(
            lane(beats=(AT - 2 * HOUR, AT - ALLOWANCE_MS)),
            AT + HOUR,
            "; the latest was sent at 2026-12-01T07:59:55Z",
            id="it-came-a-little-early-as-clocks-differ",
        ),
        pytest.param(lane(beats=(AT - ALLOWANCE_MS - 1,)), AT, "", id="that-was-of-the-instant-before"),
        pytest.param(lane(outage=Outage(fire(), AT)), AT, "", id="an-outage-that-begins-with-it"),
    ],
)
def test_what_became_of_an_expected_report_is_told_from_the_lane(known: Lane, now: Instant, says: str) -> None:
    assert expected_says([known], AT, 600, now=now) == EXPECTED + says
