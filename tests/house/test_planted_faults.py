"""What acceptance tests break on purpose is there to be broken: a renamed line fails here, in seconds."""

from __future__ import annotations

import pytest

from tests.acceptance import broken

FAULTS = {name: one for name, one in vars(broken).items() if isinstance(one, broken.Fault)}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_can_be_planted(name: str) -> None:
    fault = FAULTS[name]
    code = (broken.PACKAGE / fault.file).read_text(encoding="utf-8")

    compile(fault.planted(code), fault.file, "exec")  # and is a fault of behaviour, not of syntax
