"""What others change first is decided anew, as often as anything else, and then comes back or waits for its turn."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from eventcron.adapters.memory import MemoryScheduleStore
from eventcron.app.contention import MAX_TRIES, contended
from eventcron.app.handlers import MessageOutcome
from eventcron.app.use_cases import Ports
from eventcron.errors import Conflict
from eventcron.model.commands import Schedule
from eventcron.model.tracking import Expect
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.trigger import parse
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
HOURLY = parse("0 * * * *", anchor=NOW).canonical


class Losing:
    """A port of which another writer is first at the next *losses* writes."""

    def __init__(self, port: Any, losses: int) -> None:
        self.writes = 0
        self._port = port
        self._losses = losses

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    async def put(self, *given: Any, **more: Any) -> bool:
        self.writes += 1
        return self.writes > self._losses and await self._port.put(*given, **more)


class Case(NamedTuple):
    """A command, the port that it writes to, and what the message calls that which it changes."""

    detail_type: str
    detail: dict[str, Any]
    port: str
    named: str


CASES = {
    "schedule": Case("Put Schedule", {"name": "tea", "expression": "0 9 * * *"}, "store", "acme/tea"),
    "pause": Case("Pause Schedule", {"name": "backup"}, "store", "acme/backup"),
    "calendar": Case("Put Calendar", {"name": "no", "dates": ["2026-12-24"]}, "calendars", "acme/calendar:no"),
    "backfill": Case("Cancel Backfill", {"name": "tea", "backfill_id": "b"}, "backfills", "backfill acme/tea/b"),
    "lane": Case("Report Run", {"name": "backup", "status": "failed"}, "runs", "lane acme/backup"),
}


def body(case: Case) -> str:
    return json.dumps(
        {
            "id": "e-1",
            "detail-type": case.detail_type,
            "source": "eventcron.tenant.acme",
            "time": "2026-12-01T08:00:00Z",
            "detail": {"tenant": "acme"} | case.detail,
        }
    )


async def ports_with(name: str, losses: int) -> tuple[Ports, Losing]:
    """Ports with a schedule that expects reports, and the port *name* at which others are first."""
    clock = JumpingClock(NOW)
    store = MemoryScheduleStore(clock)
    backup = Schedule(tenant="acme", name="backup", expression="0 * * * *", expect=Expect(within_seconds=9))
    assert await store.put(record_of(backup, trigger=HOURLY, start=NOW, handoff=NOW), replacing=None)
    ports = memory_ports(clock, store=store)
    losing: Any = Losing(getattr(ports, name), losses)
    return ports._replace(**{name: losing}), losing


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_command_that_never_comes_first_is_tried_eight_times_and_comes_back_unanswered(case: Case) -> None:
    ports, losing = await ports_with(case.port, MAX_TRIES)

    handled = await ports.use_cases(SETTINGS).handlers.on_command(body(case))

    assert losing.writes == MAX_TRIES == 8
    assert handled.outcome is MessageOutcome.COMES_BACK
    assert isinstance(handled.error, Conflict)
    assert handled.reason == f"{case.named} is being changed by others: not changed in 8 tries"
    assert ports.bus.published == []  # type: ignore[attr-defined]  # it is the one in memory


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_command_that_comes_first_at_the_last_try_is_done(case: Case) -> None:
    ports, losing = await ports_with(case.port, MAX_TRIES - 1)

    handled = await ports.use_cases(SETTINGS).handlers.on_command(body(case))

    assert (handled.outcome, handled.error) == (MessageOutcome.DONE, None)
    assert losing.writes == MAX_TRIES


async def test_a_check_whose_sweep_others_begin_again_and_again_leaves_it_to_the_next_hour() -> None:
    ports, losing = await ports_with("sweeps", MAX_TRIES)

    report = await ports.use_cases(SETTINGS).handlers.on_check(deadline=NOW + 900_000, rules="r")

    assert losing.writes == MAX_TRIES
    assert isinstance(report.error, Conflict)
    assert str(report.error) == "the sweep is being changed by others: not changed in 8 tries"


def test_what_is_contended_is_named() -> None:
    assert str(contended("acme/tea")) == "acme/tea is being changed by others: not changed in 8 tries"
