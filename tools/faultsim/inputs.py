"""The inputs of the simulated schedules."""

from __future__ import annotations

from typing import Any

from eventcron.model.names import Key
from eventcron.rules.inputs import MAX_INLINE_BYTES


def input_of(key: Key, put: int) -> dict[str, Any]:
    """The input of the schedule *key* in its *put*-th put. Every second one is stored apart from the schedule."""
    given: dict[str, Any] = {"of": str(key), "put": put}
    return given | {"more": "x" * MAX_INLINE_BYTES} if (len(key.name) + put) % 2 else given
