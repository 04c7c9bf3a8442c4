"""The wall clock."""

from __future__ import annotations

import itertools

from eventcron.adapters.clock import SystemClock

MILLISECOND = 1_000_000


def test_an_instant_is_not_reached_before_its_last_nanosecond() -> None:
    readings = iter([5 * MILLISECOND - 1, 5 * MILLISECOND])
    clock = SystemClock(lambda: next(readings))

    assert [clock.now(), clock.now()] == [4, 5]


def test_it_stands_still_while_the_host_sets_its_clock_back() -> None:
    readings = iter([7, 3, 6, 8])
    clock = SystemClock(lambda: next(readings) * MILLISECOND)

    assert [clock.now() for _ in range(4)] == [7, 7, 7, 8]


async def test_it_never_wakes_early() -> None:
    clock = SystemClock()
    instants = [clock.now() + wait for wait in (0, 1, 7, 20)]

    for instant in instants:
        await clock.sleep_until(instant)
        assert clock.now() >= instant


async def test_it_sleeps_again_when_the_loop_woke_too_soon() -> None:
    """The wall clock of this host runs at a hundredth of the loop's."""
    readings = itertools.count(0, MILLISECOND // 10)
    clock = SystemClock(lambda: next(readings))

    await clock.sleep_until(2)

    assert next(readings) >= 2 * MILLISECOND


async def test_an_instant_that_has_passed_does_not_wait() -> None:
    clock = SystemClock(iter([5 * MILLISECOND]).__next__)

    await clock.sleep_until(5)
