"""What several look for at one moment is read in one call."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from eventcron.app.concurrency import all_of
from eventcron.app.together import Together


class Shelf:
    """Remembers the keys of each call; cannot read *broken*."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    async def read(self, keys: Sequence[str]) -> set[str]:
        self.calls.append(list(keys))
        if "broken" in keys:
            raise RuntimeError("torn")
        return set(keys)


async def test_keys_of_one_moment_are_read_in_one_call_each_once() -> None:
    shelf = Shelf()
    together = Together(shelf.read, at_most=5)

    answers = await all_of([together(["a", "b"]), together(["b", "c"])])

    assert shelf.calls == [["a", "b", "c"]]
    assert answers == [{"a", "b", "c"}] * 2


async def test_a_call_has_no_more_keys_than_it_may_unless_one_alone_asks_for_more() -> None:
    shelf = Shelf()
    together = Together(shelf.read, at_most=3)

    answers = await all_of(together(keys) for keys in (["a", "b"], ["c"], ["d"], ["e", "f", "g", "h"]))

    assert shelf.calls == [["a", "b", "c"], ["d"], ["e", "f", "g", "h"]]
    assert [{"a", "b"} <= answers[0], "c" in answers[1], "d" in answers[2], len(answers[3])] == [True, True, True, 4]


async def test_a_later_moment_has_a_call_of_its_own() -> None:
    shelf = Shelf()
    together = Together(shelf.read, at_most=5)

    await together(["a"])
    await together(["a"])

    assert shelf.calls == [["a"], ["a"]]


async def test_a_call_that_fails_fails_for_those_who_asked_in_it() -> None:
    shelf = Shelf()
    together = Together(shelf.read, at_most=1)

    with pytest.raises(RuntimeError, match="torn"):
        await all_of([together(["broken"]), together(["whole"])])
    assert shelf.calls == [["broken"], ["whole"]]
    assert await together(["whole"]) == {"whole"}
