"""Every word that programs compare is one member of one enum, and each member is used."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

import eventcron
from eventcron.model.codes import CancelReason, RejectionCode, RequestCode, SkipReason

SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in Path(eventcron.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("enum", [CancelReason, RejectionCode, RequestCode, SkipReason])
def test_every_member_is_used(enum: type[StrEnum]) -> None:
    assert set(re.findall(rf"\b{enum.__name__}\.(\w+)", SOURCE)) == {member.name for member in enum}


@pytest.mark.parametrize("enum", [CancelReason, RejectionCode, RequestCode, SkipReason])
def test_a_member_is_called_what_it_says(enum: type[StrEnum]) -> None:
    assert [member.name.lower() for member in enum] == [member.value for member in enum] == sorted(enum)
