"""Leases on DynamoDB are a read and a conditional write: what may come between the two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from eventcron.adapters.aws.leases import DynamoLeases
from eventcron.adapters.aws.quota import DynamoQuota
from eventcron.ports import QuotaRequest
from tests.contract.conftest import AwsBackend
from tests.resources import create_table, table

pytestmark = pytest.mark.parametrize(
    "backend",
    [
        pytest.param("moto", marks=pytest.mark.moto),
        pytest.param("ministack", marks=pytest.mark.embedded),
    ],
    indirect=True,
)


class Interposed:
    """A client before whose first write *meanwhile* happens."""

    def __init__(self, client: Any, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._client = client
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile
        self.get_item = client.get_item

    @property
    def client(self) -> Any:
        return self

    async def update_item(self, **request: Any) -> Any:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return await self._client.update_item(**request)


async def test_two_first_leases_of_a_segment_are_one(backend: AwsBackend) -> None:
    client, name = backend.clients.dynamodb, await create_table(backend.admin.dynamodb, "first", "LedgerTable")
    other = DynamoLeases(table(client, name))

    async def other_acquires() -> None:
        assert await other.acquire(0, end=5_000, now=1_000, lease_until=1_060) is not None

    slow = DynamoLeases(table(Interposed(client, other_acquires).client, name))

    assert await slow.acquire(0, end=6_000, now=1_000, lease_until=1_060) is None
    assert (await other.segments(1))[0].claimed_through == 5_000


async def test_two_successors_of_an_expired_lease_are_one(backend: AwsBackend) -> None:
    client, name = backend.clients.dynamodb, await create_table(backend.admin.dynamodb, "expired", "LedgerTable")
    other = DynamoLeases(table(client, name))
    await other.acquire(0, end=5_000, now=1_000, lease_until=1_060)

    async def other_acquires() -> None:
        assert await other.acquire(0, end=5_000, now=2_000, lease_until=2_060) is not None

    slow = DynamoLeases(table(Interposed(client, other_acquires).client, name))

    assert await slow.acquire(0, end=5_000, now=2_000, lease_until=2_060) is None
    assert (await other.segments(1))[0].fence == 2


async def test_a_lease_sees_a_commit_that_came_at_the_last_moment(backend: AwsBackend) -> None:
    """Or the window just planned would be planned again."""
    client, name = backend.clients.dynamodb, await create_table(backend.admin.dynamodb, "commit", "LedgerTable")
    other = DynamoLeases(table(client, name))
    expired = await other.acquire(0, end=5_000, now=1_000, lease_until=1_060)
    assert expired is not None

    async def the_holder_commits() -> None:
        assert await other.commit(expired)

    late = DynamoLeases(table(Interposed(client, the_holder_commits).client, name))
    lease = await late.acquire(0, end=6_000, now=2_000, lease_until=2_060)

    assert lease is not None
    assert (lease.start, lease.end) == (5_000, 6_000)


class Dying(Interposed):
    """A client whose process dies before a write: the first is number 0."""

    def __init__(self, client: Any, at: int) -> None:
        super().__init__(client, self._nothing)
        self._left = at
        self.batch_get_item_bytes = client.batch_get_item_bytes

    async def _nothing(self) -> None:
        pass

    async def update_item(self, **request: Any) -> Any:
        if self._left == 0:
            raise Died
        self._left -= 1
        return await super().update_item(**request)


class Died(Exception):
    """The process is gone."""


@pytest.mark.parametrize(
    ("at", "granted", "counted"),
    [
        pytest.param(0, 2, 8, id="nothing-was-written"),
        pytest.param(1, 5, 3, id="asked-and-not-counted"),
        pytest.param(2, 5, 8, id="counted-and-not-answered"),
    ],
)
async def test_a_request_whose_process_died_is_granted_whole_and_not_counted_twice(
    backend: AwsBackend, at: int, granted: int, counted: int
) -> None:
    client, name = backend.clients.dynamodb, await create_table(backend.admin.dynamodb, f"died-{at}", "LedgerTable")
    quota = DynamoQuota(table(client, name))
    await quota.acquire(_asking("before", 3), expires=5)

    with pytest.raises(Died):
        await DynamoQuota(table(Dying(client, at).client, name)).acquire(_asking("pack", 5), expires=5)

    assert await quota.acquire(_asking("pack", 5), expires=5) == granted
    assert await quota.acquire(_asking("after", 10, limit=100), expires=5) == 10
    assert await quota.acquire(_asking("last", 10, limit=counted + 10 + 1), expires=5) == 1


def _asking(pack_id: str, count: int, *, limit: int = 5) -> QuotaRequest:
    return QuotaRequest(tenant="acme", minute=7, pack_id=pack_id, count=count, limit=limit)
