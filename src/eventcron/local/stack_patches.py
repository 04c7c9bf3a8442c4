"""Patches of ministack 1.5.33, in its process, that let it take the stacks that CloudFormation on AWS takes.

See ``ministack_patches``, which applies them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from eventcron.local.packages import runnable
from eventcron.local.template import NOT_EMULATED

Handlers = dict[str, Any]


def apply() -> None:
    """Apply every patch of this module."""
    _stacks_make_api_destinations()
    _stacks_accept_what_is_not_emulated()
    _stacks_set_the_time_to_live()
    _packages_run_on_this_machine()


def _stacks_make_api_destinations() -> None:
    """Let CloudFormation create connections and API destinations. ministack has both, but rejects them in templates."""
    from ministack.services import eventbridge  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    provisioners._RESOURCE_HANDLERS["AWS::Events::Connection"] = _by_api(
        eventbridge._create_connection, eventbridge._delete_connection, arn="ConnectionArn"
    )
    provisioners._RESOURCE_HANDLERS["AWS::Events::ApiDestination"] = _by_api(
        eventbridge._create_api_destination, eventbridge._delete_api_destination, arn="ApiDestinationArn"
    )


def _by_api(create: Callable[..., Any], delete: Callable[..., Any], *, arn: str) -> Handlers:
    """Handlers of a resource type that call the service's API with the type's properties as parameters."""

    def make(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, str]]:
        name = properties.get("Name") or f"{stack_name}-{logical_id}"
        status, _, body = create(properties | {"Name": name})
        answer = json.loads(body)
        if status != HTTPStatus.OK:
            raise ValueError(answer.get("message") or answer.get("Message") or str(answer))
        return name, {"Arn": answer[arn]}

    def remove(name: str, _properties: dict[str, Any]) -> None:
        delete({"Name": name})

    return {"create": make, "delete": remove}


def _stacks_accept_what_is_not_emulated() -> None:
    """Accept resources of the types in ``NOT_EMULATED``, and say so in the stack's events.

    ministack refuses a whole stack for a type that it does not know, and fails it for an alarm with metric math.
    """
    from ministack.services.cloudformation import provisioners, stacks  # noqa: PLC0415

    add_event = stacks._add_event

    def add_event_with_reason(*event: Any, **options: Any) -> None:
        *_, kind, status = event[:5]
        reason, *rest = event[5:] or ("",)
        if kind in NOT_EMULATED and status.endswith("_COMPLETE") and not reason:
            reason = f"accepted, not emulated: {NOT_EMULATED[kind]}"
        add_event(*event[:5], reason, *rest, **options)

    provisioners._RESOURCE_HANDLERS.update(dict.fromkeys(NOT_EMULATED, _nothing()))
    stacks._add_event = add_event_with_reason


def _nothing() -> Handlers:
    """Handlers of a resource type of which nothing is made."""

    def attributes(name: str) -> dict[str, str]:
        return {"Arn": f"arn:aws:not-emulated:::{name}"}  # the dashboard names the ARNs of alarms

    def make(logical_id: str, _properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, str]]:
        name = f"{stack_name}-{logical_id}"
        return name, attributes(name)

    def change(name: str, _old: dict[str, Any], _new: dict[str, Any], _stack_name: str) -> tuple[str, dict[str, str]]:
        return name, attributes(name)

    def remove(_name: str, _properties: dict[str, Any]) -> None:
        """There is nothing to remove."""

    return {"create": make, "update": change, "delete": remove}


def _stacks_set_the_time_to_live() -> None:
    """Turn on a table's TTL as its template says. ministack has TTL, but its CloudFormation ignores the property."""
    from ministack.services import dynamodb  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    handlers: Handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    create, update = handlers["create"], handlers["update"]

    def set_ttl(table: str, properties: dict[str, Any]) -> None:
        specification = properties.get("TimeToLiveSpecification")
        if specification:
            dynamodb._update_ttl({"TableName": table, "TimeToLiveSpecification": specification})

    def create_with_ttl(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        made = create(logical_id, properties, stack_name)
        set_ttl(made[0], properties)
        return made

    def update_with_ttl(name: str, old: dict[str, Any], new: dict[str, Any], *args: Any, **options: Any) -> Any:
        changed = update(name, old, new, *args, **options)
        set_ttl(changed[0], new)
        return changed

    handlers.update(create=create_with_ttl, update=update_with_ttl)


def _packages_run_on_this_machine() -> None:
    """Start an environment without the libraries of the package that this process has too, see ``runnable``."""
    from ministack.core import lambda_runtime  # noqa: PLC0415

    spawn = lambda_runtime.Worker._spawn

    def spawn_runnable(worker: Any) -> None:
        worker.code_zip = runnable(worker.code_zip)
        spawn(worker)

    lambda_runtime.Worker._spawn = spawn_runnable
