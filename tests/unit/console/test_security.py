"""Another site's page cannot read or change anything, and nobody can without ``--allow-changes``."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from eventcron.console.app import application
from eventcron.console.live import Live
from eventcron.console.security import HEADERS
from eventcron.console.site import Site
from tests.unit.cli.deployed import Deployed, schedule
from tests.unit.console.browser import HOST, PORT, Browser, Page, shown

PAUSE = "/schedules/acme/nightly/pause"
ADDRESSES = ["/", "/schedules", "/live", "/dead-letters", "/segments", "/tenants", "/expression", "/static/console.js"]


def asked(deployed: Deployed, folder: Path, *, allow_changes: bool = True, **headers: Any) -> tuple[Page, list[Any]]:
    """The answer to the button Pause with those *headers*, and the commands that were sent."""
    deployed.seed(schedule("nightly"))
    deployed.put_details.clear()

    async def work() -> Page:
        async with shown(deployed, folder, allow_changes=allow_changes) as console:
            console.site.live.silent = "nothing is waited for"
            form = {"token": headers.pop("token", console.site.token)}
            return await console.browser.post(PAUSE, form, **headers)

    return asyncio.run(work()), deployed.put_details


def test_a_button_of_the_console_works(deployed: Deployed, tmp_path: Path) -> None:
    answer, sent = asked(deployed, tmp_path)

    assert answer.status == 303
    assert [one["name"] for one in sent] == ["nightly"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"origin": "http://evil.example"}, 403, id="another site"),
        pytest.param({"origin": "null"}, 403, id="a sandboxed frame"),
        pytest.param({"origin": ""}, 403, id="no origin"),
        pytest.param({"origin": "http://127.0.0.1:8701"}, 403, id="another port of this machine"),
        pytest.param({"origin": f"https://{HOST}"}, 403, id="another scheme"),
        pytest.param({"sec-fetch-site": "cross-site"}, 403, id="another site, by the browser"),
        pytest.param({"sec-fetch-site": "same-site"}, 403, id="another port, by the browser"),
        pytest.param({"host": "evil.example:8700", "origin": "http://evil.example:8700"}, 421, id="a rebound name"),
        pytest.param({"token": "forged"}, 403, id="a forged token"),
        pytest.param({"token": ""}, 403, id="no token"),
        pytest.param({"content-type": "text/plain"}, 415, id="a form that needs no preflight"),
        pytest.param({"content-type": "application/json"}, 415, id="not a form"),
    ],
)
def test_a_forged_change_is_refused_and_nothing_is_sent(
    deployed: Deployed, tmp_path: Path, headers: dict[str, Any], status: int
) -> None:
    answer, sent = asked(deployed, tmp_path, **headers)

    assert (answer.status, sent) == (status, [])


def test_without_allow_changes_nothing_is_changed_and_no_button_is_shown(deployed: Deployed, tmp_path: Path) -> None:
    answer, sent = asked(deployed, tmp_path, allow_changes=False)

    assert (answer.status, sent) == (403, [])
    assert "start it with --allow-changes" in answer.text

    async def work() -> list[Page]:
        async with shown(deployed, tmp_path) as console:
            console.queue.send_to_dlq("{}")
            return [await console.browser.get(path) for path in ("/schedules/acme/nightly", "/dead-letters")]

    for page in asyncio.run(work()):
        assert page.status == 200
        assert "<form method" not in page.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(deployed: Deployed, tmp_path: Path, method: str) -> None:
    async def work() -> int:
        async with shown(deployed, tmp_path, allow_changes=True) as console:
            return (await console.browser.ask(method, PAUSE, {"host": HOST, "origin": f"http://{HOST}"})).status

    assert asyncio.run(work()) == 405


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:8700", "127.0.0.1", "127.0.0.1:8701", "127.0.0.1.evil.example:8700"]
)
@pytest.mark.parametrize("path", ADDRESSES)
def test_a_name_that_leads_to_this_machine_reads_nothing(
    deployed: Deployed, tmp_path: Path, host: str, path: str
) -> None:
    async def work() -> Page:
        async with shown(deployed, tmp_path) as console:
            return await console.browser.ask("GET", path, {"host": host})

    answer = asyncio.run(work())

    assert answer.status == 421
    assert "<" not in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="no word of it"),
        pytest.param({"sec-fetch-site": "none"}, 200, id="typed"),
        pytest.param({"sec-fetch-site": "same-origin", "sec-fetch-dest": "script"}, 200, id="its own"),
        pytest.param(
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
            200,
            id="a link",
        ),
        pytest.param({"sec-fetch-site": "cross-site", "sec-fetch-dest": "script"}, 403, id="loaded as a script"),
        pytest.param({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403, id="fetched by another port"),
        pytest.param(
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
            403,
            id="a frame",
        ),
    ],
)
def test_another_site_may_link_to_a_page_and_not_load_it(
    deployed: Deployed, tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async def work() -> int:
        async with shown(deployed, tmp_path) as console:
            return (await console.browser.get("/", **headers)).status

    assert asyncio.run(work()) == status


@pytest.mark.parametrize("path", [*ADDRESSES, "/nothing", "/static/nothing"])
def test_no_answer_may_be_read_framed_or_scripted_by_others(deployed: Deployed, tmp_path: Path, path: str) -> None:
    async def work() -> Page:
        async with shown(deployed, tmp_path, allow_changes=True) as console:
            return await console.browser.get(path)

    answer = asyncio.run(work())

    assert HEADERS.items() <= answer.headers.items()
    assert not [name for name in answer.headers if name.startswith("access-control")]
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    # What the policy would keep from running must not be there at all.
    assert not re.findall(r"<script(?! src=\"/static/)|\son[a-z]+=|\sstyle=|javascript:", answer.text)


def test_a_form_that_is_too_large_or_broken_is_refused(deployed: Deployed, tmp_path: Path) -> None:
    async def work() -> list[int]:
        async with shown(deployed, tmp_path, allow_changes=True) as console:
            large = await console.browser.post(PAUSE, {"token": console.site.token, "more": "x" * 70_000})
            kind = {"content-type": "application/x-www-form-urlencoded", "host": HOST, "origin": f"http://{HOST}"}
            broken = await console.browser.ask("POST", PAUSE, kind, b"\xff\xfe")
            return [large.status, broken.status]

    assert asyncio.run(work()) == [413, 400]


def test_what_a_schedule_says_is_shown_and_not_run(deployed: Deployed, tmp_path: Path) -> None:
    bad = '<script>alert(1)</script>"onload=x'
    deployed.seed(schedule("nightly", labels={"team": bad}, input={"a": bad}, description=bad))

    async def work() -> bytes:
        async with shown(deployed, tmp_path) as console:
            return (await console.browser.get("/schedules/acme/nightly")).body

    body = asyncio.run(work())

    assert b"<script>alert" not in body
    assert b"&lt;script&gt;alert" in body


@pytest.mark.parametrize(
    ("host", "status"),
    [("192.0.2.7:8700", 200), ("[2001:db8::1]:8700", 200), ("evil.example:8700", 421), ("192.0.2.7:80", 421)],
)
def test_served_to_all_of_a_network_it_still_answers_to_no_name(host: str, status: int) -> None:
    site = Site("none", Live(began=0), allow_changes=False)
    browser = Browser(application(site, hosts=[HOST], port=PORT, any_address=True))

    assert asyncio.run(browser.ask("GET", "/expression", {"host": host})).status == status
