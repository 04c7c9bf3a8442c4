"""A page of the index, decoded with and without the entries of which nothing is due."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.adapters.aws import index_pages
from eventcron.adapters.aws.index_pages import decode_index
from eventcron.model.names import Key
from eventcron.rules.quiet import is_left_out

LAST = {"tenant": {"S": "acme"}, "name": {"S": "n9"}, "segment": {"N": "3"}, "wake": {"N": "0"}}


def an_item(name: str = "nightly", *, trigger: str = "quiet", wake: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "tenant": {"S": "acme"},
        "name": {"S": name},
        "revision": {"N": "7"},
        "trigger": {"S": trigger},
        "start": {"N": "1767225600000"},
        "handoff": {"N": "1767225645000"},
        "segment": {"N": "3"},
        "wake": {"N": str(wake)},
        **more,
    }


def a_page(*items: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"Items": items, "Count": len(items), "LastEvaluatedKey": LAST})


def is_quiet(trigger: str) -> bool:
    return trigger.startswith("quiet")


items = st.builds(
    lambda trigger, wake, more: an_item(trigger=trigger, wake=wake, **more),
    st.sampled_from(["quiet", 'quiet "ü', "due"]),
    st.sampled_from([0, 0, 1767225600000]),
    st.sampled_from([
        {}, {}, {"end": {"N": "1798761600000"}}, {"flexible_window_seconds": {"N": "60"}},
        {"misfire": {"S": '{"policy":"skip"}'}},
    ]),
)  # fmt: skip


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["decoded-together", "decoded-each-by-itself"])
@given(page=st.lists(items, max_size=9))
def test_what_is_left_out_is_what_the_rule_leaves_out(share: float, page: list[dict[str, Any]]) -> None:
    whole = decode_index(a_page(*page))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_pages, "LOUD_SHARE", share)
        found = decode_index(a_page(*page), is_quiet)

    assert found.items == [entry for entry in whole.items if not is_left_out(entry, is_quiet)]
    assert found.left_out == len(page) - len(found.items)
    assert found.cursor == whole.cursor == msgspec.json.encode(LAST).decode()


def test_an_entry_that_cannot_be_read_is_listed_once_something_of_it_may_be_due() -> None:
    later: dict[str, Any] = {"misfire": {"S": '{"policy":"ASK"}'}}
    quiet, due = an_item("a", **later), an_item("b", trigger="due", **later)

    assert decode_index(a_page(an_item(), quiet), is_quiet).unreadable == []
    page = decode_index(a_page(an_item(), quiet, due, an_item("c", trigger="due")), is_quiet)

    assert [one.key for one in page.unreadable] == [Key("acme", "a"), Key("acme", "b")]
    assert [entry.name for entry in page.items] == ["nightly", "c"]


def test_an_entry_without_what_decides_is_listed() -> None:
    item = an_item("a")
    del item["trigger"]

    page = decode_index(a_page(an_item(), item), is_quiet)

    assert [one.key for one in page.unreadable] == [Key("acme", "a")]
    assert [entry.name for entry in page.items] == ["nightly"]
