"""One process holds so many bytes at once, and tenants take turns."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.app.portions import Budget, portions


@pytest.mark.parametrize(
    ("sizes", "cut"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([3, 3, 3, 3], [[3, 3, 3], [3]], id="by-bytes"),
        pytest.param([0] * 5, [[0, 0, 0, 0], [0]], id="by-count"),
        pytest.param([5, 5, 1], [[5, 5], [1]], id="exactly-full"),
        pytest.param([1, 20, 1], [[1], [20], [1]], id="a-large-one-alone"),
    ],
)
def test_portions_are_cut_by_bytes_and_by_count(sizes: list[int], cut: list[list[int]]) -> None:
    assert list(portions(sizes, size=int, total=10, count=4)) == cut


@given(st.lists(st.integers(0, 30)), st.integers(1, 10), st.integers(1, 40))
def test_portions_respect_count_and_bytes_and_lose_nothing(sizes: list[int], count: int, total: int) -> None:
    found = list(portions(range(len(sizes)), size=sizes.__getitem__, total=total, count=count))

    assert [index for portion in found for index in portion] == list(range(len(sizes)))
    for portion in found:
        assert 1 <= len(portion) <= count
        assert len(portion) == 1 or sum(sizes[index] for index in portion) <= total


class Crowd:
    """Tasks that hold a budget until they are let go, in the order in which they got it."""

    def __init__(self, total: int) -> None:
        self.budget = Budget(total)
        self.holding: dict[str, asyncio.Event] = {}
        self.most = 0
        self._held = 0
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, size: int, *, owner: str = "acme", keep: int | None = None) -> None:
        self.tasks[name] = asyncio.create_task(self._hold(name, size, owner, keep))
        await self.run_ready()

    async def _hold(self, name: str, size: int, owner: str, keep: int | None) -> None:
        async with self.budget.hold(owner, size) as held:
            if keep is not None:
                held.shrink(keep)
            self._held += held.size
            self.most = max(self.most, self._held)
            self.holding[name] = asyncio.Event()
            await self.holding[name].wait()
            self._held -= held.size

    async def let_go(self, name: str) -> None:
        self.holding.pop(name).set()
        await self.run_ready()

    @staticmethod
    async def run_ready() -> None:
        for _ in range(10):
            await asyncio.sleep(0)


async def test_owners_take_turns() -> None:
    crowd = Crowd(10)
    for number in range(5):
        await crowd.ask(f"acme-{number}", 10)
    await crowd.ask("other-0", 10, owner="other")

    served = []
    while crowd.holding:
        (name,) = crowd.holding
        served.append(name)
        await crowd.let_go(name)

    assert served == ["acme-0", "acme-1", "other-0", "acme-2", "acme-3", "acme-4"]
    assert crowd.most == 10


async def test_what_is_given_back_is_there_for_others() -> None:
    crowd = Crowd(10)
    await crowd.ask("first", 10, keep=2)
    await crowd.ask("second", 8)
    await crowd.ask("third", 1)

    assert crowd.holding.keys() == {"first", "second"}
    await crowd.let_go("first")
    assert crowd.holding.keys() == {"second", "third"}


async def test_more_than_there_is_waits_for_all_there_is() -> None:
    crowd = Crowd(10)
    await crowd.ask("small", 1)
    await crowd.ask("huge", 99)
    await crowd.ask("later", 1, owner="other")

    assert crowd.holding.keys() == {"small"}, "nobody passes the one that waits"
    await crowd.let_go("small")
    assert crowd.holding.keys() == {"huge"}
    await crowd.let_go("huge")
    assert crowd.holding.keys() == {"later"}


async def test_who_gives_up_waiting_holds_nothing() -> None:
    crowd = Crowd(10)
    await crowd.ask("first", 10)
    await crowd.ask("gone", 10)
    crowd.tasks["gone"].cancel()
    await crowd.ask("last", 10)
    await crowd.let_go("first")

    assert crowd.holding.keys() == {"last"}


async def test_who_is_stopped_as_its_turn_comes_gives_it_back() -> None:
    crowd = Crowd(10)
    await crowd.ask("first", 10)
    await crowd.ask("stopped", 10)
    await crowd.ask("last", 10)
    crowd.holding.pop("first").set()
    await asyncio.sleep(0)
    crowd.tasks["stopped"].cancel()
    await crowd.run_ready()

    assert crowd.holding.keys() == {"last"}
