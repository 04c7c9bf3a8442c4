"""What every ``Leases`` promises."""

from __future__ import annotations

import asyncio
import random

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryLeases
from eventcron.model.names import Instant
from eventcron.ports import Lease, Leases, SegmentState
from tests.contract.conftest import Backend

LEASE_UNTIL = 1_060
NOW = 1_000
LATER = 2_000


@pytest.fixture(name="leases")
async def _leases(backend: Backend) -> Leases:
    return await backend.leases()


async def acquired(leases: Leases, *, end: Instant, now: Instant = NOW, segment: int = 0) -> Lease:
    """A lease of 60 ms, which has to be granted."""
    lease = await leases.acquire(segment, end=end, now=now, lease_until=now + 60)
    assert lease is not None
    return lease


async def test_a_lease_is_held_until_it_ends_or_is_fenced_off(leases: Leases) -> None:
    first = await acquired(leases, end=5_000)
    assert await leases.holds(first)
    second = await acquired(leases, end=5_000, now=LATER)
    assert (await leases.holds(first), await leases.holds(second)) == (False, True)
    await leases.release(second)
    assert not await leases.holds(second)


async def test_the_first_lease_starts_at_the_beginning_of_time(leases: Leases) -> None:
    assert await leases.acquire(3, end=5_000, now=NOW, lease_until=LEASE_UNTIL) == Lease(
        segment=3, start=0, end=5_000, fence=1, lease_until=LEASE_UNTIL
    )


async def test_a_live_lease_keeps_others_out_of_its_segment_only(leases: Leases) -> None:
    await acquired(leases, end=5_000)

    assert await leases.acquire(0, end=6_000, now=LEASE_UNTIL - 1, lease_until=LATER) is None
    assert await leases.acquire(1, end=6_000, now=NOW, lease_until=LEASE_UNTIL) is not None
    assert await leases.acquire(0, end=6_000, now=LEASE_UNTIL, lease_until=LATER) is not None


async def test_a_lease_that_no_invocation_can_have_is_of_a_clock_ahead_and_keeps_nobody_out(leases: Leases) -> None:
    day = 86_400_000
    assert await leases.acquire(0, end=5_000, now=NOW + day, lease_until=NOW + day + 60) is not None

    taken = await acquired(leases, end=6_000)

    assert (taken.start, taken.end) == (0, 6_000)


async def test_windows_meet(leases: Leases) -> None:
    assert await leases.commit(await acquired(leases, end=5_000))

    following = await acquired(leases, end=6_000)

    assert (following.start, following.end, following.cursor) == (5_000, 6_000, None)


async def test_a_released_window_is_planned_again_whole(leases: Leases) -> None:
    await leases.commit(await acquired(leases, end=5_000))
    assert await leases.release(await acquired(leases, end=6_000))

    again = await acquired(leases, end=7_000)

    assert (again.start, again.end, again.cursor) == (5_000, 7_000, None)


async def test_a_crashed_window_does_not_shrink(leases: Leases) -> None:
    await acquired(leases, end=5_000)

    again = await acquired(leases, end=4_000, now=LATER)

    assert (again.start, again.end) == (0, 5_000)


async def test_a_saved_pass_is_resumed_at_its_page_and_keeps_its_end(leases: Leases) -> None:
    assert await leases.save(await acquired(leases, end=5_000), "page 2")

    resumed = await acquired(leases, end=9_000)

    assert (resumed.start, resumed.end, resumed.cursor) == (0, 5_000, "page 2")


async def test_a_resumed_pass_that_crashes_is_resumed_at_the_same_page(leases: Leases) -> None:
    await leases.save(await acquired(leases, end=5_000), "page 2")
    await acquired(leases, end=9_000)

    resumed = await acquired(leases, end=9_000, now=LATER)

    assert (resumed.start, resumed.end, resumed.cursor) == (0, 5_000, "page 2")


async def test_commit_and_release_forget_the_page(leases: Leases) -> None:
    await leases.save(await acquired(leases, end=5_000), "page 2")
    await leases.release(await acquired(leases, end=5_000))
    assert (await acquired(leases, end=6_000)).cursor is None

    await leases.save(await acquired(leases, end=6_000, now=LATER), "page 3")
    await leases.commit(await acquired(leases, end=6_000, now=LATER))
    assert (await acquired(leases, end=7_000, now=LATER)).cursor is None


async def test_where_nothing_is_left_to_plan_nothing_is_held(leases: Leases) -> None:
    await leases.commit(await acquired(leases, end=5_000))

    idle = await acquired(leases, end=4_000)

    assert idle.start >= idle.end
    assert (await acquired(leases, end=5_000)).start == 5_000
    assert (await acquired(leases, end=6_000)).end == 6_000


async def test_ending_an_empty_lease_moves_nothing(leases: Leases) -> None:
    await leases.commit(await acquired(leases, end=5_000))
    states = await leases.segments(1)

    await leases.commit(await acquired(leases, end=4_000))
    await leases.release(await acquired(leases, end=4_000))
    await leases.save(await acquired(leases, end=4_000), "page 2")

    assert await leases.segments(1) == states
    assert (await acquired(leases, end=6_000)).cursor is None


async def test_a_commit_may_be_repeated_and_nothing_undoes_it(leases: Leases) -> None:
    lease = await acquired(leases, end=5_000)

    assert await leases.commit(lease)
    assert await leases.commit(lease)
    assert not await leases.save(lease, "page 2")
    assert not await leases.release(lease)

    following = await acquired(leases, end=6_000)
    assert (following.start, following.cursor) == (5_000, None)


@pytest.mark.parametrize("how", ["save", "commit", "release"])
async def test_a_lease_given_up_says_whether_its_index_is_lagging(leases: Leases, how: str) -> None:
    async def end(lease: Lease) -> bool:
        if how == "save":
            return await leases.save(lease, "page 2")
        return await (leases.commit(lease) if how == "commit" else leases.release(lease))

    first = await acquired(leases, end=5_000)
    assert not first.lagging
    assert await end(replace(first, lagging=True))

    second = await acquired(leases, end=6_000)
    assert second.lagging
    assert await end(replace(second, lagging=False))

    assert not (await acquired(leases, end=7_000)).lagging


async def test_a_commit_repeated_after_a_lost_answer_leaves_its_segment_as_before(leases: Leases) -> None:
    lease = replace(await acquired(leases, end=5_000), lagging=True)

    assert await leases.commit(lease)
    assert await leases.commit(lease)

    assert (await acquired(leases, end=6_000)).lagging


async def test_a_lease_that_nobody_gave_up_leaves_its_index_lagging(leases: Leases) -> None:
    """Its planner may have made schedules dense until it died, or until another clock took its lease."""
    await acquired(leases, end=5_000)

    assert (await acquired(leases, end=6_000, now=LATER)).lagging


async def test_a_commit_of_a_part_claims_nothing_of_the_rest(leases: Leases) -> None:
    """Else the segment would be held, for as long as a clock ahead says."""
    lease = await leases.acquire(0, end=9_000, now=NOW + 60_000, lease_until=NOW + 120_000)
    assert lease is not None
    assert await leases.commit(replace(lease, end=5_000))

    following = await leases.acquire(0, end=6_000, now=NOW, lease_until=LEASE_UNTIL)

    assert following is not None
    assert (following.start, following.end) == (5_000, 6_000)


async def test_a_released_lease_cannot_commit(leases: Leases) -> None:
    lease = await acquired(leases, end=5_000)
    await leases.release(lease)

    assert not await leases.commit(lease)
    assert (await acquired(leases, end=5_000)).start == 0


async def test_a_slow_twin_is_fenced_off(leases: Leases) -> None:
    slow = await acquired(leases, end=5_000)
    quick = await acquired(leases, end=5_000, now=LATER)

    assert quick.fence > slow.fence
    assert not await leases.save(slow, "page 2")
    assert not await leases.release(slow)
    assert not await leases.commit(slow)
    assert await leases.acquire(0, end=5_000, now=LATER, lease_until=LATER + 60) is None
    assert await leases.commit(quick)


async def test_an_expired_lease_nobody_took_over_may_still_commit(leases: Leases) -> None:
    slow = await acquired(leases, end=5_000)

    assert await leases.commit(slow)
    assert (await acquired(leases, end=6_000, now=LATER)).start == 5_000


async def test_one_of_many_leases_at_once_wins(leases: Leases) -> None:
    held = await asyncio.gather(
        *(leases.acquire(0, end=5_000, now=NOW, lease_until=LEASE_UNTIL) for _ in range(12)),
    )

    assert sum(lease is not None for lease in held) == 1


async def test_segments_tells_of_each_in_order(leases: Leases) -> None:
    await leases.commit(await acquired(leases, end=5_000, segment=1))
    await acquired(leases, end=6_000, segment=1)
    await acquired(leases, end=7_000, segment=119)

    states = await leases.segments(120)

    assert [state.segment for state in states] == list(range(120))
    assert states[0] == SegmentState(segment=0)
    assert states[1] == SegmentState(
        segment=1, planned_through=5_000, claimed_through=6_000, lease_until=LEASE_UNTIL, fence=2
    )
    assert states[119] == SegmentState(segment=119, claimed_through=7_000, lease_until=LEASE_UNTIL, fence=1)


@pytest.mark.parametrize("seed", range(8))
async def test_it_agrees_with_memory_whatever_is_done(leases: Leases, seed: int) -> None:
    chance = random.Random(seed)
    model = MemoryLeases()
    held: list[Lease] = []
    now = NOW
    for _ in range(40):
        now += chance.choice([0, 20, 70])
        step = chance.choice(["acquire", "acquire", "commit", "save", "release"])
        if step == "acquire":
            end = now + chance.choice([0, 100, 200])
            expected = await model.acquire(0, end=end, now=now, lease_until=now + 60)
            assert await leases.acquire(0, end=end, now=now, lease_until=now + 60) == expected
            held += [expected] if expected else []
        elif held:
            lease = chance.choice(held[-3:])
            arguments = (lease, f"page {now}") if step == "save" else (lease,)
            assert await getattr(leases, step)(*arguments) == await getattr(model, step)(*arguments)

    assert await leases.segments(2) == await model.segments(2)
