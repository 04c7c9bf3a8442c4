"""The commands of an operator on a running stack: dead letters, segments, the reconciler, a backfill, subscriptions."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from eventcron.entrypoints.cli.dev import environment
from eventcron.local.runtime import LocalSettings, Runtime
from tests.acceptance.test_dev_targets import ECHO
from tests.acceptance.test_dev_targets import World as Targets
from tests.commands import Done, run
from tests.waiting import received, until

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(name="runtime", scope="module", loop_scope="module")
async def _runtime() -> AsyncIterator[Runtime]:
    # Two planners, so that there is every queue; other tests have one.
    async with Runtime(LocalSettings(planner_workers=2)) as runtime:
        yield runtime


async def eventcron(runtime: Runtime, *arguments: str, **env: str) -> Done:
    """Run the command with the environment that ``eventcron dev`` prints."""
    return await asyncio.to_thread(run, *arguments, env={**os.environ, **environment(runtime), **env})


async def put_event(runtime: Runtime, detail_type: str, detail: dict[str, Any]) -> None:
    answer = await runtime.client("events").put_events(
        Entries=[
            {
                "EventBusName": runtime.bus_name,
                "Source": f"eventcron.tenant.{detail['tenant']}",
                "DetailType": detail_type,
                "Detail": json.dumps(detail),
            }
        ]
    )
    assert answer["FailedEntryCount"] == 0


async def dead_letters(runtime: Runtime, queue: str, count: int) -> None:
    """Wait until *queue* holds *count* dead letters, and ``redrive list`` says so."""
    url = runtime.outputs[f"{queue.removesuffix('s').title()}DeadLettersUrl"]

    async def so_many() -> bool:
        name = "ApproximateNumberOfMessages"
        answer = await runtime.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(answer["Attributes"][name]) == count

    await until(so_many)
    assert (await eventcron(runtime, "redrive", "list", "--json")).json[queue] == count


@pytest.mark.parametrize(
    ("queue", "output", "reason"),
    [
        pytest.param("commands", "CommandQueueUrl", "not an EventBridge event", id="commands"),
        pytest.param("segments", "SegmentQueueUrl", "not a range", id="segments"),
    ],
)
async def test_poison_is_listed_shown_sent_back_and_dropped(
    runtime: Runtime, tmp_path: Path, queue: str, output: str, reason: str
) -> None:
    sqs = runtime.client("sqs")
    assert (await eventcron(runtime, "redrive", "list")).status == 0
    await sqs.send_message(QueueUrl=runtime.outputs[output], MessageBody="poison")
    await dead_letters(runtime, queue, 1)
    assert (await eventcron(runtime, "redrive", "list")).status == 1

    shown = (await eventcron(runtime, "redrive", "show", queue, "--json")).json
    (dead_letter,) = shown["dead_letters"]
    assert (dead_letter["code"], dead_letter["body"]) == ("undecodable", "poison")
    assert dead_letter["reason"].startswith(reason)
    assert f"undecodable: {reason}" in (await eventcron(runtime, "redrive", "show", queue)).out

    sent = await eventcron(runtime, "redrive", "send", queue, dead_letter["id"], "--json")
    assert (sent.status, sent.json) == (0, {"sent": 1, "failed": {}, "missing": []})
    await dead_letters(runtime, queue, 1)  # it is still poison, so it becomes a dead letter again

    record = tmp_path / "dropped.jsonl"
    dropped = await eventcron(runtime, "redrive", "drop", queue, "--all", "--record", str(record))
    assert (dropped.status, dropped.out) == (0, "1 dropped\n")
    (line,) = [json.loads(line) for line in record.read_text().splitlines()]
    assert (line["queue"], line["body"], line["code"]) == (queue, "poison", "undecodable")
    await dead_letters(runtime, queue, 0)


@pytest.mark.parametrize("queue", ["work", "missing", "FireQueueUrl"])
@pytest.mark.parametrize(
    "arguments", [["show"], ["send", "--all"], ["drop", "--all"]], ids=lambda arguments: arguments[0]
)
async def test_a_queue_that_holds_nobodys_dead_letters_is_not_touched(
    runtime: Runtime, tmp_path: Path, queue: str, arguments: list[str]
) -> None:
    sqs = runtime.client("sqs")
    work = (await sqs.create_queue(QueueName="work"))["QueueUrl"]
    await sqs.purge_queue(QueueUrl=work)
    await sqs.send_message(QueueUrl=work, MessageBody="an order")
    url = runtime.outputs.get(queue) or work.removesuffix("work") + queue
    command, *options = arguments
    record = ["--record", str(tmp_path / "dropped.jsonl")] if command == "drop" else []

    done = await eventcron(runtime, "redrive", command, url, *options, *record)

    says = f"there is no queue {url};" if queue == "missing" else f"{url} is nobody's dead-letter queue:"
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"eventcron: {says}")
    assert done.err.count("\n") == 1
    (message,) = (await sqs.receive_message(QueueUrl=work))["Messages"]
    assert message["Body"] == "an order"


async def test_the_dead_letter_queue_of_another_queue_is_taken(runtime: Runtime) -> None:
    sqs = runtime.client("sqs")
    dead = (await sqs.create_queue(QueueName="orders-dead"))["QueueUrl"]
    arn = (await sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"})
    await sqs.create_queue(QueueName="orders", Attributes={"RedrivePolicy": policy})

    assert (await eventcron(runtime, "redrive", "show", dead)).out == f"no dead letters in {dead}\n"


async def test_a_dead_command_takes_effect_after_its_redrive(runtime: Runtime) -> None:
    """EventBridge could not deliver it. Its dead letter names the target, and the redrive sends it there."""
    sqs = runtime.client("sqs")
    arn = await sqs.get_queue_attributes(QueueUrl=runtime.outputs["CommandQueueUrl"], AttributeNames=["QueueArn"])
    event = {
        "version": "0", "id": "e-1", "detail-type": "Put Schedule", "source": "eventcron.tenant.acme",
        "account": "000000000000", "time": "2026-12-01T00:00:00Z", "region": "us-east-1", "resources": [],
        "detail": {"tenant": "acme", "name": "late", "expression": "0 0 1 1 *"},
    }  # fmt: skip
    attributes = {
        "TARGET_ARN": arn["Attributes"]["QueueArn"],
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": "not allowed",
    }
    for target in (attributes, {**attributes, "TARGET_ARN": "arn:aws:events:us-east-1:1:api-destination/x/y"}):
        await sqs.send_message(
            QueueUrl=runtime.outputs["TargetDeadLettersUrl"],
            MessageBody=json.dumps(event),
            MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in target.items()},
        )

    sent = await eventcron(runtime, "redrive", "send", "targets", "--all", "--json")

    assert (sent.status, sent.json["sent"]) == (1, 1)
    (reason,) = sent.json["failed"].values()
    assert reason.startswith("its target is an API destination, which only a rule can invoke: send it to a bus")
    table = {"TableName": runtime.outputs["SchedulesTableName"]}
    key = {"tenant": {"S": "acme"}, "name": {"S": "late"}}

    async def took_effect() -> bool:
        return "Item" in await runtime.client("dynamodb").get_item(**table, Key=key, ConsistentRead=True)

    assert await until(took_effect)


async def test_segments_are_listed_and_their_schedules_are_moved(runtime: Runtime) -> None:
    await put_event(runtime, "Put Schedule", {"tenant": "acme", "name": "often", "expression": "rate(5 seconds)"})
    listed = await eventcron(runtime, "segments", "--json")

    segments = listed.json["segments"]
    assert "SegmentQueueUrl" in runtime.outputs
    assert [segment["segment"] for segment in segments] == list(range(runtime.settings.segments))
    assert all(segment["planned_through"] for segment in segments)
    assert "planned through" in (await eventcron(runtime, "segments")).out

    moved = await eventcron(runtime, "segments", "resize", "1", "--json")
    assert moved.json["segments"] == 1
    assert moved.json["records"] >= 1
    items = (await runtime.client("dynamodb").scan(TableName=runtime.outputs["SchedulesTableName"]))["Items"]
    assert {item["segment"]["N"] for item in items if "segment" in item} == {"0"}


async def test_upcoming_fires_are_listed_with_their_local_time(runtime: Runtime) -> None:
    """Of one tenant or of all, whether they are in the queue already or not."""
    # Still ahead after all commands, and among the first twenty.
    due = datetime.now(UTC) + timedelta(minutes=15)
    once = {"tenant": "soon", "name": "once", "expression": f"at({due:%Y-%m-%dT%H:%M:%S})"}
    often = {"tenant": "soon", "name": "often", "expression": "* * * * *", "timezone": "Asia/Kathmandu"}
    for detail in (once, {**often, "exclude": ["2020-01-01"]}):
        await put_event(runtime, "Put Schedule", detail)

    async def both() -> dict[str, Any] | None:
        listed: dict[str, Any] = (await eventcron(runtime, "upcoming", "--tenant", "soon", "--json")).json
        return listed if listed["schedules"] == 2 else None

    listed = await until(both)

    assert listed["fires"] == 61
    (shot,) = [fire for fire in listed["first"] if fire["name"] == "once"]
    assert shot["at"] == f"{due:%Y-%m-%dT%H:%M:%S}Z"
    kathmandu = [fire for fire in listed["first"] if fire["name"] == "often"]
    assert {fire["local_time"][-6:] for fire in kathmandu} == {"+05:45"}
    assert len(listed["first"]) == 20

    everyone = await eventcron(runtime, "upcoming", "--for", "20m", "--summary", "--json")
    assert everyone.status == 0
    assert everyone.json["per_tenant"]["soon"] == 21
    assert sum(everyone.json["per_minute"].values()) == everyone.json["fires"] >= 21

    text = await eventcron(runtime, "upcoming", "--tenant", "soon", "--limit", "1", "--for", "20m")
    assert text.out.splitlines()[1:2] == ["… and 20 more: --limit lists them, --summary counts them"]
    assert "21 fires of 2 schedules, from " in text.out
    assert "a minute, at " in (await eventcron(runtime, "upcoming", "--summary", "--tenant", "soon")).out


async def test_the_deployed_reconciler_runs(runtime: Runtime) -> None:
    functions = (await runtime.client("lambda").list_functions())["Functions"]
    (name,) = [one["FunctionName"] for one in functions if "ReconcilerFunction" in one["FunctionName"]]
    answer = await runtime.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    async with answer["Payload"] as body:
        repaired = json.loads(await body.read())

    assert "FunctionError" not in answer, repaired
    assert set(repaired) >= {"expired", "segment", "wake"}


async def test_a_backfill_fires_and_is_cancelled(runtime: Runtime) -> None:
    sqs, events = runtime.client("sqs"), runtime.client("events")
    url = (await sqs.create_queue(QueueName="backfilled"))["QueueUrl"]
    arn = (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
    pattern = {"source": ["eventcron"], "detail": {"name": ["past"]}}
    await events.put_rule(Name="backfilled", EventBusName=runtime.bus_name, EventPattern=json.dumps(pattern))
    await events.put_targets(Rule="backfilled", EventBusName=runtime.bus_name, Targets=[{"Id": "queue", "Arn": arn}])
    past = {"tenant": "acme", "name": "past"}
    await put_event(runtime, "Put Schedule", {**past, "expression": "* * * * *", "state": "PAUSED"})
    arrived: list[dict[str, Any]] = []

    async def receive_until(wanted: Any) -> None:
        while not any(wanted(event) for event in arrived):
            arrived.extend(json.loads(message["Body"]) for message in await received(sqs, url, at_most=10))

    await receive_until(lambda event: event["detail-type"] == "Schedule Created")
    span = {"from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "backfill_id": "day"}
    await put_event(runtime, "Backfill Schedule", {**past, **span, "per_minute": 120})
    await receive_until(lambda event: event["detail"].get("due") == "2026-01-01T00:04:00.000Z")
    (running,) = (await eventcron(runtime, "backfills", "list", "--json")).json["backfills"]
    shown = await eventcron(runtime, "backfills", "show", "acme/past/day")
    assert (running["state"], running["per_minute"], running["from"]) == ("RUNNING", 120, "2026-01-01T00:00:00Z")
    assert running["fires"] + running["left"] == 24 * 60
    assert "acme/past/day" in (await eventcron(runtime, "backfills", "list")).out
    assert (await eventcron(runtime, "backfills", "list", "--tenant", "beta")).out == "no backfill is running\n"
    (entries,) = [line for line in shown.out.splitlines() if line.startswith("aws events put-events")]
    # What it says to run, run.
    answer = await events.put_events(Entries=json.loads(shlex.split(entries)[-1]))
    assert answer["FailedEntryCount"] == 0
    await receive_until(lambda event: event["detail"].get("state") == "CANCELLED")

    assert (await eventcron(runtime, "backfills", "show", "acme/past/day", "--json")).json["state"] == "CANCELLED"
    fired = [event["detail"] for event in arrived if event["detail-type"] == "Schedule Fired"]
    assert {(fire["cause"], fire["cause_id"]) for fire in fired} == {("backfill", "day")}
    assert len({fire["fire_id"] for fire in fired}) == len(fired)


@pytest.mark.parametrize(
    ("arguments", "env", "sentence"),
    [
        pytest.param(["redrive", "list", "--stack", "other"], {}, "stack 'other' cannot be reached", id="no-stack"),
        pytest.param(["segments"], {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "aws is unavailable", id="nobody-there"),
        pytest.param(["list", "--endpoint-url", "nowhere"], {}, "Invalid endpoint: nowhere", id="no-url"),
        pytest.param(["export", "-", "--schedules-table", "none"], {}, "AWS refused: ", id="no-table"),
        pytest.param(["redrive", "send", "fires"], {}, "give the ids of dead letters", id="nothing-asked-for"),
        pytest.param(["redrive", "show", "letters"], {}, "got 'letters'; allowed: commands", id="no-such-queue"),
        pytest.param(["redrive", "send", "fires", "--all", "--to", "x"], {}, "'x' is not an ARN", id="no-arn"),
        pytest.param(["backfills", "show", "acme"], {}, "backfill: got 'acme'; allowed: TENANT/NAME/ID", id="no-key"),
        pytest.param(["backfills", "show", "a/b/c"], {}, "ended within the last 14 days", id="no-such-backfill"),
        pytest.param(["upcoming", "--for", "25h"], {}, "got a span of 25.0 hours; allowed: at most 24", id="long-span"),
        pytest.param(["upcoming", "--for", "1h", "--until", "2100-01-01"], {}, "--for or --until, not both", id="both"),
        pytest.param(
            ["upcoming", "--from", "2026-01-01"], {}, "--from: got 2026-01-01T00:00:00Z; allowed: ", id="past"
        ),
    ],
)
async def test_a_mistake_is_reported_in_one_sentence(
    runtime: Runtime, arguments: list[str], env: dict[str, str], sentence: str
) -> None:
    done = await eventcron(runtime, *arguments, **env)

    # Where nobody answers, the arguments may be right.
    assert (done.status, done.out) == (1 if "unavailable" in sentence else 2, "")
    assert sentence in done.err


async def test_the_commands_about_schedules_do_what_they_say(runtime: Runtime) -> None:
    put = await eventcron(runtime, "put", "verbs/job", "0 0 1 1 *", "--input", '{"a": 1}', "--label", "team=a")
    refused = await eventcron(runtime, "put", "verbs/old", "at(2020-01-01T00:00:00)")
    listed = await eventcron(runtime, "list", "verbs", "--label", "team=a", "--json")
    got = await eventcron(runtime, "get", "verbs/job", "--fires", "2", "-o", "json")
    ran = await eventcron(runtime, "run", "verbs/job", "--wait", "--json")
    span = ("--from", "2026-01-01", "--until", "2026-01-02", "--per-minute", "600")
    filled = await eventcron(runtime, "backfill", "verbs/job", *span, "--wait")
    paused = await eventcron(runtime, "pause", "--tenant", "verbs")
    resumed = await eventcron(runtime, "resume", "--tenant", "verbs")
    calendar = await eventcron(runtime, "calendars", "put", "verbs/days", "2026-12-24")
    deleted = await eventcron(runtime, "delete", "verbs/job")
    gone = await eventcron(runtime, "get", "verbs/job")

    assert (put.status, put.out) == (0, "verbs/job: Schedule Created\n")
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith("eventcron: expression: got 'at(2020-01-01T00:00:00)'; allowed: ")
    assert [one["schedule"]["name"] for one in listed.json["schedules"]] == ["job"]
    assert [fire["due"][4:] for fire in got.json["next_fires"]] == ["-01-01T00:00:00.000Z"] * 2
    assert (ran.json["event"], ran.json["detail"]["input"]) == ("Schedule Fired", {"a": 1})
    assert filled.out.endswith(" completed: 1 fire, 0 skipped\n")
    assert (paused.out, resumed.out) == ("1 schedule paused\n", "1 schedule resumed\n")
    assert calendar.out == "verbs/days: Calendar Updated\n"
    assert deleted.out == "verbs/job: Schedule Deleted\n"
    assert (gone.status, gone.out) == (2, "")
    events, sqs = runtime.client("events"), runtime.client("sqs")
    rules = await events.list_rules(EventBusName=runtime.bus_name, NamePrefix="eventcron-answers-")
    assert rules["Rules"] == []
    assert (await sqs.list_queues(QueueNamePrefix="eventcron-answers-")).get("QueueUrls", []) == []


async def test_tail_stopped_by_ctrl_c_leaves_nothing_behind(runtime: Runtime) -> None:
    tail = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "eventcron", "tail", "tailed/", "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **environment(runtime)},
    )  # fmt: skip
    assert tail.stdout is not None

    async def heard() -> bool:
        await put_event(runtime, "Put Schedule", {"tenant": "tailed", "name": "job", "expression": "@daily"})
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                line = json.loads(await tail.stdout.readline())  # type: ignore[union-attr]  # see above
                return bool(line["detail"]["name"] == "job")
        return False

    await until(heard)
    tail.send_signal(signal.SIGINT)
    await tail.communicate()

    rules = await runtime.client("events").list_rules(EventBusName=runtime.bus_name, NamePrefix="eventcron-answers-")
    assert (tail.returncode, rules["Rules"]) == (130, [])


async def test_what_is_imported_can_be_put(runtime: Runtime, tmp_path: Path) -> None:
    crontab = tmp_path / "crontab"
    crontab.write_text(
        "CRON_TZ=Europe/Oslo\n0 * * * * /opt/poll\n@reboot /opt/announce\n*/30 * * * * /opt/poll --all\n"
    )

    imported = await eventcron(runtime, "import", "crontab", str(crontab), "--tenant", "imported", "-o", "jsonl")
    for line in imported.out.splitlines():
        await put_event(runtime, "Put Schedule", json.loads(line))

    async def are_upcoming() -> bool:
        upcoming = await eventcron(runtime, "upcoming", "--tenant", "imported", "--for", "2h", "--json")
        return {fire["name"] for fire in upcoming.json["first"]} == {"opt-poll", "opt-poll-all"}

    assert imported.status == 3
    await until(are_upcoming)


async def test_schedules_of_the_account_are_imported(runtime: Runtime) -> None:
    rules = runtime.client("events")
    await rules.put_rule(Name="to-import", ScheduleExpression="rate(1 hour)", State="DISABLED")
    queue = "arn:aws:sqs:us-east-1:000000000000:somewhere"
    await rules.put_targets(Rule="to-import", Targets=[{"Id": "one", "Arn": queue}])

    live = await eventcron(runtime, "import", "eventbridge", "--live", "--json")

    assert live.status == 0, live.err
    (mine,) = [one for one in live.json["subscriptions"] if one["schedule"] == "default/to-import"]
    assert mine["target"]["Arn"] == queue


async def test_fires_arrive_at_a_subscribed_queue_and_function_until_it_is_taken_back(runtime: Runtime) -> None:
    targets = Targets(runtime)
    queue, arn = await targets.queue("subscribed")
    printed, _ = await targets.queue("printed")
    function = await targets.function("subscribed", ECHO, QUEUE=printed)
    to_queue = ("subscribe", "acme/nightly-*", "--to", f"sqs:{arn}", "--yes", "--json")
    to_function = ("subscribe", "acme/nightly-report", "--to", f"lambda:{function}", "--yes", "--json")

    made = [await eventcron(runtime, *to_queue), await eventcron(runtime, *to_function)]
    again = await eventcron(runtime, *to_queue)
    assert [(done.status, done.json["done"]) for done in made] == [(0, "created"), (0, "created")]
    assert again.json["done"] == "unchanged"

    for name in ("other", "nightly-report"):
        detail = {"tenant": "acme", "name": name, "expression": "* * * * * *", "max_fires": 1, "input": name}
        await put_event(runtime, "Put Schedule", detail)
    for url in (queue, printed):
        assert (await targets.receive(url))["detail"]["input"] == "nightly-report"

    rules = (await eventcron(runtime, "rules", "--json")).json["rules"]
    found = {rule["name"]: rule for rule in rules}
    assert found[made[0].json["subscription"]]["targets"] == [arn]
    assert found[made[1].json["subscription"]]["pattern"]["detail"]["name"] == ["nightly-report"]
    assert found[made[0].json["subscription"]]["state"] == "ENABLED"

    removed = [await eventcron(runtime, *one, "--remove") for one in (to_queue, to_function)]
    assert [done.json["done"] for done in removed] == ["removed", "removed"]
    left = json.dumps((await eventcron(runtime, "rules", "--json")).json)
    assert made[0].json["subscription"] not in left
    assert made[1].json["subscription"] not in left
