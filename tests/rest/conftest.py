from __future__ import annotations

import pytest

from tests.rest.gateway import Api


@pytest.fixture(name="api")
def _api() -> Api:
    return Api()
