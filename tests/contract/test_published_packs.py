"""What every ``PublishedPacks`` promises."""

from __future__ import annotations

import pytest

from eventcron.ports import PublishedPacks
from tests.contract.conftest import Backend

NOW = 1_000
LATER = 2_000


@pytest.fixture(name="packs")
async def _packs(backend: Backend) -> PublishedPacks:
    return await backend.packs()


async def test_published_packs_are_known_from_then_on(packs: PublishedPacks) -> None:
    for number in range(0, 120, 2):
        await packs.record(f"pack-{number}", now=NOW, expires=5)
    await packs.record("pack-0", now=LATER, expires=6)

    known = await packs.published([f"pack-{number}" for number in [*range(120), 0, 1]])

    assert known == {f"pack-{number}" for number in range(0, 120, 2)}
    assert await packs.published([]) == set()
