"""What a worker decides about one message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.rules.jobs import FIRST_WAIT_S, LONGEST_WAIT_S, Filter, JobEnd, is_last, seconds_until_next
from eventcron.testing import fire_event
from eventcron.wire.fires import decode_fire

FIRE = decode_fire(fire_event("acme", "nightly-export", route="eu", detail_type="Export Due"))


@pytest.mark.parametrize(
    ("filter_", "matches"),
    [
        (Filter(), True),
        (Filter(name="nightly-*"), True),
        (Filter(name="nightly-export"), True),
        (Filter(name="nightly"), False),
        (Filter(name="Nightly-*"), False),
        (Filter(name="nightly-[d-f]*"), True),
        (Filter(tenant="acme"), True),
        (Filter(tenant="acme*"), False),
        (Filter(route="eu"), True),
        (Filter(route="us"), False),
        (Filter(detail_type="Export Due", name="nightly-*"), True),
        (Filter(detail_type="Schedule Fired", name="nightly-*"), False),
    ],
)
def test_a_filter_matches_names_as_globs_and_the_rest_exactly(filter_: Filter, matches: bool) -> None:
    assert filter_.matches(FIRE) is matches


def test_the_queue_gives_up_after_as_many_receives_as_its_policy_says() -> None:
    assert [is_last(receives, 3) for receives in (1, 2, 3, 4)] == [False, False, True, True]
    assert not is_last(1_000, None)


@given(receives=st.integers(1, 10_000), jitter=st.floats(0, 1, exclude_max=True))
def test_a_failed_job_waits_longer_each_time_and_never_beyond_the_longest_wait(receives: int, jitter: float) -> None:
    seconds = seconds_until_next(JobEnd.FAILED, receives=receives, max_receives=None, jitter=jitter)

    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (receives - 1))
    assert longest // 2 <= seconds <= longest


@pytest.mark.parametrize("end", [end for end in JobEnd if not end.is_done])
def test_what_the_queue_gives_up_goes_to_its_dead_letter_queue_at_once(end: JobEnd) -> None:
    assert seconds_until_next(end, receives=5, max_receives=5, jitter=0.5) == 0


def test_a_stopped_job_goes_to_another_worker_at_once() -> None:
    assert seconds_until_next(JobEnd.STOPPED, receives=1, max_receives=5, jitter=0.5) == 0
    assert seconds_until_next(JobEnd.BUSY, receives=1, max_receives=5, jitter=0.5) > 0


def test_only_finished_work_is_deleted() -> None:
    assert {end for end in JobEnd if end.is_done} == {JobEnd.SUCCEEDED, JobEnd.REPEATED}
