"""The index of a queue's messages: what ministack's own list would hand out, in fair turns, however many there are."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.local.queue_patches import Messages


class Watched(dict[str, Any]):
    """A message that counts how often it is read."""

    reads = 0

    def __getitem__(self, name: str) -> Any:
        Watched.reads += 1
        return super().__getitem__(name)


_RECEIPTS: Iterator[int] = count()


def message(name: str, group: str | None = None, *, visible_at: float = 0.0) -> Watched:
    return Watched(id=name, group_id=group, visible_at=visible_at, receipt_handle=None, receive_count=0)


def messages(*given_: Watched) -> Messages:
    return Messages(given_, lambda _: None)


def taken(queue: Messages, most: int = 10, *, at: float = 0.0, visibility: float = 30.0) -> list[str]:
    return [one["id"] for one in queue.receive(most, visibility, at, lambda: f"receipt-{next(_RECEIPTS)}")]


def test_messages_without_a_group_are_handed_out_in_their_order() -> None:
    queue = messages(message("a"), message("b"))
    queue.append(message("c"))

    assert taken(queue, 2) == ["a", "b"]
    assert taken(queue, 2) == ["c"]
    assert taken(queue, 2) == []


def test_a_group_with_few_in_flight_goes_before_one_with_many() -> None:
    queue = messages(*(message(f"n{number}", "noisy") for number in range(100)))
    assert taken(queue) == [f"n{number}" for number in range(10)]

    queue.append(message("q", "quiet"))

    assert taken(queue, 3) == ["q", "n10", "n11"]


def test_groups_with_equally_many_in_flight_take_turns_the_oldest_message_first() -> None:
    queue = messages(*(message(f"{group}{number}", group) for group in "ab" for number in range(3)))

    assert taken(queue, 4) == ["a0", "b0", "a1", "b1"]


@pytest.mark.parametrize("how", ["deleted", "visible again"])
def test_what_is_no_longer_in_flight_no_longer_counts(how: str) -> None:
    queue = messages(*(message(f"n{number}", "noisy") for number in range(3)), message("q", "quiet"))
    first = queue.receive(2, 30, 0, lambda: f"receipt-{next(_RECEIPTS)}")
    assert [one["id"] for one in first] == ["n0", "q"]

    if how == "deleted":
        queue.remove(first[0])
        assert taken(queue, 1) == ["n1"]
    else:
        assert taken(queue, 3, at=30) == ["n0", "q", "n1"]


def test_a_message_that_is_delayed_or_in_flight_is_not_handed_out_until_it_is_visible() -> None:
    queue = messages(message("late", visible_at=5), message("now"))

    assert taken(queue, at=1) == ["now"]
    assert taken(queue, at=4) == []
    assert taken(queue, at=5) == ["late"]
    assert taken(queue, at=31) == ["now"]


def test_a_message_that_is_shown_at_once_is_handed_out_once_in_a_call() -> None:
    queue = messages(message("a"))

    assert taken(queue, visibility=0) == ["a"]
    assert taken(queue, visibility=0) == ["a"]


def test_only_the_last_receipt_counts() -> None:
    queue = messages(message("a"))
    (first,) = [dict(one) for one in queue.receive(1, 10, 0, lambda: "first")]
    queue.receive(1, 10, 10, lambda: "second")

    assert first["receipt_handle"] == "first"
    assert queue.received(["first"]) == []
    assert [one["id"] for one in queue.received(["second", "second"])] == ["a"]


def test_what_returns_is_told_once() -> None:
    queue = messages(message("a"), message("b"))
    taken(queue, 1)

    assert queue.returned(29) == []
    assert [one["id"] for one in queue.returned(30)] == ["a"]
    assert queue.returned(31) == []


def test_it_is_a_list_where_ministack_needs_one() -> None:
    queue = messages(message("a"), message("b"))
    queue.append(message("c"))

    assert len(queue) == 3
    assert queue[-1]["id"] == "c"
    assert [one["id"] for one in queue] == ["a", "b", "c"]
    kept: object = copy.deepcopy(queue)
    assert kept == [dict(one) for one in queue]
    with pytest.raises(IndexError, match="appended last can be read by its place, not 0"):
        queue[0]
    queue.clear()
    assert (len(queue), taken(queue)) == (0, [])


def test_ten_messages_of_a_thousand_are_received_and_deleted_without_a_look_at_the_others() -> None:
    queue = messages(*(message(f"n{number}", "noisy") for number in range(1_000)))
    taken(queue)
    before = Watched.reads

    for one in queue.receive(10, 30, 0, lambda: f"receipt-{next(_RECEIPTS)}"):
        queue.remove(one)

    assert Watched.reads - before < 200


@given(
    sent=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20)), max_size=30),
    calls=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10), st.integers(0, 20), st.booleans()), max_size=20),
)
def test_whatever_is_visible_is_handed_out_and_nothing_else(
    sent: list[tuple[str, int]], calls: list[tuple[int, int, int, bool]]
) -> None:
    model = {f"{group}{number}": message(f"{group}{number}", group, visible_at=at)
             for number, (group, at) in enumerate(sent)}  # fmt: skip
    queue = messages(*model.values())
    for at, most, visibility, deletes in sorted(calls):
        visible = {name for name, one in model.items() if one["visible_at"] <= at}

        found = queue.receive(most, visibility, at, lambda: f"receipt-{next(_RECEIPTS)}")

        names = [one["id"] for one in found]
        assert set(names) <= visible
        assert len(names) == len(set(names)) == min(most, len(visible))
        if deletes:
            for one in found:
                queue.remove(one)
                del model[one["id"]]
    assert {one["id"] for one in queue} == model.keys()
