"""What every ``RulesVersion`` promises."""

from __future__ import annotations

import pytest

from eventcron.ports import RulesVersion
from tests.contract.conftest import Backend


@pytest.fixture(name="rules_version")
async def _rules_version(backend: Backend) -> RulesVersion:
    return await backend.rules_version()


async def test_the_version_written_last_is_read(rules_version: RulesVersion) -> None:
    assert await rules_version.read() == ""

    await rules_version.write("2026a")
    await rules_version.write("2026b")

    assert await rules_version.read() == "2026b"
