"""``eventcron list`` holds a page of what is stored, and never all of it."""

from __future__ import annotations

import os
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventcron.entrypoints.cli import list as list_command
from eventcron.entrypoints.cli.main import main
from eventcron.model.commands import Schedule
from eventcron.model.records import Record
from eventcron.ports import Page
from eventcron.timing.trigger import parse
from tests.records import record_of
from tests.unit.cli.deployed import Deployed

#: Schedules in a page, and bytes of each one's input: ten thousand of them are 20 MB.
PAGE, INPUT_BYTES = 100, 2_000


class Pages:
    """A store of *count* schedules, each of which is made when its page is read."""

    def __init__(self, count: int) -> None:
        self._count = count

    async def scan(self, _part: int, _parts: int, *, cursor: str | None = None) -> Page[Record]:
        return self._page(cursor)

    async def of_tenant(self, _tenant: str, *, prefix: str = "", cursor: str | None = None) -> Page[Record]:
        return self._page(cursor)

    def _page(self, cursor: str | None) -> Page[Record]:
        start = int(cursor or 0)
        end = min(start + PAGE, self._count)
        return Page([_record(number) for number in range(start, end)], cursor=str(end) if end < self._count else None)


def _record(number: int) -> Record:
    given = msgspec.Raw(msgspec.json.encode(f"{number:0{INPUT_BYTES}}"))
    made = Schedule(tenant="acme", name=f"job-{number}", expression="0 9 * * *", input=given)
    return record_of(made, trigger=parse("0 9 * * *", anchor=0).canonical)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["acme"], [], ["acme", "--json"], ["--label", "team", "acme"]], ids=" ".join)
def test_ten_times_as_many_take_no_more_memory(
    arguments: Sequence[str], deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(list_command, "connected", deployed.connected)
    monkeypatch.setattr(list_command, "ROWS", PAGE)

    few, many = (_most_held(count, arguments, deployed, monkeypatch) for count in (PAGE, 10 * PAGE))

    assert many - few < 10 * PAGE * INPUT_BYTES / 4


def _most_held(count: int, arguments: Sequence[str], deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> int:
    """The most bytes that Python held while *count* schedules were listed."""
    store: Any = Pages(count)
    deployed.cases = deployed.cases._replace(store=store)
    with Path(os.devnull).open("w") as nowhere:
        monkeypatch.setattr(sys, "stdout", nowhere)
        tracemalloc.start()
        try:
            with pytest.raises(SystemExit) as ended:
                main(["list", *arguments])
            assert not ended.value.code
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
