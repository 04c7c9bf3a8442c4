"""Reads the schedules of EventBridge Scheduler and the scheduled rules of EventBridge, to import them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aiobotocore.config import AioConfig

from eventcron.adapters.aws.accounts import BY_DEFAULT, Account, session_at
from eventcron.adapters.aws.failures import explained
from eventcron.app.concurrency import all_of
from eventcron.errors import EventcronError

#: Schedules asked for at once. EventBridge Scheduler takes a thousand GetSchedule a second.
_AT_ONCE = 16


class Unreachable(EventcronError):
    """This shell cannot reach the account, or may not list its schedules. The message says what to set."""


class Answer(NamedTuple):
    """The answer of GetSchedule, or a rule and its targets."""

    entry: Mapping[str, Any]
    targets: Sequence[Mapping[str, Any]]


async def existing_schedules(
    *, group: str | None = None, account: Account = BY_DEFAULT, on_progress: Callable[[int], None]
) -> list[Answer]:
    """Return every schedule, or those of *group*, and without a *group* every scheduled rule of the default bus.

    They are those of *account*. Where *account* says nothing, the environment decides, as for boto3.

    Raises:
        Unreachable: credentials, a Region or a permission are missing.
        Unavailable: AWS refused for now.
    """
    session = session_at(account)
    patient = AioConfig(max_pool_connections=_AT_ONCE, retries={"mode": "standard", "total_max_attempts": 5})
    found: list[Answer] = []
    with explained("scheduler", _unreachable):
        async with session.create_client("scheduler", config=patient) as client:
            async for answers in _schedules(client, {"GroupName": group} if group else {}):
                found += answers
                on_progress(len(found))
        if group is None:
            async with session.create_client("events", config=patient) as client:
                async for answer in _rules(client):
                    found.append(answer)
                    on_progress(len(found))
    return found


async def _schedules(client: Any, of_group: Mapping[str, str]) -> AsyncIterator[list[Answer]]:
    async for page in client.get_paginator("list_schedules").paginate(**of_group):
        named = [{"GroupName": one["GroupName"], "Name": one["Name"]} for one in page["Schedules"]]
        for first in range(0, len(named), _AT_ONCE):
            schedules = await all_of(client.get_schedule(**names) for names in named[first : first + _AT_ONCE])
            yield [Answer(schedule, []) for schedule in schedules]


async def _rules(client: Any) -> AsyncIterator[Answer]:
    """Only the default bus has scheduled rules."""
    async for page in client.get_paginator("list_rules").paginate():
        for rule in page["Rules"]:
            if rule.get("ScheduleExpression"):
                targets = await client.list_targets_by_rule(Rule=rule["Name"])
                yield Answer(rule, targets["Targets"])


def _unreachable(said: str) -> Unreachable:
    return Unreachable(
        f"the account's schedules cannot be read: {said}. --profile and --region, or AWS_PROFILE, AWS_DEFAULT_REGION"
        " and AWS_ENDPOINT_URL, say where they are; it takes scheduler:ListSchedules, scheduler:GetSchedule,"
        " events:ListRules and events:ListTargetsByRule"
    )
