"""Names of another scheduler become valid, and none collides with another."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.migrate.model import Imported
from eventcron.migrate.names import names_of


def _named(*names: str, scopes: Sequence[str] = ()) -> list[str]:
    padded = [*scopes, *[""] * (len(names) - len(scopes))]
    return names_of([Imported(name, (), scope=scope) for name, scope in zip(names, padded, strict=True)])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["nightly", "a.b_c-D"], ["nightly", "a.b_c-D"], id="valid-ones-stay"),
        pytest.param(["/opt/x --all"], ["opt-x-all"], id="signs-become-dashes"),
        pytest.param(["."], ["schedule"], id="a-dot"),
        pytest.param([".."], ["schedule"], id="two-dots"),
        pytest.param([""], ["schedule"], id="no-name"),
        pytest.param(["後"], ["schedule"], id="no-valid-character"),
        pytest.param(["a", "a", "a"], ["a", "a-2", "a-3"], id="equal-ones-are-numbered"),
        pytest.param(["a b", "a-b"], ["a-b-2", "a-b"], id="a-valid-one-has-the-name"),
        pytest.param(["a", "a", "a-2"], ["a", "a-3", "a-2"], id="a-number-may-be-taken"),
        pytest.param(["a b", "a/b"], ["a-b", "a-b-2"], id="alike-once-made"),
    ],
)
def test_a_name_becomes(names: list[str], expected: list[str]) -> None:
    assert _named(*names) == expected


def test_equal_names_of_two_scopes_get_the_scope() -> None:
    assert _named("job", "job", "other", scopes=["test", "prod", "test"]) == ["test-job", "prod-job", "other"]


def test_long_names_that_differ_in_their_ends_differ() -> None:
    first, second = _named("/opt/x " + "a" * 200 + "1", "/opt/x " + "a" * 200 + "2")

    assert first != second
    assert len(first) == 64


@given(st.lists(st.text(max_size=140), max_size=12))
def test_names_are_valid_and_differ(names: list[str]) -> None:
    made = _named(*names)

    assert len(set(made)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,128}", name) and name not in {".", ".."} for name in made)


@given(st.lists(st.text(alphabet="ab /.", max_size=4), max_size=6))
def test_the_same_source_has_the_same_names(names: list[str]) -> None:
    assert _named(*names) == _named(*names)
