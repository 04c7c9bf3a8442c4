"""``import eventbridge --live``: what an account has, read by its API; and what is wrong, in one sentence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from eventcron.adapters.aws import other_schedulers
from eventcron.adapters.aws.accounts import Account
from eventcron.adapters.aws.other_schedulers import Answer, Unreachable, existing_schedules
from eventcron.entrypoints.cli.main import main
from eventcron.errors import Unavailable
from tests.emulators import moto_server, use_endpoint

ROLE = "arn:aws:iam::123456789012:role/r"
TARGET = {"Arn": "arn:aws:sqs:us-east-1:123456789012:q", "RoleArn": ROLE, "Input": '{"n": 1}'}


@pytest.fixture(name="account", scope="module")
def _account() -> Iterator[str]:
    """An account with schedules in two groups, a scheduled rule and one with a pattern."""
    with moto_server() as endpoint, pytest.MonkeyPatch.context() as patch:
        use_endpoint(patch, endpoint)
        asyncio.run(_fill())
        yield endpoint


async def _fill() -> None:
    session = get_session()
    async with session.create_client("scheduler") as client:
        await client.create_schedule_group(Name="jobs")
        for group, name in (("default", "nightly"), ("jobs", "nightly"), ("jobs", "over")):
            expression = "at(2024-05-05T09:00:00)" if name == "over" else "cron(30 2 * * ? *)"
            await client.create_schedule(
                Name=name, GroupName=group, ScheduleExpression=expression, ScheduleExpressionTimezone="Europe/Oslo",
                FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}, Target=TARGET,
            )  # fmt: skip
    async with session.create_client("events") as client:
        await client.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)", State="DISABLED")
        await client.put_targets(Rule="hourly", Targets=[{"Id": "one", "Arn": TARGET["Arn"]}])
        await client.put_rule(Name="pattern", EventPattern='{"source": ["x"]}')


@pytest.mark.moto
async def test_every_schedule_and_scheduled_rule_is_read(account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_endpoint(monkeypatch, account)
    counts: list[int] = []

    answers = await existing_schedules(on_progress=counts.append)

    named = sorted((answer.entry.get("GroupName", ""), answer.entry["Name"]) for answer in answers)
    assert named == [("", "hourly"), ("default", "nightly"), ("jobs", "nightly"), ("jobs", "over")]
    assert [len(answer.targets) for answer in answers if answer.entry["Name"] == "hourly"] == [1]
    assert counts[-1] == 4


@pytest.mark.moto
def test_the_command_imports_them(
    account: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_endpoint(monkeypatch, account)

    with pytest.raises(SystemExit) as exited:
        main(["import", "eventbridge", "--live", "--json"])

    printed = json.loads(capsys.readouterr().out)
    assert exited.value.code == 3
    assert sorted(one["schedule"]["name"] for one in printed["schedules"]) == [
        "default-nightly",
        "hourly",
        "jobs-nightly",
    ]
    assert printed["schedules"][0]["schedule"]["flexible_window_seconds"] == 300
    assert printed["subscriptions"][0]["target"]["RoleArn"] == ROLE
    assert [one["name"] for one in printed["unsaid"]] == ["over"]


class _Session:
    """Two pages of schedules, and an error where one is asked for."""

    def __init__(self, error: str = "") -> None:
        self.error = error
        self.asked: list[dict[str, Any]] = []

    def create_client(self, _service: str, **_: Any) -> _Session:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close nothing."""

    def get_paginator(self, operation: str) -> _Pages:
        return _Pages(operation, self)

    async def get_schedule(self, **names: str) -> dict[str, Any]:
        self.asked.append(names)
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "GetSchedule")
        return {**names, "ScheduleExpression": "rate(1 hour)"}


class _Pages:
    def __init__(self, operation: str, session: _Session) -> None:
        self.operation = operation
        self.session = session

    async def paginate(self, **asked: str) -> AsyncIterator[dict[str, Any]]:
        self.session.asked.append(asked)
        if self.operation == "list_rules":
            yield {"Rules": []}
            return
        for page in range(2):
            yield {"Schedules": [{"GroupName": "g", "Name": f"{page}-{number}"} for number in range(20)]}


def _ignore(_count: int) -> None:
    """Show no progress."""


Use = Callable[[_Session], _Session]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    def use(session: _Session) -> _Session:
        monkeypatch.setattr(other_schedulers, "session_at", lambda _account: session)
        return session

    return use


async def test_every_page_is_read_and_each_schedule_asked_for(use: Use) -> None:
    use(_Session())

    answers = await existing_schedules(on_progress=_ignore)

    assert len({answer.entry["Name"] for answer in answers}) == 40
    assert isinstance(answers[0], Answer)


async def test_a_group_is_read_alone_and_without_rules(use: Use) -> None:
    session = use(_Session())

    await existing_schedules(group="g", on_progress=_ignore)

    assert session.asked[0] == {"GroupName": "g"}
    assert {} not in session.asked


async def test_a_missing_permission_is_named(use: Use) -> None:
    use(_Session("AccessDeniedException"))

    with pytest.raises(Unreachable, match="it takes scheduler:ListSchedules, scheduler:GetSchedule, events:ListRules"):
        await existing_schedules(on_progress=_ignore)


async def test_a_refusal_for_now_is_unavailable(use: Use) -> None:
    use(_Session("ThrottlingException"))

    with pytest.raises(Unavailable, match="scheduler is unavailable: ThrottlingException"):
        await existing_schedules(on_progress=_ignore)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["crontab", "--live"], "it is for the format eventbridge alone"),
        (["eventbridge", "--live", "x"], "--live or FILES, not both"),
        (["eventbridge", "x", "--group", "g"], "--group is for --live"),
        (["eventbridge"], "Missing argument 'FILES...'. Or --live."),
    ],
)
def test_options_that_do_not_fit_are_refused(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["import", *argv])

    assert exited.value.code == 2
    assert message in capsys.readouterr().err


async def test_an_endpoint_that_is_no_url_is_one_sentence() -> None:
    account = Account(region="us-east-1", endpoint="nowhere", keys=("a", "b"))

    with pytest.raises(Unreachable, match="Invalid endpoint: nowhere"):
        await existing_schedules(account=account, on_progress=_ignore)
