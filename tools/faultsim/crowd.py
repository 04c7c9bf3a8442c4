"""A tenant that is always over its limit: more schedules than it may fire, all of them due in the same second.

It is there where tenants have a limit. Nobody else uses its limit, so whoever wins a minute has won it over the others.
"""

from __future__ import annotations

from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.model.names import Key
from eventcron.timing.hashing import segment_of
from tools.faultsim.inputs import input_of
from tools.faultsim.workload import Kind, Scenario, Sent

TENANT = "crowd"
#: Its schedules. The largest limit that a simulation has is 4.
SIZE = 6


def puts(scenario: Scenario) -> list[Sent]:
    """The puts of the tenant's schedules, early on. They are in one segment, so that packs can hold all of them."""
    sent = []
    for key in _keys(scenario.settings.segments):
        detail = {
            "tenant": key.tenant,
            "name": key.name,
            "expression": "* * * * *",
            "input": input_of(key, 1),
        }
        at = scenario.start + 1_000
        source = TENANT_SOURCE_PREFIX + TENANT
        sent.append(Sent(Kind.VALID, f"event-{key.name}", "Put Schedule", key, detail, source, at, (100,)))
    return sent


def _keys(segments: int) -> list[Key]:
    keys = (Key(TENANT, f"c{number}") for number in range(SIZE * segments * 10))
    return [key for key in keys if segment_of(key, segments) == 0][:SIZE]
