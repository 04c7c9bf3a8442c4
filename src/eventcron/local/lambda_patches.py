"""Patches of ministack 1.5.33, in its process, that make rules invoke functions as AWS does.

See ``ministack_patches``, which applies them.
"""

from __future__ import annotations

import contextvars
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

#: Concurrent invocations of one function by rules. AWS scales to a thousand; here each is a process.
LAMBDA_TARGETS_AT_ONCE = 4
#: Seconds before the second and the third try. AWS waits one minute, then two.
RETRY_WAITS = (1.0, 2.0)


def apply() -> None:
    """Invoke rules' Lambda targets as AWS does: from a queue, with bounded concurrency, three tries, destinations.

    ministack starts a thread, and so a worker process, for each event at once, tries once, and has no destination for
    success nor one that is a bus.
    """
    from ministack.services import eventbridge, lambda_svc  # noqa: PLC0415

    queues: dict[str, ThreadPoolExecutor] = {}

    def run(function: dict[str, Any], event: object, name: str) -> None:
        config = _asynchronous(function)
        tries = 1
        result = lambda_svc._execute_function_with_config_scope(function, event)
        for wait in RETRY_WAITS[: config.get("MaximumRetryAttempts", len(RETRY_WAITS))]:
            if not result.get("error"):
                break
            time.sleep(wait)
            tries += 1
            result = lambda_svc._execute_function_with_config_scope(function, event)
        condition = "OnFailure" if result.get("error") else "OnSuccess"
        destination = (config.get("DestinationConfig") or {}).get(condition, {}).get("Destination", "")
        if ":event-bus/" in destination:
            arn = function["config"]["FunctionArn"]
            eventbridge._put_events({"Entries": [_entry(destination, arn, event, result, tries)]})
        elif destination and condition == "OnFailure":
            lambda_svc._route_async_failure(destination, name, event, result)

    def dispatch(arn: str, payload: str) -> None:
        function, config, name = lambda_svc._get_func_record_for_ref(arn)
        if not function or not config:
            eventbridge.logger.warning("EventBridge -> Lambda: function %s not found", name)
            return
        queue = queues.setdefault(arn, ThreadPoolExecutor(LAMBDA_TARGETS_AT_ONCE, thread_name_prefix=f"rule-{name}"))
        context = contextvars.copy_context()
        record = lambda_svc._execution_record_for_config(function, config)
        queue.submit(context.run, run, record, json.loads(payload), name)

    eventbridge._dispatch_to_lambda = dispatch


def _asynchronous(function: dict[str, Any]) -> dict[str, Any]:
    """What the function says about asynchronous invocations. A template says it of the version ``$LATEST``."""
    of_versions: dict[str, dict[str, Any]] = function.get("event_invoke_configs") or {}
    return of_versions.get("$LATEST") or function.get("event_invoke_config") or {}


def _entry(destination: str, arn: str, event: object, result: dict[str, Any], tries: int) -> dict[str, Any]:
    """The event that Lambda puts on the bus *destination* once an invocation has ended."""
    failed = bool(result.get("error"))
    record = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": f"{arn}:$LATEST",
            "condition": "RetriesExhausted" if failed else "Success",
            "approximateInvokeCount": tries,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"}
        | ({"functionError": result.get("function_error") or "Unhandled"} if failed else {}),
        "responsePayload": result.get("body"),
    }
    return {
        "EventBusName": destination,
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {'Failure' if failed else 'Success'}",
        "Detail": json.dumps(record),
        "Resources": [destination, f"{arn}:$LATEST"],
    }
