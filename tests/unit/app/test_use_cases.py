"""Each use case gets the ports that it uses, and no other: of one set, whichever of them are replaced."""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import Any

import pytest

from eventcron.app.use_cases import Ports, UseCases
from eventcron.testing import FakeClock, memory_ports
from eventcron.testing.world import SETTINGS

#: What every sender to a queue or a bus has: ``Retry`` repeats what is refused.
SENDS = {"clock", "jitter"}
#: What follows runs: their lanes, their deadlines, their ends, and pauses for failures.
TRACKS = SENDS | {"runs", "registrar_queue", "fire_queue", "dead_letters", "bus"}

USED = {
    "registrar": TRACKS | {"store", "leases", "backfills", "packs", "calendars"},
    "planner": SENDS | {"store", "leases", "fire_queue", "dead_letters", "bus"},
    "fanout": SENDS | {"segment_queue", "leases"},
    "executor": TRACKS | {"store", "backfills", "packs", "quota"},
    "backfiller": SENDS | {"store", "backfills", "fire_queue", "dead_letters", "bus"},
    "reconciler": SENDS | {"store", "leases", "sweeps", "calendars", "bus"},
    "exporter": {"clock", "store", "calendars"},
    "upcoming": {"store", "backfills"},
    "past": {"history"},
}


def used_by(case: object, ports: Ports) -> set[str]:
    """The names of the *ports* that *case* holds, itself or in what it is made of."""
    names = {id(port): name for name, port in ports._asdict().items()}
    found, seen, left = set[str](), set[int](), [case]
    while left:
        one = left.pop()
        if id(one) in names:
            found.add(names[id(one)])
        elif id(one) not in seen:
            seen.add(id(one))
            left += _parts(one)
    return found


def _parts(one: Any) -> list[Any]:
    if isinstance(one, MethodType):
        return [one.__self__]
    if isinstance(one, FunctionType):
        return [cell.cell_contents for cell in one.__closure__ or ()]
    if not type(one).__module__.startswith("eventcron."):
        return []
    slots = [getattr(one, name) for name in getattr(one, "__slots__", ()) if hasattr(one, name)]
    fields = [getattr(one, name) for name in getattr(one, "__struct_fields__", ())]
    return [*slots, *fields, *getattr(one, "__dict__", {}).values()]


@pytest.fixture(name="ports")
def _ports() -> Ports:
    return memory_ports(FakeClock(0))


@pytest.mark.parametrize("name", USED)
def test_a_use_case_has_the_ports_that_it_uses_and_no_other(ports: Ports, name: str) -> None:
    assert used_by(getattr(ports.use_cases(SETTINGS), name), ports) == USED[name]


def test_what_handles_messages_has_every_port(ports: Ports) -> None:
    """A new port that reaches no use case has no effect."""
    assert used_by(ports.use_cases(SETTINGS).handlers, ports) == set(Ports._fields)


def test_entry_points_read_the_same_ports_as_the_use_cases(ports: Ports) -> None:
    cases = ports.use_cases(SETTINGS)
    read = {name: getattr(cases, name) for name in Ports._fields if name in UseCases._fields}

    assert read == {name: getattr(ports, name) for name in read}
    assert set(UseCases._fields) == {*USED, *read, "settings", "handlers"}


@pytest.mark.parametrize("name", Ports._fields)
def test_a_replaced_port_is_used_in_place_of_the_one_before(ports: Ports, name: str) -> None:
    other = memory_ports(FakeClock(0))
    replaced = ports._replace(**{name: getattr(other, name)})

    cases = replaced.use_cases(SETTINGS)

    assert name in used_by(cases.handlers, replaced)
    assert name not in used_by(cases.handlers, ports)


def test_messages_are_handled_by_the_use_cases_that_entry_points_call(ports: Ports) -> None:
    """A second executor in a process would have a pace of the bus and a budget of memory of its own."""
    cases = ports.use_cases(SETTINGS)

    for name in ("registrar", "executor", "fanout", "planner", "backfiller", "reconciler"):
        assert getattr(cases.handlers, f"_{name}") is getattr(cases, name)
