"""Subscriptions as CloudFormation stacks of their own, and the rules on a bus."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from botocore.exceptions import ClientError, WaiterError
from msgspec import Struct

from eventcron.adapters.aws.pages import pages
from eventcron.errors import EventcronError
from eventcron.rules.subscribing import Subscription, template

#: Seconds between two looks at a stack that is being made, and how many looks: ten minutes, when AWS takes one or two.
_WAIT = {"Delay": 2, "MaxAttempts": 300}
#: A stack in one of these never came to be, and is in the way.
_FAILED = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})


class NotSubscribed(EventcronError):
    """CloudFormation did not do it. The message says why."""


class BusRule(Struct, frozen=True, kw_only=True):
    """A rule on the bus."""

    name: str
    state: str
    pattern: Any
    #: ARNs.
    targets: list[str]


class Subscriptions:
    """Makes and removes subscriptions, and lists a bus's rules. *client* has a client by its service's name."""

    def __init__(self, client: Callable[[str], Awaitable[Any]], *, bus: str) -> None:
        self._client = client
        self.bus = bus

    async def exists(self, one: Subscription) -> bool:
        """Whether it is there, in whole."""
        status = await self._status(one)
        return status is not None and status not in _FAILED and not status.startswith("DELETE")

    async def add(self, one: Subscription, *, key: tuple[str, str] | None = None) -> str:
        """Make it, with the *key* that its endpoint asks for: a header and its value. The URL of its dead letters.

        Raises:
            NotSubscribed: CloudFormation refused or gave up. The next attempt begins anew.
        """
        cloudformation = await self._client("cloudformation")
        if await self._status(one) in _FAILED:  # of an attempt before
            await self.remove(one)
        given = {"KeyHeader": key[0], "Key": key[1]} if key else {}
        if not await self.exists(one):
            try:
                await cloudformation.create_stack(
                    StackName=one.name,
                    TemplateBody=json.dumps(template(one)),
                    Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
                    Capabilities=["CAPABILITY_IAM"],
                )
            except ClientError as error:
                raise _refused(one, error) from error
        await self._wait(one, "stack_create_complete")
        (stack,) = (await cloudformation.describe_stacks(StackName=one.name))["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        return str(outputs["DeadLettersUrl"])

    async def remove(self, one: Subscription) -> None:
        """Take away all that it made, its dead letters too.

        Raises:
            NotSubscribed: CloudFormation refused or gave up.
        """
        try:
            await (await self._client("cloudformation")).delete_stack(StackName=one.name)
        except ClientError as error:
            raise _refused(one, error) from error
        await self._wait(one, "stack_delete_complete")

    async def rules(self) -> AsyncIterator[BusRule]:
        """Every rule on the bus with its targets, in the order of their names."""
        events = await self._client("events")
        found = [one async for one in pages(events.list_rules, "Rules", EventBusName=self.bus)]
        for rule in sorted(found, key=lambda one: str(one["Name"])):
            asked = {"EventBusName": self.bus, "Rule": rule["Name"]}
            targets = [one async for one in pages(events.list_targets_by_rule, "Targets", **asked)]
            yield BusRule(
                name=rule["Name"],
                state=rule["State"],
                pattern=json.loads(rule.get("EventPattern") or "{}"),
                targets=[target["Arn"] for target in targets],
            )

    async def _status(self, one: Subscription) -> str | None:
        """The status of its stack. None = there is none."""
        try:
            described = await (await self._client("cloudformation")).describe_stacks(StackName=one.name)
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise _refused(one, error) from error
        return str(described["Stacks"][0]["StackStatus"])

    async def _wait(self, one: Subscription, end: str) -> None:
        cloudformation = await self._client("cloudformation")
        try:
            await cloudformation.get_waiter(end).wait(StackName=one.name, WaiterConfig=_WAIT)
        except WaiterError as error:
            reason = await _reason(cloudformation, one.name) or error
            raise NotSubscribed(f"stack {one.name!r} failed: {str(reason).rstrip('.')}; look at its events") from error


async def _reason(cloudformation: Any, stack: str) -> str | None:
    """Why the stack failed: what its first resource said that failed."""
    try:
        events = [one async for one in pages(cloudformation.describe_stack_events, "StackEvents", StackName=stack)]
    except ClientError:
        return None
    failed = [event for event in events if str(event.get("ResourceStatus", "")).endswith("FAILED")]
    return str(failed[-1].get("ResourceStatusReason", "")) or None if failed else None


def _refused(one: Subscription, error: ClientError) -> NotSubscribed:
    return NotSubscribed(f"CloudFormation refused stack {one.name!r}: {str(error).rstrip('.')}")
