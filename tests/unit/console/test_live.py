"""What is kept of what was published: bounded, and from another thread too."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from eventcron.console import live as live_module
from eventcron.console import live_page
from eventcron.console.live import KEPT, MINUTE_MS, MINUTES, MOST_TENANTS, OTHERS, Live
from eventcron.model.events import Answer
from tests.unit.cli.deployed import NOW, Deployed
from tests.unit.console.browser import HOST, fire, shown


def event(name: str = "nightly", *, kind: str = "Schedule Fired", **detail: Any) -> Answer:
    return Answer(detail_type=kind, detail=fire(name=name, **detail), time="")


def test_the_latest_are_kept_and_all_are_counted() -> None:
    live = Live(began=NOW)
    for number in range(KEPT + 10):
        live.add(event(str(number)), NOW)

    assert [seen.event.detail["name"] for seen in live.after(KEPT + 8)] == [str(KEPT + 8), str(KEPT + 9)]
    assert len(live.after(0)) == KEPT
    assert live.minutes(NOW)[-1].fires == KEPT + 10


def test_an_hour_is_counted_and_the_minutes_without_any_are_there() -> None:
    live = Live(began=NOW)
    for minute in (0, 1, 90):
        live.add(event(), NOW + minute * MINUTE_MS)

    minutes = live.minutes(NOW + 90 * MINUTE_MS)
    assert [minute.fires for minute in minutes] == [0] * (MINUTES - 1) + [1]
    assert minutes[0].at == NOW + 31 * MINUTE_MS


def test_the_tenants_of_a_minute_are_bounded() -> None:
    live = Live(began=NOW)
    for number in range(MOST_TENANTS + 5):
        live.add(event(tenant=f"t{number}"), NOW)
    live.add(event(tenant="t1"), NOW)

    tenants = live.minutes(NOW)[-1].tenants
    assert (len(tenants), tenants[OTHERS], tenants["t1"]) == (MOST_TENANTS + 1, 5, 2)


def test_failures_and_rejections_are_counted() -> None:
    live = Live(began=NOW)
    for kind in ("Schedule Failed", "Schedule Rejected", "Schedule Created"):
        live.add(Answer(detail_type=kind, detail={"tenant": "acme"}, time=""), NOW)

    minute = live.minutes(NOW)[-1]
    assert (minute.failures, minute.rejections, minute.fires) == (1, 1, 0)


def test_who_waits_is_woken_from_another_thread_and_by_the_end() -> None:
    live = Live(began=NOW)

    async def work() -> list[list[str]]:
        found = []
        async for part in live.follow(0):
            found.append([seen.event.detail["name"] for seen in part])
            threading.Thread(target=live.close if len(found) == 2 else lambda: live.add(event("b"), NOW)).start()
        return found

    live.add(event("a"), NOW)

    assert asyncio.run(asyncio.wait_for(work(), 30)) == [["a"], ["b"]]


def test_an_answer_is_waited_for_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live(began=NOW)

    async def work() -> list[Answer | None]:
        asyncio.get_running_loop().call_soon(live.add, event("a"), NOW)
        first = await live.answer(lambda one: one.detail["name"] == "a", after=0, seconds=30)
        return [first, await live.answer(lambda _one: True, after=1, seconds=0.01)]

    found, none = asyncio.run(work())

    assert found is not None
    assert none is None
    assert not live._wake  # nothing is left of who waited


def test_a_sign_of_life_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "SIGN_OF_LIFE_SECONDS", 0)
    live = Live(began=NOW)

    async def work() -> list[Any]:
        async for part in live.follow(0):
            live.close()
            return part
        return [None]

    assert asyncio.run(work()) == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?after=0", ["nightly", "other", "nightly"]),
        ("?after=1", ["other", "nightly"]),
        ("?after=0&kind=fires&prefix=o", ["other"]),
        ("?after=0&kind=skips", ["nightly"]),
        ("?after=0&tenant=globex", []),
    ],
)
def test_the_stream_has_what_is_asked_for(deployed: Deployed, tmp_path: Path, query: str, names: list[str]) -> None:
    async def work() -> list[dict[str, Any]]:
        async with shown(deployed, tmp_path) as console:
            live = console.site.live
            live.add(event(), NOW + 31)
            live.add(event("other"), NOW)
            skip = {"tenant": "acme", "name": "nightly", "reason": "quota", "count": 1, "first_due": "x"}
            live.add(Answer(detail_type="Schedule Skipped", detail=skip, time=""), NOW)
            asyncio.get_running_loop().call_later(0.05, live.close)
            answer = await console.browser.get(f"/live/events{query}")
            assert answer.headers["content-type"].startswith("text/event-stream")
            return [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]

    rows = asyncio.run(work())

    assert [row["name"] for row in rows] == names
    if query == "?after=0":
        assert (rows[0]["late"], rows[0]["kind"], rows[2]["text"]) == ("31 ms", "fires", "quota: 1, due x")


def test_a_browser_that_comes_back_gets_what_it_missed(deployed: Deployed, tmp_path: Path) -> None:
    async def work() -> bytes:
        async with shown(deployed, tmp_path) as console:
            for name in ("a", "b", "c"):
                console.site.live.add(event(name), NOW)
            asyncio.get_running_loop().call_later(0.05, console.site.live.close)
            return (await console.browser.get("/live/events?after=1", **{"last-event-id": "2"})).body

    assert b"id: 3\n" in asyncio.run(work())
    assert b"id: 2\n" not in asyncio.run(work())


def test_streams_are_bounded(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_page, "MOST_STREAMS", 0)

    async def work() -> int:
        async with shown(deployed, tmp_path) as console:
            return (await console.browser.ask("GET", "/live/events", {"host": HOST})).status

    assert asyncio.run(work()) == 503


def test_the_page_has_the_latest_first(deployed: Deployed, tmp_path: Path) -> None:
    async def work() -> str:
        async with shown(deployed, tmp_path) as console:
            for name in ("first", "second"):
                console.site.live.add(event(name), NOW)
            return (await console.browser.get("/live")).text

    text = asyncio.run(work())

    assert text.index("acme/second") < text.index("acme/first")
    assert 'data-after="2"' in text
