"""What every ``Quota`` promises."""

from __future__ import annotations

import asyncio

import pytest

from eventcron.ports import Quota, QuotaRequest
from tests.contract.conftest import Backend


@pytest.fixture(name="quota")
async def _quota(backend: Backend) -> Quota:
    return await backend.quota()


def asking(pack_id: str, count: int, *, tenant: str = "acme", minute: int = 7, limit: int = 10) -> QuotaRequest:
    return QuotaRequest(tenant=tenant, minute=minute, pack_id=pack_id, count=count, limit=limit)


async def test_first_come_first_served_up_to_the_limit(quota: Quota) -> None:
    asked = [asking(f"pack-{number}", count) for number, count in enumerate([4, 4, 4, 1, 200])]

    assert [await quota.acquire(request, expires=5) for request in asked] == [4, 4, 2, 0, 0]


async def test_each_tenant_and_minute_has_a_quota_of_its_own(quota: Quota) -> None:
    await quota.acquire(asking("pack", 10), expires=5)

    assert await quota.acquire(asking("pack", 10, tenant="acme.eu"), expires=5) == 10
    assert await quota.acquire(asking("pack", 10, minute=8), expires=5) == 10
    assert [await quota.acquire(asking("another", 1, minute=n), expires=5) for n in (7, 8, 9)] == [0, 0, 1]


async def test_a_request_repeated_is_answered_as_at_first_and_is_not_counted(quota: Quota) -> None:
    requests = [(asking("whole", 6), 6), (asking("part", 6), 4), (asking("none", 6), 0)]
    for request, granted in requests:
        assert await quota.acquire(request, expires=5) == granted

    for request, granted in requests:
        assert await quota.acquire(request, expires=6) == granted
    assert await quota.acquire(asking("roomier", 3, limit=20), expires=5) == 2


async def test_of_many_packs_at_once_no_more_than_the_limit_is_granted(quota: Quota) -> None:
    granted = await asyncio.gather(
        *(quota.acquire(asking(f"pack-{number}", 3, limit=20), expires=5) for number in range(12))
    )

    assert sorted(granted) == [0, 0, 0, 0, 0, 2, 3, 3, 3, 3, 3, 3]


async def test_it_tells_what_was_asked_for_granted_or_not(quota: Quota) -> None:
    for number in range(3):
        await quota.acquire(asking(f"pack-{number}", 4), expires=5)

    assert [await quota.used("acme", minute) for minute in (7, 8)] == [12, 0]
    assert await quota.used("acme.eu", 7) == 0
