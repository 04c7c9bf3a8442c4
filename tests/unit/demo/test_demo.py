"""The parts of the demo that need no AWS: samples, subscriptions, observations, screens and the summary."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from click.testing import CliRunner
from rich.console import Console

from eventcron.adapters.memory import MemoryEventBus
from eventcron.demo import samples
from eventcron.demo.comparison import FromFiles, Lateness, Rejection, Report
from eventcron.demo.observations import (
    GATHER_SECONDS,
    Answer,
    Due,
    News,
    Observations,
    Publication,
    QueueReader,
    Receipt,
    Skip,
)
from eventcron.demo.run import QUIET_MS, Quiet
from eventcron.demo.samples import Sample, Sent, change, put, send
from eventcron.demo.screen import Lines, Screen, Terminal, progress_of
from eventcron.demo.subscriptions import API_DESTINATION, LAMBDA, STEP_FUNCTIONS, SUBSCRIPTIONS, Webhook
from eventcron.entrypoints.cli.demo import command, summary
from eventcron.errors import EventcronError, InvalidSchedule, Unavailable
from eventcron.model.commands import Schedule
from eventcron.model.events import Event
from eventcron.model.names import Instant, Key, Window
from eventcron.oracle.occurrences import due_instants
from eventcron.ports import Refusal
from eventcron.preview.files import read_schedules
from eventcron.testing import FakeClock
from eventcron.testing.clock import JumpingClock
from eventcron.timing.trigger import parse
from eventcron.wire.decode import decode_schedule
from tests.waiting import HANG_SECONDS

#: 2026-06-01T12:00:00Z.
NOW: Instant = 1_780_315_200_000


def schedule(tenant: str, name: str, expression: str) -> Schedule:
    return msgspec.convert({"tenant": tenant, "name": name, "expression": expression}, Schedule)


def rejection_of(sample: Sample) -> str | None:
    """The code with which eventcron rejects a put."""
    try:
        given = decode_schedule(sample.detail)
        parse(given.expression, timezone=given.timezone, exclude=given.exclude, anchor=NOW, key=given.key)
    except InvalidSchedule as error:
        return error.code
    return None


def test_all_real_schedules_ship_and_two_of_them_never_match() -> None:
    entries = list(read_schedules([samples.find_examples()]))
    puts = samples.real([entry.schedule for entry in entries if entry.schedule is not None])
    rejected = [(sample.key.name, sample.rejected) for sample in puts if sample.rejected is not None]

    assert len(entries) == len(puts) == 1_307
    assert rejected == [
        ("periodic-sync-enhancements-github-project-1-37", "never_matches"),
        ("ci-kubernetes-e2e-kops-gce-5000-node-dra-with-workload-ipalias-using-cl2", "never_matches"),
    ]
    assert all(rejection_of(sample) == sample.rejected for sample in puts)


def test_three_of_the_thirty_frequent_schedules_are_invalid() -> None:
    puts = samples.frequent(NOW)

    assert len({sample.key for sample in puts}) == len(puts) == 30
    assert [rejection_of(sample) for sample in puts] == [sample.rejected for sample in puts]
    assert [sample.rejected for sample in puts if sample.rejected] == [
        *("invalid_expression", "unknown_timezone", "unknown_field"),
    ]


def test_three_of_the_frequent_schedules_change_while_they_fire() -> None:
    valid = {sample.key for sample in samples.frequent(NOW) if sample.rejected is None}
    changes = samples.changes()

    assert [change.sample.command for change in changes] == ["Pause Schedule", "Delete Schedule", "Put Schedule"]
    assert [change.part for change in changes] == sorted(change.part for change in changes)
    assert {change.sample.key for change in changes} <= valid


def test_a_schedule_that_fires_once_is_due_to_the_millisecond_in_any_zone() -> None:
    dues = {
        sample.key.name: due_instants(sample.schedule, NOW, NOW + 60_000, NOW)
        for sample in samples.frequent(NOW)
        if sample.schedule is not None and sample.key.tenant == samples.GLOBEX
    }

    assert dues["once-soon"] == [NOW + 5_999]
    assert dues["once-later"] == [NOW + 30_500]


@pytest.mark.parametrize(
    ("tenant", "targets"),
    [
        (samples.ACME, {LAMBDA, API_DESTINATION}),
        (samples.GLOBEX, {STEP_FUNCTIONS, API_DESTINATION}),
        (samples.INITECH, {API_DESTINATION}),
        ("kubernetes-sigs-kueue", {LAMBDA, API_DESTINATION}),
        ("kubernetes-sig-node", {STEP_FUNCTIONS, API_DESTINATION}),
        ("acme-2", {API_DESTINATION}),
    ],
)
def test_a_rule_matches_the_fires_of_its_subscription(tenant: str, targets: set[str]) -> None:
    assert {target for target, one in SUBSCRIPTIONS.items() if one.includes(tenant)} == targets
    assert {target for target, one in SUBSCRIPTIONS.items() if matches(one.pattern(), tenant)} == targets


def matches(pattern: dict[str, Any], tenant: str) -> bool:
    """How EventBridge matches the patterns of the demo."""
    assert pattern["source"] == ["eventcron"]
    assert pattern["detail-type"] == ["Schedule Fired"]
    whose = pattern.get("detail", {"tenant": [{"prefix": ""}]})["tenant"]
    return any(one == tenant if isinstance(one, str) else tenant.startswith(one["prefix"]) for one in whose)


async def test_samples_are_sent_in_the_name_of_their_tenants() -> None:
    clock = JumpingClock(NOW + 400)
    bus = MemoryEventBus(clock)
    puts = [put(schedule("acme", f"n{number}", "* * * * *")) for number in range(23)]
    commands = [*puts, change("Delete Schedule", Key("globex", "gone"))]
    sent = await send(commands, bus, clock)
    events = [event for _, event in bus.published]

    assert sent == [Sent(sample, NOW + 400) for sample in commands]
    assert {one.event_time for one in sent} == {NOW}
    assert events[-1] == Event(
        source="eventcron.tenant.globex",
        detail_type="Delete Schedule",
        detail=b'{"tenant":"globex","name":"gone"}',
        time=NOW + 400,
    )
    assert json.loads(events[0].detail) == {"tenant": "acme", "name": "n0", "expression": "* * * * *"}


class ThrottledBus(MemoryEventBus):
    """A bus that refuses the last of the events in each call."""

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        await super().publish(events[:-1])
        return [Refusal(index=len(events) - 1, code="ThrottlingException", message="slow down")]


async def test_a_sample_that_the_bus_refuses_several_times_ends_the_run() -> None:
    clock = JumpingClock(NOW)
    with pytest.raises(Unavailable, match="events is unavailable: ThrottlingException: slow down"):
        await send([put(schedule("acme", "a", "* * * * *"))], ThrottledBus(clock), clock)


def fired(tenant: str, name: str, due: str) -> str:
    detail = {"tenant": tenant, "name": name, "due": due, "fire_id": "id", "revision": 7, "input": {"any": "thing"}}
    return json.dumps({"id": "1", "source": "eventcron", "detail-type": "Schedule Fired", "detail": detail})


async def at_once(_seconds: float) -> None:
    """Pause for no time."""


class Sqs:
    """A queue that delivers every message twice."""

    def __init__(self, bodies: list[str]) -> None:
        self._bodies = bodies
        self.deleted: list[str] = []

    async def receive_message(self, **_: object) -> dict[str, Any]:
        messages = [
            {"MessageId": body, "ReceiptHandle": f"handle {n}", "Body": body, "Attributes": {"SentTimestamp": "5"}}
            for n, body in enumerate(self._bodies * 2)
        ]
        return {"Messages": messages}

    async def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> None:  # noqa: N803  # botocore's names
        self.deleted += [f"{QueueUrl} {entry['ReceiptHandle']}" for entry in Entries]


async def test_a_reader_takes_each_message_once_and_deletes_it() -> None:
    event = fired("acme", "a", "2026-06-01T12:00:00.000Z")
    receipt = {"target": "lambda", "arrived": "2026-06-01T12:00:00.250+00:00", "event": json.loads(event)}
    observed = Observations()
    events, receipts = Sqs([event]), Sqs([json.dumps(receipt)])
    readers = [
        QueueReader(events, "events", observed.add_event_message, pause=at_once),
        QueueReader(receipts, "receipts", observed.add_receipt_message, pause=at_once),
    ]
    for reader in readers * 2:
        await reader.read()
    due = Due(Key("acme", "a"), NOW)

    assert observed.publications == [Publication(due, "id", 7, 5)]
    assert observed.receipts == [Receipt("lambda", due, "id", NOW + 250)]
    assert events.deleted == ["events handle 0", "events handle 1"] * 2
    assert receipts.deleted == ["receipts handle 0", "receipts handle 1"] * 2


@pytest.mark.parametrize(
    ("count", "calls"),
    [
        pytest.param(4, ["receive", "pause", "delete"], id="a-queue-read-empty-gathers-messages-first"),
        pytest.param(5, ["receive", "delete"], id="a-queue-with-more-is-read-on-at-once"),
    ],
)
async def test_a_reader_leaves_the_embedded_aws_alone_while_messages_come(count: int, calls: list[str]) -> None:
    done: list[str] = []

    class Noted(Sqs):
        async def receive_message(self, **options: object) -> dict[str, Any]:
            done.append("receive")
            return await super().receive_message(**options)

        async def delete_message_batch(self, **options: Any) -> None:
            done.append("delete")
            await super().delete_message_batch(**options)

    async def pause(seconds: float) -> None:
        assert seconds == GATHER_SECONDS
        done.append("pause")

    events = Noted([fired("acme", f"n{n}", "2026-06-01T12:00:00.000Z") for n in range(count)])
    await QueueReader(events, "events", Observations().add_event_message, pause=pause).read()

    assert done == calls


async def test_news_wakes_a_task_that_waits_for_a_condition() -> None:
    news, observed = News(), Observations()
    waiting = asyncio.create_task(news.until(lambda: len(observed.answers) == 2, seconds=HANG_SECONDS))
    for _ in range(2):
        await asyncio.sleep(0)
        observed.answers.append(Answer("Schedule Created", Key("acme", "a"), NOW))
        news.announce()

    assert await waiting
    assert not await news.until(lambda: False, seconds=0.01)


def test_what_was_due_before_the_end_is_waited_for_as_long_as_some_of_it_arrives() -> None:
    observed, key, end = Observations(), Key("acme", "a"), NOW
    quiet = Quiet(observed, end)

    def published(seconds: int) -> bool:
        """Whether it is quiet once a fire was published that was due so many *seconds* after the end."""
        due = Due(key, end + seconds * 1000)
        observed.publications.append(Publication(due, str(due), 7, due.at + 40_000))  # the machine is busy
        return quiet.is_reached()

    quiet_seconds = QUIET_MS // 1000
    assert [published(second) for second in (-2, -1, 5, quiet_seconds - 1)] == [False] * 4
    observed.receipts.append(Receipt("lambda", Due(key, end - 2_000), "late", end + 50_000))
    assert [published(second) for second in (10, 10 + quiet_seconds - 1)] == [False] * 2
    observed.answers.append(Answer("Schedule Paused", key, end + 60_000))
    assert [published(second) for second in (20, 20 + quiet_seconds - 1)] == [False] * 2
    observed.answers.append(Answer("Schedule Completed", key, end + 70_000))  # answers nothing
    assert published(20 + quiet_seconds)


def test_each_kind_of_event_is_observed() -> None:
    observed = Observations()
    common = {"tenant": "acme", "name": "a", "revision": 7}
    span = {"first_due": "2026-06-01T12:00:00.000Z", "last_due": "2026-06-01T12:00:05.000Z", "count": 6}
    events = [
        ("Schedule Created", {**common, "state": "ENABLED"}),
        ("Schedule Rejected", {"code": "unknown_field", "message": "colour: …", "field": "colour"}),
        ("Schedule Skipped", {**common, **span, "reason": "misfire", "fire_id": "x"}),
        (
            "Schedule Failed",
            {**common, "due": "2026-06-01T12:00:07.000Z", "code": "Gone", "message": "…", "attempts": 30},
        ),
    ]
    for detail_type, detail in events:
        observed.add_event(json.dumps({"detail-type": detail_type, "detail": detail}), at=NOW)
    key = Key("acme", "a")

    assert observed.answers == [
        Answer("Schedule Created", key, NOW, revision=7),
        Answer("Schedule Rejected", Key("", ""), NOW, code="unknown_field", message="colour: …"),
    ]
    assert observed.skips == [
        Skip(key, NOW, NOW + 5_000, 6, "misfire"),
        Skip(key, NOW + 7_000, NOW + 7_000, 1, "Gone"),
    ]


async def test_the_webhook_takes_only_requests_with_the_key() -> None:
    got: list[tuple[bytes, Instant]] = []
    receive = Webhook(clock=FakeClock(NOW), receive=lambda body, at: got.append((body, at)))
    async with receive as webhook, ClientSession() as http:
        url = f"{webhook.url}/tenants/acme/fires/a"
        without = await http.post(url, data=b"{}")
        wrong = await http.post(url, data=b"{}", headers={"X-Api-Key": "other"})
        right = await http.post(url, data=b'{"a": 1}', headers={"X-Api-Key": "demo"})

    assert webhook.url.startswith("http://127.0.0.1:")
    assert (without.status, wrong.status, right.status) == (401, 401, 204)
    assert got == [(b'{"a": 1}', NOW)]


def observations() -> Observations:
    observed = Observations()
    for number in range(12):
        due = Due(Key("acme", f"n{number}"), NOW + number * 1_000)
        observed.publications.append(Publication(due, str(due), 7, due.at + number))
        observed.receipts.append(Receipt("lambda", due, str(due), due.at + 50))
    return observed


def test_the_progress_counts_the_fires_of_its_span() -> None:
    now = progress_of(observations(), Window(NOW + 2_000, NOW + 32_000), NOW + 12_500, ["lambda", "step_functions"])

    assert (now.seconds, now.of_seconds, now.published) == (10, 30, 10)
    assert now.received == {"lambda": 10, "step_functions": 0}
    assert now.lateness_ms == Lateness(p50=6, p99=11, max=11)
    assert [one.due.key.name for one in now.latest] == [f"n{number}" for number in range(4, 12)]


def show(screen: Screen) -> None:
    screen.step("emitting 8 schedules by PutEvents")
    for count in (1, 3, 4, 8):
        screen.answers(count, 8)
    screen.step("firing for 30 s")
    for second in (0, 10):
        screen.fires(progress_of(observations(), Window(NOW, NOW + 30_000), NOW + second * 1_000, ["lambda"]))
    screen.close()


def test_a_log_gets_a_line_for_each_step() -> None:
    lines: list[str] = []
    show(Lines(lines.append))

    assert lines == [
        "emitting 8 schedules by PutEvents",
        "  3 of 8 answered",
        "  4 of 8 answered",
        "  8 of 8 answered",
        "firing for 30 s",
        "  10 of 30 s: 12 published; received: lambda 12; late by 5 ms (p50), 11 (p99), 11 (max)",
    ]


def test_a_terminal_gets_a_table_and_is_restored() -> None:
    text = io.StringIO()
    show(Terminal(Console(file=text, force_terminal=True, width=100, color_system=None)))
    shown = text.getvalue()

    assert "8 of 8" in shown
    assert "received by lambda" in shown
    assert "acme/n11" in shown
    assert "12:00:11.000Z" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 2  # the cursor is hidden, and comes back


def report(**fields: Any) -> Report:
    counts = {"emitted": 3, "accepted": 2, "rejected": 1, "due": 40, "published": 40}
    received = {"lambda": 20, "api_destination": 40}
    files = FromFiles(
        emitted=1_307, fired=9, due=12, published=11, received={"lambda": 4}, lateness_ms=Lateness(30, 80, 110)
    )
    return Report(
        **{**counts, "received": received, "lateness_ms": Lateness(20, 90, 120), "from_files": files, **fields}
    )


def test_a_wrong_file_or_a_missing_folder_ends_the_demo_before_it_starts(tmp_path: Path) -> None:
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
        "from files, schedules fired    9 of 1,307",
        "  fires due                    12",
        "  published                    11",
        "  received by lambda           4",
        "  lateness p50, p99, max       30, 80, 110 ms",
        "",
        "\x1b[32mPASS: 40 fires, none missing, early or repeated\x1b[0m",
    ]


def test_a_bad_summary_names_the_fires() -> None:
    text = summary(report(missing=30, faults=[f"missing: n{number}" for number in range(30)]))

    assert "missing: n19\nand 10 more: --json lists them all" in text
    assert "missing: n20" not in text
    assert "FAIL: 30 faults" in text
    assert "PASS" not in text
