"""When a sweep of the reconciler begins, carries on, and gives way to another."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from eventcron.model.records import Share, Sweep
from eventcron.rules.sweeps import EVERY_MS, SHARES, daily_sweep, ended, resizing_sweep, share_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
HOUR = 3_600_000
OPEN = Sweep(
    number=7, began=NOW - HOUR, segments=64, rules="2026a", computed_by="2026a", unfinished_since=NOW - HOUR, shares=64
)
ENDED = replace(OPEN, ended=NOW - 1)
RESIZE = replace(OPEN, rules="")


@pytest.mark.parametrize(
    ("last", "rules", "segments"),
    [
        pytest.param(OPEN, "2026a", 64, id="an-open-one"),
        pytest.param(replace(OPEN, began=NOW - 30 * HOUR), "2026a", 64, id="an-open-one-of-yesterday"),
        pytest.param(replace(OPEN, computed_by="2025z"), "2026a", 64, id="an-open-one-that-computes-triggers"),
        pytest.param(RESIZE, "2026b", 64, id="a-resize-that-was-stopped"),
        pytest.param(OPEN, "2026a", 128, id="its-segments-are-still-planned"),
    ],
)
def test_an_open_sweep_is_carried_on(last: Sweep, rules: str, segments: int) -> None:
    assert daily_sweep(last, now=NOW, rules=rules, segments=segments) == last


@pytest.mark.parametrize(
    ("last", "rules", "segments", "since"),
    [
        pytest.param(None, "2026a", 64, NOW, id="the-first-one"),
        pytest.param(replace(ENDED, began=NOW - EVERY_MS), "2026a", 64, NOW, id="a-day-later"),
        pytest.param(ENDED, "2026b", 64, NOW, id="new-zone-rules"),
        pytest.param(replace(ENDED, rules=""), "2026b", 64, NOW, id="new-zone-rules-after-a-resize"),
        pytest.param(ENDED, "2026a", 32, NOW, id="fewer-segments-were-deployed"),
        pytest.param(OPEN, "2026b", 64, NOW - HOUR, id="new-zone-rules-during-a-sweep"),
        pytest.param(OPEN, "2026a", 32, NOW - HOUR, id="its-segments-are-planned-no-more"),
        pytest.param(RESIZE, "2026a", 32, NOW - HOUR, id="those-of-a-stopped-resize-are-planned-no-more"),
    ],
)
def test_a_sweep_begins(last: Sweep | None, rules: str, segments: int, since: int) -> None:
    assert daily_sweep(last, now=NOW, rules=rules, segments=segments) == Sweep(
        number=1 if last is None else last.number + 1,
        began=NOW,
        segments=segments,
        rules=rules,
        computed_by="" if last is None else last.computed_by,
        unfinished_since=since,
        shares=SHARES,
    )


@pytest.mark.parametrize(
    ("last", "segments"),
    [
        pytest.param(replace(ENDED, began=NOW - EVERY_MS + 1), 64, id="one-a-day"),
        pytest.param(ENDED, 128, id="more-segments-wait-for-a-resize-or-the-next-day"),
        pytest.param(replace(RESIZE, segments=32, ended=NOW - 1), 64, id="a-resize-to-fewer-is-not-undone-at-once"),
    ],
)
def test_no_sweep_is_due(last: Sweep, segments: int) -> None:
    assert daily_sweep(last, now=NOW, rules="2026a", segments=segments) is None


def test_hourly_runs_begin_a_sweep_at_the_same_hour_each_day() -> None:
    """Runs come a few seconds early or late."""
    last = daily_sweep(None, now=NOW, rules="2026a", segments=64)
    assert last is not None
    last = ended(last, now=NOW)
    began = []
    for hour in range(1, 24 * 7):
        now = NOW + hour * HOUR + (-3_000 if hour % 2 else 2_000) - hour
        if sweep := daily_sweep(last, now=now, rules="2026a", segments=64):
            began.append(round((now - NOW) / HOUR))
            last = ended(sweep, now=now)

    assert began == [24 * day for day in range(1, 7)]


@pytest.mark.parametrize(
    ("last", "carried_on"),
    [
        pytest.param(RESIZE, True, id="the-same-again"),
        pytest.param(None, False, id="the-first"),
        pytest.param(replace(RESIZE, segments=32), False, id="to-another-number"),
        pytest.param(replace(RESIZE, ended=NOW - 1), False, id="after-it-ended"),
        pytest.param(OPEN, False, id="while-the-deployment-checks"),
    ],
)
def test_a_resize_is_carried_on_or_begins(last: Sweep | None, *, carried_on: bool) -> None:
    sweep = resizing_sweep(last, now=NOW, segments=64)

    assert (sweep == last) is carried_on
    assert (sweep.rules, sweep.segments, sweep.ended) == ("", 64, None)


def test_only_a_sweep_that_computed_triggers_says_by_which_rules() -> None:
    assert ended(replace(OPEN, computed_by="2025z"), now=NOW).computed_by == "2026a"
    assert ended(replace(RESIZE, computed_by="2025z"), now=NOW).computed_by == "2025z"


@pytest.mark.parametrize(
    ("stored", "share"),
    [
        pytest.param(None, Share(part=3, sweep=7), id="never-read"),
        pytest.param(
            Share(part=3, sweep=6, version=9, done=True, cursor="x", lease_until=NOW + 1, unreadable=1),
            Share(part=3, sweep=7, version=9),
            id="of-an-earlier-sweep",
        ),
        pytest.param(Share(part=3, sweep=7, version=9, cursor="x"), Share(part=3, sweep=7, version=9, cursor="x")),
        pytest.param(Share(part=3, sweep=8, version=9), None, id="of-a-later-sweep"),
    ],
)
def test_a_share_counts_for_its_own_sweep(stored: Share | None, share: Share | None) -> None:
    assert share_of(OPEN, 3, stored) == share
