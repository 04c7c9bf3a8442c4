"""What the pages of the console show, and what their buttons do, over a deployment in memory."""

from __future__ import annotations

import asyncio
import json
import re
import tracemalloc
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryAnswers
from eventcron.client.dead_letters import DROPPED
from eventcron.console.live import Live
from eventcron.model.commands import PauseSchedule
from eventcron.model.events import Answer
from eventcron.model.history import KeepHistory
from eventcron.model.records import State
from eventcron.ports import Page as StorePage
from eventcron.ports import Refusal
from eventcron.testing.world import SETTINGS
from tests.counting import calls_of
from tests.unit.cli.deployed import NOW, Deployed, schedule
from tests.unit.console.browser import Page, Shown, alone, fire, shown

Work = Callable[[Shown], Coroutine[Any, Any, Any]]


@pytest.fixture(name="look")
def _look(deployed: Deployed, tmp_path: Path) -> Callable[..., Any]:
    def look(work: Work, *, allow_changes: bool = False) -> Any:
        async def run() -> Any:
            async with shown(deployed, tmp_path, allow_changes=allow_changes) as console:
                return await work(console)

        return asyncio.run(run())

    return look


def page(path: str) -> Work:
    async def work(console: Shown) -> Page:
        return await console.browser.get(path)

    return work


def fired(live: Live, name: str = "nightly", *, late: int = 31, **detail: Any) -> None:
    live.add(Answer(detail_type="Schedule Fired", detail=fire(name=name, **detail), time=""), NOW + late)


def test_the_overview_counts_what_came(deployed: Deployed, look: Callable[..., Any]) -> None:
    async def work(console: Shown) -> Page:
        for late in (10, 31, 700):
            fired(console.site.live, late=late)
        fired(console.site.live, cause="backfill", due="2025-12-01T08:00:00.000Z")
        skip = {"tenant": "acme", "name": "nightly", "reason": "quota", "count": 7}
        console.site.live.add(Answer(detail_type="Schedule Skipped", detail=skip, time=""), NOW)
        return await console.browser.get("/overview/now")

    text = look(work).text

    assert "4</strong> fires reached this console, at most 4 a minute" in text
    assert re.search(r'skipped: quota</th><td class="number">7<', text)
    late = re.findall(r'row">(< [^<]+|later)</th>.*?"number">(\d+)<', text)
    assert [name for name, count in late if count == "1"] == ["< 25 ms", "< 50 ms", "< 1 s"]


def test_the_forecast_is_a_heat_map_whose_peak_is_midnight(deployed: Deployed, look: Callable[..., Any]) -> None:
    deployed.seed(*[schedule(f"job-{number}", "0 0 * * *") for number in range(5)], schedule("often", "*/15 * * * *"))
    text = look(page("/overview/forecast")).text

    assert "100</strong> fires of 6 schedules" in text
    assert re.search(r'The most in 15 minutes: <strong>6</strong>, from <time datetime="2026-12-02T00:00:00', text)
    assert "all tenants, 2026-12-02T00:00:00Z: 6 fires" in text
    assert "acme, 2026-12-01T09:15:00Z: 1 fire<" in text


def test_a_forecast_that_takes_long_says_how_far_it_is(
    deployed: Deployed, look: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventcron.console.forecast.PATIENCE_SECONDS", 0)

    async def work(console: Shown) -> list[str]:
        first = (await console.browser.get("/overview/forecast")).text
        monkeypatch.setattr("eventcron.console.forecast.PATIENCE_SECONDS", 60)
        return [first, (await console.browser.get("/overview/forecast")).text]

    first, then = look(work)

    assert 'data-again="1"' in first
    assert "Computing what will fire: 0 schedules read" in first
    assert "fires of 0 schedules" in then


def test_health_has_the_lag_and_the_dead_letters(deployed: Deployed, look: Callable[..., Any]) -> None:
    async def work(console: Shown) -> Page:
        console.queue.send_to_dlq("{}")
        return await console.browser.get("/overview/health")

    text = look(work).text

    assert re.search(r"Planner lag</dt><dd>–<", text)  # nothing was planned in memory
    assert re.search(r'class="bad"><dt>Dead letters of commands</dt><dd>1<', text)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"acme/a", "acme/b", "globex/a", "globex/paused"}),
        ("?q=a", {"acme/a", "acme/b", "globex/a", "globex/paused"}),
        ("?q=x/a", set()),  # no tenant is called x
        ("?q=globex/p", {"globex/paused"}),
        ("?tenant=globex", {"globex/a", "globex/paused"}),
        ("?tenant=globex&q=aus", {"globex/paused"}),
        ("?label=team", {"acme/b"}),
        ("?label=team=b", {"acme/b"}),
        ("?label=team=c", set()),
        ("?state=PAUSED", {"globex/paused"}),
        ("?state=nonsense", {"acme/a", "acme/b", "globex/a", "globex/paused"}),
        ("?within=1h", {"acme/b"}),
        ("?within=24h", {"acme/a", "acme/b", "globex/a"}),
    ],
)
def test_schedules_are_searched(deployed: Deployed, look: Callable[..., Any], query: str, found: set[str]) -> None:
    deployed.seed(
        schedule("a", "0 20 * * *"),
        schedule("b", "*/5 * * * *", labels={"team": "b"}),
        schedule("a", "0 21 * * *", tenant="globex"),
        schedule("paused", tenant="globex"),
        PauseSchedule(tenant="globex", name="paused"),
    )
    assert set(re.findall(r'href="/schedules/[^"]+">([^<]+)<', look(page(f"/schedules{query}")).text)) == found


def test_every_schedule_is_on_one_page(deployed: Deployed, look: Callable[..., Any]) -> None:
    deployed.seed(*[schedule(f"job-{number:03}", tenant=f"t{number % 3}") for number in range(120)])

    async def work(console: Shown) -> list[list[str]]:
        following, pages = "/schedules", []
        while following:
            text = (await console.browser.get(following)).text
            pages.append(re.findall(r'href="/schedules/[^"]+">([^<]+)<', text))
            found = re.search(r'href="(/schedules\?[^"]+)">Next', text)
            following = found[1] if found else ""
        return pages

    pages = look(work)

    assert [len(one) for one in pages] == [50, 50, 20]
    assert len({name for one in pages for name in one}) == 120


def test_a_wrong_place_in_the_list_is_the_reader_s_mistake(look: Callable[..., Any]) -> None:
    for token in ("x", "%22", "bm9uc2Vuc2U"):
        assert look(page(f"/schedules?at={token}")).status == 400


def test_of_100_000_schedules_a_page_is_quick_and_takes_no_memory(deployed: Deployed, look: Callable[..., Any]) -> None:
    """The table is 100 pages of 1,000 records, as DynamoDB gives them, of which the store makes one at a time."""
    deployed.seed(schedule("job"))
    store: Any = deployed.cases.store
    (record,) = asyncio.run(store.of_tenant("acme")).items
    read: list[int] = []

    async def scan(_part: int, _parts: int, *, cursor: str | None = None) -> StorePage[Any]:
        number = int(cursor or 0)
        read.append(number)
        names = (f"job-{1_000 * number + place:06}" for place in range(1_000))
        items = [
            type(record)(**{name: getattr(record, name) for name in record.__struct_fields__} | {"name": name})
            for name in names
        ]
        return StorePage(items, str(number + 1) if number < 99 else None)

    store.scan = scan

    async def work(console: Shown) -> tuple[int, list[str]]:
        await console.browser.get("/schedules")
        first = await console.browser.get("/schedules")
        tracemalloc.start()
        sparse = await console.browser.get("/schedules?q=099999")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, [first.text, sparse.text]

    peak, (first, sparse) = look(work)

    # Computing the next fires of all 1,000 that are read would take 200,000.
    assert calls_of(lambda: look(page("/schedules"))) < 30_000
    assert first.count("<tr>") == 51
    assert "Search further" in sparse
    assert "found among 5,000 that were read" in sparse
    assert len(read) == 2 + 5 + 1
    assert peak < 20_000_000


def test_one_schedule_has_its_fires_and_the_clock_changes(deployed: Deployed, look: Callable[..., Any]) -> None:
    deployed.clock.instant = 1_805_932_800_000  # 2027-03-24T00:00:00Z
    deployed.seed(schedule("nightly", "30 2 * * *", timezone="Europe/Oslo", input={"report": "leads"}))
    text = look(page("/schedules/acme/nightly")).text

    assert "At 02:30, every day." in text
    assert "2027-03-27T02:30:00+01:00" in text
    assert text.index("clocks go forward 1 hour") < text.index("2027-03-28T03:00:00+02:00")
    assert '"report": "leads"' in text
    assert text.count('class="change"') == 1
    assert text.count('class="fire"') == 20


def test_a_rate_is_explained_in_the_schedule_s_zone(deployed: Deployed, look: Callable[..., Any]) -> None:
    deployed.seed(schedule("often", "rate(30 minutes)", timezone="Europe/Oslo"))

    assert "clocks go forward" in look(page("/schedules/acme/often")).text


def test_a_schedule_shows_what_was_published_of_it(deployed: Deployed, look: Callable[..., Any]) -> None:
    deployed.seed(schedule("nightly"))

    async def work(console: Shown) -> str:
        fired(console.site.live)
        fired(console.site.live, "other")
        return (await console.browser.get("/schedules/acme/nightly")).text

    text = look(work)

    assert text.count("Schedule Fired") == 1
    assert "31 ms" in text


def test_a_schedule_shows_its_history_and_why_it_did_not_fire(tmp_path: Path) -> None:
    deployed = Deployed(replace(SETTINGS, keep_history=KeepHistory.ALL, history_table="history"))
    deployed.seed(schedule("nightly", "0 2 * * *"))
    key = {"tenant": "acme", "name": "nightly"}
    detail = fire(**key, local_time="2026-12-01T08:00:00.000+00:00", revision=1)
    envelope = {"id": "1", "detail-type": "Schedule Fired", "time": "2026-12-01T08:00:00Z", "detail": detail}
    bodies = [msgspec.json.encode(envelope).decode()]

    async def work() -> list[str]:
        await deployed.cases.handlers.on_history([SimpleNamespace(body=body) for body in bodies])
        async with shown(deployed, tmp_path) as console:
            paths = ("", "?why=2026-12-01T08:30", "?why=", "?why=soon", "?why=2026-12-01T08:30:15")
            return [(await console.browser.get(f"/schedules/acme/nightly{path}")).text for path in paths]

    page, asked, last, mistake, without_offset = asyncio.run(work())

    assert "What the deployment keeps" in page
    assert "due 2026-12-01T08:00:00.000Z, schedule, fire 0" in page
    assert 'role="status"' not in page
    assert re.search(r'role="status"><time datetime="2026-12-01T08:30:00', asked)
    assert 'role="status"' in last
    assert "why: got 'soon'; allowed: date and time" in mistake
    assert "allowed: date and time" in without_offset


@pytest.mark.parametrize("path", ["/schedules/acme/none", "/dead-letters/none", "/nothing"])
def test_what_is_not_there_is_404(look: Callable[..., Any], path: str) -> None:
    assert look(page(path)).status == 404


@pytest.mark.parametrize(
    ("button", "says", "state"),
    [
        (("pause", {}), "Schedule Paused", State.PAUSED),
        (("run", {}), "Schedule Fired", State.ENABLED),
        (("backfill", {"from": "2026-11-30T00:00", "until": "2026-12-01T00:00"}), "Schedule Backfilled", State.ENABLED),
        (("backfill", {"from": "soon", "until": "2026-12-01T00:00"}), "Nothing was sent: from: got", State.ENABLED),
        (("resume", {"missed": "nonsense"}), "Nothing was sent: missed: got", State.ENABLED),
        (("resume", {"missed": "skip"}), "Schedule Resumed", State.ENABLED),
    ],
)
def test_a_button_sends_the_ordinary_command_and_says_what_came_of_it(
    deployed: Deployed, look: Callable[..., Any], button: tuple[str, dict[str, str]], says: str, state: State
) -> None:
    deployed.seed(schedule("nightly"))

    verb, form = button

    async def work(console: Shown) -> tuple[str, State]:
        heard = MemoryAnswers(deployed.bus, deployed.clock)
        put = deployed.put

        async def put_and_hear(events: Any) -> Any:
            done = await put(events)
            for answer in await heard.receive():
                console.site.live.add(answer, NOW)
            return done

        deployed.put = put_and_hear  # type: ignore[method-assign]  # the bus of this test
        answer = await console.browser.post(f"/schedules/acme/nightly/{verb}", {"token": console.site.token, **form})
        assert answer.status == 303
        stored = await console.site.stack.client.get("acme", "nightly")
        assert stored is not None
        return (await console.browser.get(answer.headers["location"])).text, stored.state

    text, now = look(work, allow_changes=True)

    assert says in text
    assert now == state


def test_a_command_that_the_bus_does_not_take_is_said(deployed: Deployed, look: Callable[..., Any]) -> None:
    deployed.seed(schedule("nightly"))
    deployed.refuse = lambda _detail: Refusal(index=0, code="AccessDenied", message="IAM says no", retryable=False)

    async def work(console: Shown) -> str:
        answer = await console.browser.post("/schedules/acme/nightly/run", {"token": console.site.token})
        return (await console.browser.get(answer.headers["location"])).text

    assert "IAM says no" in look(work, allow_changes=True)


def test_a_button_that_is_not_there_is_404(look: Callable[..., Any]) -> None:
    async def work(console: Shown) -> list[int]:
        token = {"token": console.site.token}
        paths = ("/schedules/acme/nightly/delete", "/dead-letters/commands/eat", "/dead-letters/none/send")
        return [(await console.browser.post(path, token)).status for path in paths]

    assert look(work, allow_changes=True) == [404, 404, 404]


def test_a_dead_letter_is_shown_sent_back_and_dropped(
    deployed: Deployed, look: Callable[..., Any], tmp_path: Path
) -> None:
    async def work(console: Shown) -> list[str]:
        queue, token = console.queue, console.site.token
        one = queue.send_to_dlq('{"a": 1}', code="undecodable", reason="not an event")
        other = queue.send_to_dlq("poison", code="undecodable", reason="no JSON")
        texts = [(await console.browser.get("/dead-letters/commands")).text]
        for action, number in (("send", one), ("drop", other), ("send", other)):
            form = {"token": token, "id": number}
            answer = await console.browser.post(f"/dead-letters/commands/{action}", form)
            texts.append((await console.browser.get(answer.headers["location"])).text)
        assert (queue.sent, len(queue)) == (['{"a": 1}'], 0)
        return texts

    before, sent, dropped, missing = look(work, allow_changes=True)

    assert "not an event" in before
    assert '"a": 1' in before
    assert "poison" in before
    assert "1 sent back." in sent
    assert f"1 dropped; {DROPPED} has what was dropped." in dropped
    assert "was not found" in missing
    (line,) = (tmp_path / DROPPED).read_text().splitlines()
    assert json.loads(line)["body"] == "poison"


def test_all_dead_letters_are_sent_back(look: Callable[..., Any]) -> None:
    async def work(console: Shown) -> str:
        for number in range(12):
            console.queue.send_to_dlq(str(number))
        answer = await console.browser.post("/dead-letters/commands/send", {"token": console.site.token})
        assert len(console.queue.sent) == 12
        return (await console.browser.get(answer.headers["location"])).text

    assert "12 sent back." in look(work, allow_changes=True)


def test_a_notice_is_shown_once(look: Callable[..., Any]) -> None:
    async def work(console: Shown) -> list[str]:
        answer = await console.browser.post("/dead-letters/commands/send", {"token": console.site.token})
        return [(await console.browser.get(answer.headers["location"])).text for _ in range(2)]

    first, second = look(work, allow_changes=True)

    assert "0 sent back." in first
    assert "sent back." not in second


def test_segments_and_tenants(deployed: Deployed, look: Callable[..., Any]) -> None:
    deployed.seed(schedule("a", "0 20 * * *"), schedule("b", "*/5 * * * *", tenant="globex"))

    async def work(console: Shown) -> list[str]:
        fired(console.site.live)
        return [(await console.browser.get(path)).text for path in ("/segments", "/tenants/rows")]

    segments, tenants = look(work)

    assert segments.count("<tr>") == 5
    assert "never" in segments
    rows = re.findall(r">(acme|globex)</a></th>\s*((?:<td.*?</td>\s*)+)", tenants)
    cells = {name: re.findall(r">([^<]+)</td>", text) for name, text in rows}
    assert cells == {"globex": ["1", "287", "99.7 %", "0", "0"], "acme": ["1", "1", "0.3 %", "1", "1"]}


@pytest.mark.parametrize("path", ["/", "/schedules", "/dead-letters", "/segments", "/tenants/rows", "/overview/health"])
def test_without_a_deployment_each_page_says_why(path: str) -> None:
    answer = asyncio.run(alone("stack 'none' cannot be reached").get(path))

    assert answer.status == 503
    assert "stack 'none' cannot be reached" in answer.text
    assert 'href="/expression"' in answer.text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", ["At 02:30, Monday to Friday.", "clocks go forward", "cron(30 2 ? * MON-FRI *)"]),
        ("?expression=61+2+*+*+*", ["minute: got", 'role="alert"']),
        ("?expression=&timezone=UTC", ["expression: got nothing"]),
        ("?expression=0+9+*+*+*%0A0+10+*+*+*&timezone=UTC", ["do not change", "Unix cron"]),
        ("?expression=@daily&timezone=Mars", ["timezone: got"]),
        ("?expression=30+2+*+*+*&timezone=Europe/Oslo&gap=skip&overlap=twice", ["daylight_saving_gap", "both times"]),
        ("?expression=@daily&exclude=2026-12-24&timezone=", ["except 2026-12-24"]),
        ("?expression=manual", ["never fires by itself"]),
        ("?expression=" + "9" * 300, ["at most 256 characters"]),
        ("?expression=<script>", ["got"]),
    ],
)
def test_an_expression_is_explained_without_a_deployment(query: str, says: list[str]) -> None:
    answer = asyncio.run(alone("none").get(f"/expression{query}"))

    assert answer.status == 200
    assert [text for text in says if text not in answer.text] == []
    assert b"<script>" not in answer.body
