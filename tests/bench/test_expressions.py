"""The rig's conditions and updates do what DynamoDB's do, as far as a scheduler writes them."""

from __future__ import annotations

import pytest

from benchmarks.rig.expressions import Given, condition, update
from benchmarks.rig.refused import Refused

NAMES = {"#a": "a", "#b": "b"}
VALUES = {":one": {"N": "1"}, ":two": {"N": "2"}, ":text": {"S": "x"}}


def _given(**item: dict[str, str]) -> Given:
    return Given(item, NAMES, VALUES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#a = :one", True),
        ("#a = :two", False),
        ("#a < :two", True),
        ("#a > :two", False),
        ("#b = :one", False),  # a comparison with what is not there is false
        ("attribute_not_exists(#b)", True),
        ("attribute_exists(#b)", False),
        ("NOT (#a > :two OR #b > :two)", True),
        ("#a = :one AND #a = :two OR #a = :one", True),
        ("#a = :two AND (#a = :one OR #a = :one)", False),
    ],
)
def test_a_condition_holds_or_not(text: str, expected: bool) -> None:
    assert condition(text)(_given(a={"N": "1"})) is expected


@pytest.mark.parametrize(
    "text", ["", "#a", "#a =", "#a = :one AND", "(#a = :one", "#a = :one #b", "size(#a) < :one", "#a ? :one"]
)
def test_a_condition_beyond_the_rig_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="ValidationException"):
        condition(text)


def test_an_update_sets_removes_and_adds() -> None:
    changed = update("SET #a = :text REMOVE #b", _given(a={"N": "1"}, b={"N": "2"}))

    assert changed == {"a": {"S": "x"}}
    assert update("ADD #a :two", _given(a={"N": "1"})) == {"a": {"N": "3"}}
    assert update("SET #a = :one, #b = :two", _given()) == {"a": {"N": "1"}, "b": {"N": "2"}}


def test_an_update_beyond_the_rig_is_refused() -> None:
    with pytest.raises(Refused, match="beyond the rig"):
        update("SET #a :one", _given())
