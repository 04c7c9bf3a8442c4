"""An error in the creation of the stack is reported in one sentence, without a traceback."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from eventcron.local import stack
from eventcron.local.errors import LocalError
from eventcron.local.runtime import LocalSettings, Runtime


class Refusing:
    """An AWS that rejects one operation, or creates a stack that fails."""

    def __init__(self, refused: str = "") -> None:
        self._refused = refused

    def client(self, _service: str) -> Any:
        return self

    def __getattr__(self, operation: str) -> Any:
        async def call(**_request: Any) -> Any:
            if operation == self._refused:
                raise ClientError({"Error": {"Code": "ValidationError", "Message": "no such thing"}}, operation)
            return {
                "Stacks": [{"StackStatus": "ROLLBACK_COMPLETE", "StackStatusReason": "rolled back"}],
                "StackEvents": [
                    {"LogicalResourceId": "eventcron", "ResourceStatus": "ROLLBACK_COMPLETE"},
                    {"LogicalResourceId": "Bus", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "later"},
                    {"LogicalResourceId": "Rule", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "first"},
                ],
            }

        return call


@pytest.mark.embedded
async def test_a_parameter_that_the_template_does_not_allow_is_named() -> None:
    with pytest.raises(LocalError) as refused:
        async with Runtime(LocalSettings(tick_seconds=3)):
            raise AssertionError("it runs")

    message = str(refused.value)
    assert message.startswith("the embedded AWS refused CreateStack: ")
    assert "TickSeconds" in message
    assert "300" in message, "what is allowed"


@pytest.mark.parametrize("operation", ["create_bucket", "create_stack", "describe_stacks"])
async def test_a_rejected_operation_is_reported_with_the_reason(operation: str) -> None:
    with pytest.raises(LocalError, match=f"the embedded AWS refused {operation}: no such thing"):
        await stack.deploy(Refusing(operation), {}, b"")


async def test_a_failed_stack_is_reported_with_its_failed_resources_in_order() -> None:
    with pytest.raises(LocalError, match="the stack was not created: Rule: first; Bus: later"):
        await stack.deploy(Refusing(), {}, b"")
