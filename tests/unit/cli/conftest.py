"""A deployment in memory, and commands on it."""

from __future__ import annotations

import pytest

from tests.unit.cli.deployed import Deployed, Runs


@pytest.fixture
def deployed() -> Deployed:
    return Deployed()


@pytest.fixture
def run(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(deployed, monkeypatch)
