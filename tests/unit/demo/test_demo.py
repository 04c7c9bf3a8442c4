"""The demo's parts that need no AWS: who plays, who subscribes, what is shown, how orders are sent."""

from __future__ import annotations

import asyncio
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from click.testing import CliRunner
from rich.console import Console

from eventcron.demo import cast, examples
from eventcron.demo.beside import beside
from eventcron.demo.comparison import Lateness, Rejection, Report
from eventcron.demo.emit import emit
from eventcron.demo.glance import glance
from eventcron.demo.inbox import Inbox
from eventcron.demo.observed import Answer, Due, Excuse, Observed, Publication, Receipt
from eventcron.demo.orders import Order, put, switch
from eventcron.demo.screen import Lines, Screen, Terminal
from eventcron.demo.shares import API_DESTINATION, LAMBDA, SHARES, STEP_FUNCTIONS
from eventcron.demo.targets import Queue, Subscribed
from eventcron.demo.webhook import Webhook
from eventcron.entrypoints.cli.demo import command, summary
from eventcron.errors import EventcronError, InvalidSchedule, Unavailable
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key, Window
from eventcron.oracle.occurrences import due_instants
from eventcron.preview.files import read_schedules
from eventcron.testing import FakeClock
from eventcron.timing.trigger import parse
from eventcron.wire.decode import decode_schedule
from tests.waiting import HANG_SECONDS

#: 2026-06-01T12:00:00Z.
NOW: Instant = 1_780_315_200_000


def schedule(tenant: str, name: str, expression: str) -> Schedule:
    return msgspec.convert({"tenant": tenant, "name": name, "expression": expression}, Schedule)


def refusal_of(order: Order) -> str | None:
    """The code with which the engine refuses a put."""
    try:
        given = decode_schedule(order.detail)
        parse(given.expression, timezone=given.timezone, exclude=given.exclude, anchor=NOW, key=given.key)
    except InvalidSchedule as error:
        return error.code
    return None


def test_the_real_schedules_that_ship_are_all_there_and_two_of_them_never_match() -> None:
    entries = list(read_schedules([examples.find()]))
    orders = cast.real([entry.schedule for entry in entries if entry.schedule is not None])
    refused = [(order.key.name, order.refused) for order in orders if order.refused is not None]

    assert len(entries) == len(orders) == 1_307
    assert refused == [
        ("periodic-sync-enhancements-github-project-1-37", "never_matches"),
        ("ci-kubernetes-e2e-kops-gce-5000-node-dra-with-workload-ipalias-using-cl2", "never_matches"),
    ]
    assert all(refusal_of(order) == order.refused for order in orders)


def test_thirty_quick_ones_play_three_of_them_bad() -> None:
    orders = cast.quick(NOW)

    assert len({order.key for order in orders}) == len(orders) == 30
    assert [refusal_of(order) for order in orders] == [order.refused for order in orders]
    assert [order.refused for order in orders if order.refused] == [
        *("invalid_expression", "unknown_timezone", "unknown_field"),
    ]


def test_three_of_the_quick_ones_are_changed_while_they_fire() -> None:
    good = {order.key for order in cast.quick(NOW) if order.refused is None}
    changes = cast.changes()

    assert [change.order.command for change in changes] == ["Pause Schedule", "Delete Schedule", "Put Schedule"]
    assert [change.part for change in changes] == sorted(change.part for change in changes)
    assert {change.order.key for change in changes} <= good


def test_once_means_a_few_seconds_ahead_to_the_millisecond_in_whatever_zone() -> None:
    dues = {
        order.key.name: due_instants(order.schedule, NOW, NOW + 60_000, NOW)
        for order in cast.quick(NOW)
        if order.schedule is not None and order.key.tenant == cast.GLOBEX
    }

    assert dues["once-soon"] == [NOW + 5_999]
    assert dues["once-later"] == [NOW + 30_500]


@pytest.mark.parametrize(
    ("tenant", "targets"),
    [
        (cast.ACME, {LAMBDA, API_DESTINATION}),
        (cast.GLOBEX, {STEP_FUNCTIONS, API_DESTINATION}),
        (cast.INITECH, {API_DESTINATION}),
        ("kubernetes-sigs-kueue", {LAMBDA, API_DESTINATION}),
        ("kubernetes-sig-node", {STEP_FUNCTIONS, API_DESTINATION}),
        ("acme-2", {API_DESTINATION}),
    ],
)
def test_a_rule_passes_on_what_its_share_says(tenant: str, targets: set[str]) -> None:
    assert {target for target, share in SHARES.items() if share.takes(tenant)} == targets
    assert {target for target, share in SHARES.items() if matches(share.pattern(), tenant)} == targets


def matches(pattern: dict[str, Any], tenant: str) -> bool:
    """EventBridge's rule, as far as the demo's patterns go."""
    assert pattern["source"] == ["eventcron"]
    assert pattern["detail-type"] == ["Schedule Fired"]
    whose = pattern.get("detail", {"tenant": [{"prefix": ""}]})["tenant"]
    return any(one == tenant if isinstance(one, str) else tenant.startswith(one["prefix"]) for one in whose)


class HurriedClock:
    """A clock on which every pause is over at once."""

    def __init__(self) -> None:
        self.pauses: list[int] = []
        self._now = NOW

    def now(self) -> Instant:
        return self._now

    async def sleep_until(self, instant: Instant) -> None:
        if instant > self._now:
            self.pauses.append(instant - self._now)
            self._now = instant


class Bus:
    """PutEvents that refuses an entry as often as *refusals* says, by schedule name."""

    def __init__(self, **refusals: int) -> None:
        self._refusals = refusals
        self.calls: list[list[str]] = []
        self.taken: list[dict[str, Any]] = []

    async def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # botocore's name
        names = [json.loads(entry["Detail"])["name"] for entry in Entries]
        self.calls.append(names)
        results: list[dict[str, str]] = []
        for name, entry in zip(names, Entries, strict=True):
            left = self._refusals.get(name, 0)
            self._refusals[name] = left - 1
            if left > 0:
                results.append({"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"})
            else:
                self.taken.append(entry)
                results.append({"EventId": name})
        return {"FailedEntryCount": sum("ErrorCode" in one for one in results), "Entries": results}


async def test_orders_go_in_tens_in_the_name_of_their_tenant() -> None:
    bus = Bus()
    orders = [put(schedule("acme", f"n{number}", "* * * * *")) for number in range(23)]
    orders.append(switch("Delete Schedule", Key("globex", "gone")))
    sent = await emit(bus, "the-bus", orders, clock=HurriedClock())

    assert [len(call) for call in bus.calls] == [10, 10, 4]
    assert [one.order for one in sent] == orders
    assert {one.at for one in sent} == {NOW}
    assert bus.taken[-1] == {
        "EventBusName": "the-bus",
        "Source": "eventcron.tenant.globex",
        "DetailType": "Delete Schedule",
        "Detail": '{"tenant":"globex","name":"gone"}',
        "Time": datetime(2026, 6, 1, 12, tzinfo=UTC),
    }
    assert json.loads(bus.taken[0]["Detail"]) == {"tenant": "acme", "name": "n0", "expression": "* * * * *"}


async def test_refused_entries_alone_are_sent_again() -> None:
    bus, clock = Bus(b=2), HurriedClock()
    await emit(bus, "the-bus", [put(schedule("acme", name, "* * * * *")) for name in "abc"], clock=clock)

    assert bus.calls == [["a", "b", "c"], ["b"], ["b"]]
    assert clock.pauses == [100, 400]
    # An order's time is when it was first sent, or a retry would move what rate() counts from.
    assert {entry["Time"] for entry in bus.taken} == {datetime(2026, 6, 1, 12, tzinfo=UTC)}


async def test_an_entry_that_is_refused_again_and_again_ends_it() -> None:
    with pytest.raises(Unavailable, match="events is unavailable: ThrottlingException: slow down"):
        await emit(Bus(a=9), "the-bus", [put(schedule("acme", "a", "* * * * *"))], clock=HurriedClock())


def fired(tenant: str, name: str, due: str) -> str:
    detail = {"tenant": tenant, "name": name, "due": due, "fire_id": "id", "revision": 7, "input": {"any": "thing"}}
    return json.dumps({"id": "1", "source": "eventcron", "detail-type": "Schedule Fired", "detail": detail})


class Sqs:
    """A queue of facts that delivers everything twice, and one of receipts; empty, it waits for ever."""

    def __init__(self, facts: list[str], receipts: list[str]) -> None:
        self._messages = {"facts": facts, "receipts": receipts}
        self.deleted: list[str] = []

    async def receive_message(self, *, QueueUrl: str, **_: object) -> dict[str, Any]:  # noqa: N803  # botocore's name
        bodies, self._messages[QueueUrl] = self._messages[QueueUrl], []
        if not bodies:
            await asyncio.get_running_loop().create_future()
        messages = [
            {"MessageId": body, "ReceiptHandle": f"{QueueUrl} {n}", "Body": body, "Attributes": {"SentTimestamp": "5"}}
            for n, body in enumerate(bodies * 2)
        ]
        return {"Messages": messages}

    async def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> None:  # noqa: N803
        self.deleted += [entry["ReceiptHandle"] for entry in Entries]
        assert all(entry["ReceiptHandle"].startswith(QueueUrl) for entry in Entries)


async def test_the_inbox_reads_both_queues_takes_each_message_once_and_wakes_who_waits() -> None:
    event = fired("acme", "a", "2026-06-01T12:00:00.000Z")
    receipt = {"target": "lambda", "arrived": "2026-06-01T12:00:00.250+00:00", "event": json.loads(event)}
    sqs = Sqs([event], [json.dumps(receipt)])
    inbox = Inbox()
    queue = Queue("facts", ""), Queue("receipts", "")
    readers = [asyncio.ensure_future(reader) for reader in inbox.readers(sqs, Subscribed(*queue))]
    try:
        came = await inbox.until(lambda: len(sqs.deleted) == 4, seconds=HANG_SECONDS)
        more = await inbox.until(lambda: len(inbox.observed.publications) > 1, seconds=0.01)
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    due = Due(Key("acme", "a"), NOW)

    assert came
    assert not more
    assert inbox.observed.publications == [Publication(due, "id", 7, 5)]
    assert inbox.observed.receipts == [Receipt("lambda", due, "id", NOW + 250)]


def test_facts_are_told_apart() -> None:
    observed = Observed()
    common = {"tenant": "acme", "name": "a", "revision": 7}
    span = {"first_due": "2026-06-01T12:00:00.000Z", "last_due": "2026-06-01T12:00:05.000Z", "count": 6}
    facts = [
        ("Schedule Created", {**common, "state": "ENABLED"}),
        ("Schedule Rejected", {"code": "unknown_field", "message": "colour: …", "field": "colour"}),
        ("Schedule Skipped", {**common, **span, "reason": "misfire", "fire_id": "x"}),
        (
            "Schedule Failed",
            {**common, "due": "2026-06-01T12:00:07.000Z", "code": "Gone", "message": "…", "attempts": 30},
        ),
    ]
    for kind, detail in facts:
        observed.fact(json.dumps({"detail-type": kind, "detail": detail}), at=NOW)
    key = Key("acme", "a")

    assert observed.answers == [
        Answer("Schedule Created", key, NOW, revision=7),
        Answer("Schedule Rejected", Key("", ""), NOW, code="unknown_field", message="colour: …"),
    ]
    assert observed.excuses == [
        Excuse(key, NOW, NOW + 5_000, 6, "misfire"),
        Excuse(key, NOW + 7_000, NOW + 7_000, 1, "Gone"),
    ]


async def test_the_webhook_takes_only_what_comes_with_the_key() -> None:
    got: list[tuple[bytes, Instant]] = []
    receive = Webhook(
        key_header="X-Api-Key", key="demo", clock=FakeClock(NOW), receive=lambda body, at: got.append((body, at))
    )
    async with receive as webhook, ClientSession() as http:
        url = f"{webhook.url}/tenants/acme/fires/a"
        without = await http.post(url, data=b"{}")
        wrong = await http.post(url, data=b"{}", headers={"X-Api-Key": "other"})
        right = await http.post(url, data=b'{"a": 1}', headers={"X-Api-Key": "demo"})

    assert webhook.url.startswith("http://127.0.0.1:")
    assert (without.status, wrong.status, right.status) == (401, 401, 204)
    assert got == [(b'{"a": 1}', NOW)]


async def test_work_ends_what_was_beside_it() -> None:
    ended = []

    async def other() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("other")

    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    assert await beside(work(), [other()]) == "done"
    assert ended == ["other"]


async def test_what_fails_beside_work_ends_the_work() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("work")

    async def other() -> None:
        raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        await beside(work(), [other()])
    assert ended == ["work"]


def seen() -> Observed:
    observed = Observed()
    for number in range(12):
        due = Due(Key("acme", f"n{number}"), NOW + number * 1_000)
        observed.publications.append(Publication(due, str(due), 7, due.at + number))
        observed.receipts.append(Receipt("lambda", due, str(due), due.at + 50))
    return observed


def test_a_glance_counts_the_fires_of_its_span() -> None:
    now = glance(seen(), Window(NOW + 2_000, NOW + 32_000), NOW + 12_500, ["lambda", "step_functions"])

    assert (now.seconds, now.of_seconds, now.published) == (10, 30, 10)
    assert now.received == {"lambda": 10, "step_functions": 0}
    assert now.lateness_ms == Lateness(p50=6, p99=11, max=11)
    assert [one.due.key.name for one in now.latest] == [f"n{number}" for number in range(4, 12)]


def play(screen: Screen) -> None:
    screen.step("emitting 8 schedules by PutEvents")
    for count in (1, 3, 4, 8):
        screen.answers(count, 8)
    screen.step("firing for 30 s")
    for second in (0, 10):
        screen.fires(glance(seen(), Window(NOW, NOW + 30_000), NOW + second * 1_000, ["lambda"]))
    screen.close()


def test_a_log_gets_a_line_now_and_then() -> None:
    lines: list[str] = []
    play(Lines(lines.append))

    assert lines == [
        "emitting 8 schedules by PutEvents",
        "  3 of 8 answered",
        "  4 of 8 answered",
        "  8 of 8 answered",
        "firing for 30 s",
        "  10 of 30 s: 12 published; received: lambda 12; late by 5 ms (p50), 11 (p99), 11 (most)",
    ]


def test_a_terminal_gets_a_table_and_is_left_as_it_was() -> None:
    text = io.StringIO()
    play(Terminal(Console(file=text, force_terminal=True, width=100, color_system=None)))
    shown = text.getvalue()

    assert "8 of 8" in shown
    assert "received by lambda" in shown
    assert "acme/n11" in shown
    assert "12:00:11.000Z" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 2  # the cursor is hidden, and comes back


def report(**fields: Any) -> Report:
    counts = {"emitted": 3, "accepted": 2, "rejected": 1, "due": 40, "published": 40}
    return Report(
        **{**counts, "received": {"lambda": 20, "api_destination": 40}, "lateness_ms": Lateness(20, 90, 120), **fields}
    )


def test_a_file_that_is_wrong_or_a_folder_that_is_not_there_ends_it_before_it_begins(tmp_path: Path) -> None:
    file = tmp_path / "two.jsonl"
    file.write_text('{"tenant": "acme"}\n{"tenant": "acme", "name": "a", "expression": "@daily", "colour": 1}\n')
    wrong = CliRunner().invoke(command, [str(file)])
    nowhere = CliRunner().invoke(command, ["--json", str(tmp_path / "none" / "report.json")])

    assert isinstance(wrong.exception, EventcronError)  # for ``main`` to say, with exit status 2
    assert re.fullmatch(r".*two\.jsonl:1: name: .*\n.*two\.jsonl:2: colour: .*", str(wrong.exception))
    assert nowhere.exit_code == 2
    assert f"there is no folder {tmp_path / 'none'}" in nowhere.output


def test_a_good_summary() -> None:
    text = summary(
        report(rejections=[Rejection("acme/bad", "unknown_field", "colour: got 'red'")], skipped={"misfire": 1})
    )

    assert text.splitlines()[1:] == [
        "schedules emitted              3",
        "  accepted                     2",
        "  rejected                     1",
        "    acme/bad                   colour: got 'red'",
        "fires due                      40",
        "  published                    40",
        "  received by lambda           20",
        "  received by api_destination  40",
        "  skipped: misfire             1",
        "lateness p50, p99, max         20, 90, 120 ms",
        "early                          0",
        "missing                        0",
        "duplicates                     0",
        "after delete                   0",
        "unexpected                     0",
        "",
        "\x1b[32mPASS: 40 fires, none missing, early or repeated\x1b[0m",
    ]


def test_a_bad_summary_names_the_fires() -> None:
    text = summary(report(missing=30, faults=[f"missing: n{number}" for number in range(30)]))

    assert "missing: n19\nand 10 more: --json lists them all" in text
    assert "missing: n20" not in text
    assert "FAIL: 30 faults" in text
    assert "PASS" not in text
