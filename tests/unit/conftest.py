"""What every unit test starts from, besides what every test does."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def _empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nobody-runs-dev-here")


@pytest.fixture(autouse=True)
def _no_dev_of_others(monkeypatch: pytest.MonkeyPatch, _empty_folder: Path) -> None:
    """Commands and clients look for ``eventcron dev`` where they run, and another test may run or kill one there."""
    monkeypatch.chdir(_empty_folder)
