from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rest.gateway import Api, served


@pytest.fixture(name="api")
def _api() -> Iterator[Api]:
    yield from served()
