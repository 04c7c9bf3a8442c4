"""What every ``Ledger`` promises."""

from __future__ import annotations

import asyncio
import random

import pytest

from eventcron.adapters.memory import MemoryLedger
from eventcron.model.names import Instant
from eventcron.ports import Lease, Ledger, QuotaRequest, SegmentState
from tests.contract.conftest import Backend

LEASE_UNTIL = 1_060
NOW = 1_000
LATER = 2_000


@pytest.fixture(name="ledger")
async def _ledger(backend: Backend) -> Ledger:
    return await backend.ledger()


async def claimed(ledger: Ledger, *, end: Instant, now: Instant = NOW, segment: int = 0) -> Lease:
    """A claim that has to succeed, with a lease of 60 ms."""
    claim = await ledger.claim(segment, end=end, now=now, lease_until=now + 60)
    assert claim is not None
    return claim


async def test_the_first_claim_starts_at_the_beginning_of_time(ledger: Ledger) -> None:
    assert await ledger.claim(3, end=5_000, now=NOW, lease_until=LEASE_UNTIL) == Lease(
        segment=3, start=0, end=5_000, fence=1, lease_until=LEASE_UNTIL
    )


async def test_a_live_lease_keeps_others_out_of_its_segment_only(ledger: Ledger) -> None:
    await claimed(ledger, end=5_000)

    assert await ledger.claim(0, end=6_000, now=LEASE_UNTIL - 1, lease_until=LATER) is None
    assert await ledger.claim(1, end=6_000, now=NOW, lease_until=LEASE_UNTIL) is not None
    assert await ledger.claim(0, end=6_000, now=LEASE_UNTIL, lease_until=LATER) is not None


async def test_windows_meet(ledger: Ledger) -> None:
    assert await ledger.commit(await claimed(ledger, end=5_000))

    following = await claimed(ledger, end=6_000)

    assert (following.start, following.end, following.cursor) == (5_000, 6_000, None)


async def test_a_released_window_is_planned_again_whole(ledger: Ledger) -> None:
    await ledger.commit(await claimed(ledger, end=5_000))
    assert await ledger.release(await claimed(ledger, end=6_000))

    again = await claimed(ledger, end=7_000)

    assert (again.start, again.end, again.cursor) == (5_000, 7_000, None)


async def test_a_crashed_window_does_not_shrink(ledger: Ledger) -> None:
    await claimed(ledger, end=5_000)

    again = await claimed(ledger, end=4_000, now=LATER)

    assert (again.start, again.end) == (0, 5_000)


async def test_a_saved_pass_is_resumed_at_its_page_and_keeps_its_end(ledger: Ledger) -> None:
    assert await ledger.save(await claimed(ledger, end=5_000), "page 2")

    resumed = await claimed(ledger, end=9_000)

    assert (resumed.start, resumed.end, resumed.cursor) == (0, 5_000, "page 2")


async def test_a_resumed_pass_that_crashes_is_resumed_at_the_same_page(ledger: Ledger) -> None:
    await ledger.save(await claimed(ledger, end=5_000), "page 2")
    await claimed(ledger, end=9_000)

    resumed = await claimed(ledger, end=9_000, now=LATER)

    assert (resumed.start, resumed.end, resumed.cursor) == (0, 5_000, "page 2")


async def test_commit_and_release_forget_the_page(ledger: Ledger) -> None:
    await ledger.save(await claimed(ledger, end=5_000), "page 2")
    await ledger.release(await claimed(ledger, end=5_000))
    assert (await claimed(ledger, end=6_000)).cursor is None

    await ledger.save(await claimed(ledger, end=6_000, now=LATER), "page 3")
    await ledger.commit(await claimed(ledger, end=6_000, now=LATER))
    assert (await claimed(ledger, end=7_000, now=LATER)).cursor is None


async def test_where_nothing_is_left_to_plan_nothing_is_held(ledger: Ledger) -> None:
    await ledger.commit(await claimed(ledger, end=5_000))

    idle = await claimed(ledger, end=4_000)

    assert idle.start >= idle.end
    assert (await claimed(ledger, end=5_000)).start == 5_000
    assert (await claimed(ledger, end=6_000)).end == 6_000


async def test_ending_an_empty_claim_moves_nothing(ledger: Ledger) -> None:
    await ledger.commit(await claimed(ledger, end=5_000))
    states = await ledger.segments(1)

    await ledger.commit(await claimed(ledger, end=4_000))
    await ledger.release(await claimed(ledger, end=4_000))
    await ledger.save(await claimed(ledger, end=4_000), "page 2")

    assert await ledger.segments(1) == states
    assert (await claimed(ledger, end=6_000)).cursor is None


async def test_a_commit_may_be_repeated_and_nothing_undoes_it(ledger: Ledger) -> None:
    claim = await claimed(ledger, end=5_000)

    assert await ledger.commit(claim)
    assert await ledger.commit(claim)
    assert not await ledger.save(claim, "page 2")
    assert not await ledger.release(claim)

    following = await claimed(ledger, end=6_000)
    assert (following.start, following.cursor) == (5_000, None)


async def test_a_released_claim_cannot_commit(ledger: Ledger) -> None:
    claim = await claimed(ledger, end=5_000)
    await ledger.release(claim)

    assert not await ledger.commit(claim)
    assert (await claimed(ledger, end=5_000)).start == 0


async def test_a_slow_twin_is_fenced_off(ledger: Ledger) -> None:
    slow = await claimed(ledger, end=5_000)
    quick = await claimed(ledger, end=5_000, now=LATER)

    assert quick.fence > slow.fence
    assert not await ledger.save(slow, "page 2")
    assert not await ledger.release(slow)
    assert not await ledger.commit(slow)
    assert await ledger.claim(0, end=5_000, now=LATER, lease_until=LATER + 60) is None
    assert await ledger.commit(quick)


async def test_an_expired_lease_nobody_took_over_may_still_commit(ledger: Ledger) -> None:
    slow = await claimed(ledger, end=5_000)

    assert await ledger.commit(slow)
    assert (await claimed(ledger, end=6_000, now=LATER)).start == 5_000


async def test_one_of_many_claims_at_once_wins(ledger: Ledger) -> None:
    claims = await asyncio.gather(
        *(ledger.claim(0, end=5_000, now=NOW, lease_until=LEASE_UNTIL) for _ in range(12)),
    )

    assert sum(claim is not None for claim in claims) == 1


async def test_segments_tells_of_each_in_order(ledger: Ledger) -> None:
    await ledger.commit(await claimed(ledger, end=5_000, segment=1))
    await claimed(ledger, end=6_000, segment=1)
    await claimed(ledger, end=7_000, segment=119)

    states = await ledger.segments(120)

    assert [state.segment for state in states] == list(range(120))
    assert states[0] == SegmentState(segment=0)
    assert states[1] == SegmentState(
        segment=1, planned_through=5_000, claimed_through=6_000, lease_until=LEASE_UNTIL, fence=2
    )
    assert states[119] == SegmentState(segment=119, claimed_through=7_000, lease_until=LEASE_UNTIL, fence=1)


async def test_published_packs_are_known_from_then_on(ledger: Ledger) -> None:
    for number in range(0, 120, 2):
        await ledger.record(f"pack-{number}", now=NOW, expires=5)
    await ledger.record("pack-0", now=LATER, expires=6)

    known = await ledger.published([f"pack-{number}" for number in [*range(120), 0, 1]])

    assert known == {f"pack-{number}" for number in range(0, 120, 2)}
    assert await ledger.published([]) == set()


@pytest.mark.parametrize("seed", range(8))
async def test_it_agrees_with_memory_whatever_is_done(ledger: Ledger, seed: int) -> None:
    chance = random.Random(seed)
    model = MemoryLedger()
    claims: list[Lease] = []
    now = NOW
    for _ in range(40):
        now += chance.choice([0, 20, 70])
        step = chance.choice(["claim", "claim", "commit", "save", "release"])
        if step == "claim":
            end = now + chance.choice([0, 100, 200])
            expected = await model.claim(0, end=end, now=now, lease_until=now + 60)
            assert await ledger.claim(0, end=end, now=now, lease_until=now + 60) == expected
            claims += [expected] if expected else []
        elif claims:
            claim = chance.choice(claims[-3:])
            arguments = (claim, f"page {now}") if step == "save" else (claim,)
            assert await getattr(ledger, step)(*arguments) == await getattr(model, step)(*arguments)

    assert await ledger.segments(2) == await model.segments(2)


async def test_the_rules_noted_last_are_told(ledger: Ledger) -> None:
    assert await ledger.rules() == ""

    await ledger.note_rules("2026a")
    await ledger.note_rules("2026b")

    assert await ledger.rules() == "2026b"


def places(pack_id: str, count: int, *, tenant: str = "acme", minute: int = 7, limit: int = 10) -> QuotaRequest:
    return QuotaRequest(tenant=tenant, minute=minute, pack_id=pack_id, count=count, limit=limit)


async def test_first_come_first_served_up_to_the_limit(ledger: Ledger) -> None:
    asked = [places(f"pack-{number}", count) for number, count in enumerate([4, 4, 4, 1, 200])]

    assert [await ledger.acquire(request, expires=5) for request in asked] == [4, 4, 2, 0, 0]


async def test_each_tenant_and_minute_has_places_of_its_own(ledger: Ledger) -> None:
    await ledger.acquire(places("pack", 10), expires=5)

    assert await ledger.acquire(places("pack", 10, tenant="acme.eu"), expires=5) == 10
    assert await ledger.acquire(places("pack", 10, minute=8), expires=5) == 10
    assert [await ledger.acquire(places("another", 1, minute=n), expires=5) for n in (7, 8, 9)] == [0, 0, 1]


async def test_a_request_repeated_is_answered_as_at_first_and_takes_nothing(ledger: Ledger) -> None:
    requests = [(places("whole", 6), 6), (places("part", 6), 4), (places("none", 6), 0)]
    for request, granted in requests:
        assert await ledger.acquire(request, expires=5) == granted

    for request, granted in requests:
        assert await ledger.acquire(request, expires=6) == granted
    assert await ledger.acquire(places("roomier", 3, limit=20), expires=5) == 2


async def test_of_many_packs_at_once_no_more_than_the_limit_have_a_place(ledger: Ledger) -> None:
    granted = await asyncio.gather(
        *(ledger.acquire(places(f"pack-{number}", 3, limit=20), expires=5) for number in range(12))
    )

    assert sorted(granted) == [0, 0, 0, 0, 0, 2, 3, 3, 3, 3, 3, 3]


async def test_places_of_a_pack_are_no_publication_of_it(ledger: Ledger) -> None:
    await ledger.acquire(places("pack", 1), expires=5)

    assert await ledger.published(["pack"]) == set()
