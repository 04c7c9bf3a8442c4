"""Programs that tests need and that not every machine has."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

#: Set where every tool is installed, so that no test is left out unnoticed. ``CI`` would not do: others set that too.
REQUIRE = "EVENTCRON_REQUIRE_TOOLS"


def missing(why: str) -> NoReturn:
    """Skip the test, or fail it where all tools are required."""
    if os.environ.get(REQUIRE):
        pytest.fail(why)
    pytest.skip(why)
