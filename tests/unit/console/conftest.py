"""A deployment in memory."""

from __future__ import annotations

import pytest

from tests.unit.cli.deployed import Deployed


@pytest.fixture
def deployed() -> Deployed:
    return Deployed()
