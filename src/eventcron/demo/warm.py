"""Starts workers before they are needed, so that what is measured is not how they start."""

from __future__ import annotations

import asyncio

from eventcron.demo.targets import FUNCTION_NAME
from eventcron.local.ministack_patches import LAMBDA_TARGETS_AT_ONCE
from eventcron.local.runtime import Runtime


async def warm(runtime: Runtime) -> None:
    """Have as many workers of the executor, and of the demo's own function, as will ever be at work at once.

    Workers are processes here: ten that start while everything fires would keep two cores busy for seconds.
    """
    settings = runtime.settings
    await _invoke(runtime, runtime.outputs["RegistrarFunctionName"], b'{"Records": []}', settings.max_registrars)
    await _invoke(runtime, runtime.outputs["ExecutorFunctionName"], b'{"Records": []}', settings.max_executors)
    await _invoke(runtime, FUNCTION_NAME, b"{}", LAMBDA_TARGETS_AT_ONCE)


async def _invoke(runtime: Runtime, function: str, payload: bytes, count: int) -> None:
    """Invoke it *count* times at once. The first ones are not done before the last ones have their own workers."""
    aws_lambda = runtime.client("lambda")
    await asyncio.gather(*(aws_lambda.invoke(FunctionName=function, Payload=payload) for _ in range(count)))
