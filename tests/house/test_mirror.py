"""Every module of the pure layers and of the use cases has a test module of its name."""

from __future__ import annotations

from pathlib import Path

import pytest

SOURCE, TESTS = (Path(__file__).parents[2] / name for name in ("src/eventcron", "tests/unit"))
MODULES = [
    path.relative_to(SOURCE)
    for package in ("timing", "wire", "rules", "app")
    for path in sorted((SOURCE / package).rglob("*.py"))
    if path.name != "__init__.py"
]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_whoever_changes_a_module_knows_the_test_that_speaks_of_it(module: Path) -> None:
    test = TESTS / module.with_name(f"test_{module.name}")

    assert test.is_file(), f"{test.relative_to(TESTS.parents[1])} is missing"
    assert "def test_" in test.read_text(), f"{test.relative_to(TESTS.parents[1])} tests nothing"
