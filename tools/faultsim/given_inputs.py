"""Check that each fire carries the input that was put."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

from eventcron.model.names import Instant, Key
from tools.faultsim.inputs import input_of
from tools.faultsim.observations import Observations
from tools.faultsim.promises import Violation

#: Milliseconds for which an executor may hold what it read of a schedule: its timeout.
HELD_MS = 60_000


def _inputs(observed: Observations) -> Iterator[Violation]:
    """A fire carries, byte for byte, the input of the definition that was stored when its schedule was read."""
    stored = _stored(observed)
    for fire in observed.fired:
        given = fire.input and fire.input.get("put")
        versions = stored[fire.key]
        first = max(0, bisect_right(versions, (fire.at - HELD_MS, 0)) - 1)
        could_be = {put for at, put in versions[first:] if at <= fire.at}
        if given is not None and given not in could_be:
            yield Violation(8, fire.key, f"it fired at {fire.at} with the input of put {given}, not of {could_be}")
        if given is not None and fire.input != input_of(Key(*fire.input["of"].split("/")), given):
            yield Violation(8, fire.key, f"it fired at {fire.at} with an input that nobody gave")


def _stored(observed: Observations) -> dict[Key, list[tuple[Instant, int]]]:
    """When which put's input was stored, for each schedule."""
    stored: dict[Key, list[tuple[Instant, int]]] = defaultdict(list)
    for key, revisions in observed.revisions.items():
        for revision in revisions:
            sent = revision.sent
            if sent is not None and sent.command == "Put Schedule" and "input" in sent.detail:
                stored[key].append((revision.at, sent.detail["input"]["put"]))
    return stored


INPUT_CHECKS = (_inputs,)
