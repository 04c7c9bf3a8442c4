"""The console in a browser, against ``eventcron dev``: every page, by a person's means."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from eventcron.client.client import Client
from eventcron.client.schedules import Schedule
from eventcron.client.verbs import Receipt
from eventcron.demo.samples import find_examples
from tests.acceptance.browser import browser as chromium
from tests.acceptance.browser import faults
from tests.acceptance.running_dev import dev, until
from tests.waiting import HANG_SECONDS

pytestmark = pytest.mark.embedded

#: Of the real schedules, every sixth: they are put within two seconds, and their day has the same shape.
EVERY = 6
PAGES = (
    "", "schedules", "schedules/acme/nightly", "live", "dead-letters/commands", "segments", "tenants", "expression"
)  # fmt: skip
#: Where ``make screenshots`` wants them. Otherwise they are taken and thrown away.
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
SHOWN = {
    "": "overview",
    "schedules": "schedules",
    "schedules/acme/nightly": "schedule",
    "live": "live",
    "expression": "expression",
}

#: The sum of what moved on a page by itself. A browser reports what was before at once.
SHIFTS = """new Promise((done) => {
  const sum = (list) => done(list.getEntries().reduce((total, one) => total + one.value, 0));
  new PerformanceObserver(sum).observe({type: "layout-shift", buffered: true});
  setTimeout(done, 100, 0);
})"""

SHOWN_DARK = {"live"}


class Running(NamedTuple):
    #: The console of ``eventcron dev``, which only shows.
    reading: str
    #: Another one, ``eventcron console --allow-changes``.
    changing: str
    client: Any
    outputs: dict[str, str]
    environment: dict[str, str]


@pytest.fixture(name="running", scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("dev")
    with dev(folder, "--port", "0", "--json") as process:
        until(lambda: process.stdout.endswith("\n"), process)
        ready = json.loads(process.stdout)
        announced = json.loads((folder / ".eventcron" / "dev.json").read_text())
        assert announced["console"] == ready["console"]
        with _console(folder, "--allow-changes") as changing, _client(ready) as client:
            _put_schedules(client)
            yield Running(ready["console"], changing, client, ready["outputs"], ready["environment"])
        assert process.stop(signal.SIGINT) == 128 + signal.SIGINT


@contextmanager
def _console(folder: Path, *arguments: str) -> Iterator[str]:
    """``eventcron console`` in the directory of the running ``dev``, and its address. Ctrl-C ends it."""
    command = [sys.executable, "-m", "eventcron", "console", "--port", "0", "--json", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["console"]
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(HANG_SECONDS) == 130


@contextmanager
def _client(ready: dict[str, Any]) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in ready["environment"].items():
            patched.setenv(name, value)
        with Client.sync() as client:
            yield client


def _put_schedules(client: Any) -> None:
    """The real ones as if they had been put at a midnight, and two of our own."""
    soon = datetime.now(UTC) + timedelta(minutes=8)
    lines = find_examples().read_text(encoding="utf-8").splitlines()[::EVERY]
    real = [Schedule(**json.loads(line), start="2026-01-01T00:00:00Z") for line in lines]
    ours = [
        Schedule(tenant="acme", name="hello", expression="rate(4 seconds)", input={"hello": "world"}, end=soon),
        Schedule(tenant="acme", name="nightly", expression="30 2 * * *", timezone="Europe/Oslo", labels={"team": "a"}),
    ]
    results = client.send([*ours, *real], wait=True)
    assert [result for result in results if not isinstance(result, Receipt)] == []


@pytest.fixture(name="browser", scope="module")
def _browser() -> Iterator[Browser]:
    expect.set_options(timeout=HANG_SECONDS * 1000)
    with chromium() as browser:
        yield browser


@contextmanager
def opened(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page, on which no script may fail and no request."""
    wrong: list[str] = []
    context = browser.new_context(
        **{"viewport": {"width": 1280, "height": 900}, "timezone_id": "Europe/Oslo"} | options
    )
    context.set_default_timeout(HANG_SECONDS * 1000)
    page = context.new_page()
    page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 400 else None)
    yield page
    context.close()
    assert wrong == []


def loaded(page: Page, address: str) -> None:
    """Open *address* and wait until each of its parts is loaded."""
    page.goto(address)
    expect(page.locator("[data-src] > .hint")).to_have_count(0)


def pressed(page: Page, console: str, button: str, answer: str) -> None:
    """Press *button* on the page of acme/nightly, and wait for *answer*: the page says it, or that it is not there yet.

    Then it comes to the page Live, however busy the machine is.
    """
    page.get_by_role("button", name=button).click()
    notice = page.get_by_role("status").first
    expect(notice).to_have_text(re.compile(rf"^({answer}|The command was sent .* Its answer has not come yet\.)$"))
    if notice.inner_text() != answer:
        page.goto(f"{console}live?tenant=acme&prefix=nightly")
        expect(page.locator("#events")).to_contain_text(answer)
        loaded(page, f"{console}schedules/acme/nightly")


def test_on_a_telephone_nothing_is_cut_off_and_nothing_moves(running: Running, browser: Browser) -> None:
    moved = {}
    with opened(browser, viewport={"width": 375, "height": 700}) as page:
        for path in PAGES:
            loaded(page, running.changing + path)
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
            moved[path] = page.evaluate(SHIFTS)

    assert {path: shift for path, shift in moved.items() if shift > 0.1} == {}  # what web.dev calls good


def test_the_keyboard_gets_past_the_navigation(running: Running, browser: Browser) -> None:
    with opened(browser) as page:
        loaded(page, running.reading)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"


def test_a_fire_appears_by_itself_and_not_before_its_instant(running: Running, browser: Browser) -> None:
    """How late it is depends on how busy this machine is."""
    with opened(browser) as page:
        page.goto(f"{running.reading}live?tenant=acme&kind=fires")
        expect(page.locator("#listening")).to_have_text("Listening.")
        late = page.evaluate(
            """new Promise((done) => {
              new MutationObserver((changes) => {
                for (const row of changes.flatMap((change) => [...change.addedNodes])) {
                  done(Date.now() - Date.parse(row.textContent.match(/due (\\S+Z)/)[1]));
                }
              }).observe(document.getElementById("events"), {childList: true});
            })"""
        )
        assert late >= 0
        expect(page.locator("#events tr").first).to_contain_text("acme/hello")

        page.get_by_role("button", name="Hold").click()
        number = page.locator("#events tr").count()
        page.evaluate(
            """new Promise((done) => {
              const source = new EventSource("/live/events?tenant=acme&kind=fires");
              source.onmessage = () => { source.close(); done(); };
            })"""
        )
        assert page.locator("#events tr").count() == number


def test_the_heat_map_shows_the_midnight_of_the_real_schedules(running: Running, browser: Browser) -> None:
    with opened(browser, timezone_id="Asia/Tokyo") as page:  # there is no summer time
        loaded(page, running.reading)
        titles = page.eval_on_selector_all("svg.heat rect title", "all => all.map((one) => one.textContent)")
        fires: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for title in titles:
            if found := re.match(r"(.+), \S+T(\S+)Z: ([\d,]+) fires?$", title):
                fires[found[1]][found[2]] += int(found[3].replace(",", ""))
        counts = fires["all tenants"]
        assert len(counts) > 48  # parts of a quarter of an hour in which something fires
        assert fires["acme"]
        # Whatever the time is: our own schedule that fires every four seconds fires now.
        assert (counts - fires["acme"]).most_common(1)[0][0] == "00:00:00"
        expect(page.locator(".forecast")).to_contain_text(re.compile("from .*-.. 09:00:00 on"))  # Tokyo's time


def test_schedules_are_found_as_one_types(running: Running, browser: Browser) -> None:
    with opened(browser) as page:
        loaded(page, f"{running.reading}schedules")
        expect(page.locator("#result tbody tr")).to_have_count(50)
        page.get_by_label("Name has").fill("acme/night")
        expect(page.locator("#result tbody tr")).to_have_count(1)
        page.get_by_role("link", name="acme/nightly").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("acme/nightly")
        expect(page.locator("main")).to_contain_text("At 02:30, every day.")
        assert "T02:30:00+0" in page.locator("main").inner_text()


def test_a_pause_is_refused_unless_changes_are_allowed(running: Running, browser: Browser) -> None:
    button = "schedules/acme/nightly/pause"
    with opened(browser) as page:
        loaded(page, f"{running.reading}schedules/acme/nightly")
        expect(page.locator("form[method=post]")).to_have_count(0)
        refused = page.context.request.post(
            running.reading + button, form={"token": "x"}, headers={"origin": running.reading.rstrip("/")}
        )
        assert (refused.status, "--allow-changes" in refused.text()) == (403, True)
        assert running.client.get("acme", "nightly").state == "ENABLED"

        loaded(page, f"{running.changing}schedules/acme/nightly")
        pressed(page, running.changing, "Pause", "Schedule Paused")
        assert running.client.get("acme", "nightly").state == "PAUSED"
        pressed(page, running.changing, "Resume", "Schedule Resumed")
        pressed(page, running.changing, "Run now", "Schedule Fired")
        page.get_by_label("From, UTC").fill("2026-11-01T00:00")
        page.get_by_label("until, UTC").fill("2026-11-03T00:00")
        pressed(page, running.changing, "Backfill", "Schedule Backfilled")


def test_a_dead_letter_is_sent_back_and_arrives(running: Running, browser: Browser) -> None:
    import boto3  # noqa: PLC0415  # the embedded AWS needs it anyway

    put = {"tenant": "acme", "name": "late", "expression": "0 0 1 1 *"}
    event = {
        "version": "0", "id": "5f2f8f3c-0000-4000-8000-000000000001", "detail-type": "Put Schedule",
        "source": "eventcron.tenant.acme", "time": "2026-11-01T00:00:00Z", "detail": put,
    }  # fmt: skip
    sqs = boto3.client("sqs", endpoint_url=running.environment["AWS_ENDPOINT_URL"], region_name="us-east-1",
                       aws_access_key_id="test", aws_secret_access_key="test")  # fmt: skip
    sqs.send_message(QueueUrl=running.outputs["CommandDeadLettersUrl"], MessageBody=json.dumps(event))
    with opened(browser) as page:
        loaded(page, f"{running.changing}dead-letters/commands")
        expect(page.locator("article")).to_contain_text('"name": "late"')
        page.get_by_role("button", name="Send back dead letter 1").click()
        expect(page.get_by_role("status").first).to_have_text("1 sent back.")
        page.goto(f"{running.changing}live?prefix=late")
        expect(page.locator("#events")).to_contain_text("Schedule Created")
        loaded(page, f"{running.changing}schedules/acme/late")
        expect(page.locator("main")).to_contain_text("January")


def test_an_expression_is_explained_as_one_types(running: Running, browser: Browser) -> None:
    with opened(browser) as page:
        loaded(page, f"{running.reading}expression")
        page.get_by_label("Expression; several").fill("0 9 * * 1")
        expect(page.locator("#result")).to_contain_text("At 09:00, on Mondays.")
        page.get_by_label("Expression; several").fill("61 9 * * 1")
        expect(page.get_by_role("alert")).to_contain_text("minute: got")


def test_another_site_cannot_use_the_console(running: Running, browser: Browser) -> None:
    """A page under another name asks for it, loads it as a script, frames it and sends it a form."""
    running.client.put(Schedule(tenant="acme", name="guarded", expression="0 0 1 1 *"), wait=True)
    context = browser.new_context()
    page = context.new_page()
    page.route("http://evil.example/**", lambda route: route.fulfill(body="<!doctype html><title>evil</title>",
                                                                     content_type="text/html"))  # fmt: skip
    page.goto("http://evil.example/")
    address = running.changing
    read = page.evaluate("address => fetch(address).then(() => 'read', () => 'refused')", address)
    script = page.evaluate(
        """address => new Promise((done) => {
          const made = document.createElement("script");
          made.onload = () => done("loaded"); made.onerror = () => done("refused");
          made.src = address + "static/console.js"; document.head.append(made);
        })""",
        address,
    )
    with page.expect_navigation() as moved:
        page.evaluate(
            """address => {
              const form = document.createElement("form");
              form.method = "post"; form.action = address + "schedules/acme/guarded/pause"; document.body.append(form);
              form.submit();
            }""",
            address,
        )
    assert (read, script, moved.value.status) == ("refused", "refused", 403)
    assert running.client.get("acme", "guarded").state == "ENABLED"
    context.close()


def test_every_page_can_be_used_by_everyone_in_either_theme(running: Running, browser: Browser) -> None:
    """The last test, so that there is something to see on the pictures of the pages."""
    found = {}
    with opened(browser, color_scheme="light") as page:
        for path in PAGES:
            loaded(page, running.changing + path)
            found[path] = faults(page)
            if path in SHOWN and path not in SHOWN_DARK:
                _screenshot(page, SHOWN[path])
            page.emulate_media(color_scheme="dark")
            if path in SHOWN_DARK:
                _screenshot(page, SHOWN[path])
            found[path] += faults(page, only=["color-contrast"])
            page.emulate_media(color_scheme="light")

    assert {path: what for path, what in found.items() if what} == {}


def _screenshot(page: Page, name: str) -> None:
    picture = page.screenshot(full_page=name == "overview")
    with Image.open(BytesIO(picture)) as image:
        assert image.width == 1280
        if SCREENSHOTS:
            # Few colours: a tenth of the bytes.
            image.convert("RGB").quantize(96).save(Path(SCREENSHOTS) / f"console-{name}.png", optimize=True)
