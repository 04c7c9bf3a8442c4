"""Patches of ministack 1.5.33, in its process, where it differs from AWS in a way that eventcron depends on.

Each function replaces functions of ministack. ``pyproject.toml`` pins the exact version, and
``tests/pins/test_ministack.py`` fails when a replaced name or a difference is gone.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from eventcron.local import event_patches, lambda_patches, queue_patches, stack_patches, worker_patches
from eventcron.local.lambda_patches import RETRY_WAITS

T = TypeVar("T")

#: The events and log streams that are not dropped. ministack drops none.
MAX_EVENTS = 1_000
MAX_STREAMS = 200
#: Characters of one invocation's output that the parent receives.
MAX_OUTPUT = 256_000
#: HTTP statuses of an API destination after which EventBridge retries: 401, 407, 409, 429 and 5xx.
RETRIED_STATUSES = frozenset({401, 407, 409, 429, *range(500, 600)})


def apply() -> None:
    """Apply every patch. Called once, before the server starts."""
    queue_patches.apply()
    _queues_change_on_one_thread()
    _dead_letter_queues_know_their_sources()
    _maximum_concurrency_is_a_number()
    _an_environment_dies_alone()
    lambda_patches.apply()
    _rules_send_again_to_api_destinations()
    event_patches.apply()
    _errors_carry_their_type()
    _history_is_bounded()
    _output_is_passed_on()
    stack_patches.apply()
    worker_patches.apply()


def _queues_change_on_one_thread() -> None:
    """Let event source mappings read queues on the event loop, where the SQS API changes them.

    ministack reads in a thread and there replaces a queue's list of messages, while the API appends to the old list. A
    message sent in between is lost.
    """
    from ministack import app  # noqa: PLC0415
    from ministack.services import sqs  # noqa: PLC0415

    sqs._receive_messages_for_esm = _on_loop(sqs._receive_messages_for_esm, lambda: app._MAIN_LOOP)
    sqs._delete_messages_for_esm = _on_loop(sqs._delete_messages_for_esm, lambda: app._MAIN_LOOP)


def _on_loop(function: Callable[..., T], loop: Callable[[], asyncio.AbstractEventLoop]) -> Callable[..., T]:
    """A function to call from another thread, which runs *function* on the loop in the caller's context."""

    def call(*args: object) -> T:
        context = contextvars.copy_context()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(context.run(function, *args))
            except BaseException as error:  # noqa: BLE001  # raised again in the calling thread
                done.set_exception(error)

        loop().call_soon_threadsafe(run)
        return done.result()

    return call


def _dead_letter_queues_know_their_sources() -> None:
    """Answer ``ListDeadLetterSourceQueues``, which ministack does not know."""
    from ministack.services import sqs  # noqa: PLC0415

    def sources(data: dict[str, Any], url: str) -> dict[str, Any]:
        arn = sqs._get_q(data.get("QueueUrl", url))["attributes"]["QueueArn"]
        policies = {at: queue["attributes"].get("RedrivePolicy") or "{}" for at, queue in sqs._queues.items()}
        return {
            "queueUrls": [at for at, text in policies.items() if json.loads(text).get("deadLetterTargetArn") == arn]
        }

    sqs._HANDLERS["ListDeadLetterSourceQueues"] = sources


def _maximum_concurrency_is_a_number() -> None:
    """Convert the concurrency of an event source mapping to a number.

    ministack stores it as text if it is a template's parameter. Comparing that with a number stops all polling.
    """
    from ministack.services import lambda_svc  # noqa: PLC0415

    limit = lambda_svc._sqs_esm_concurrency

    def limit_as_number(mapping: dict[str, Any], *args: object) -> int:
        scaling = mapping.get("ScalingConfig")
        if scaling:
            scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
        number: int = limit(mapping, *args)
        return number

    lambda_svc._sqs_esm_concurrency = limit_as_number


def _an_environment_dies_alone() -> None:
    """If an environment dies at its start, fail that invocation only, and let the next one start another.

    ministack ends all environments of the function then, even those at work.
    """
    from ministack.core import lambda_runtime  # noqa: PLC0415

    invoke = lambda_runtime.Worker.invoke

    def invoke_alone(worker: Any, *args: object, **options: object) -> dict[str, Any]:
        try:
            result: dict[str, Any] = invoke(worker, *args, **options)
        except Exception as error:  # noqa: BLE001  # whatever it is, this invocation failed of it
            process, worker._proc = worker._proc, None
            lambda_runtime._signal(process)
            lambda_runtime._collect(process, time.monotonic() + lambda_runtime._REAP_GRACE)
            return {"status": "error", "error": str(error), "log": worker._drain_stderr()}
        return result

    lambda_runtime.Worker.invoke = invoke_alone


def _rules_send_again_to_api_destinations() -> None:
    """Try three times if an API destination answers with a status that AWS retries. ministack drops the event."""
    from ministack.services import eventbridge  # noqa: PLC0415

    send = eventbridge._api_destination_send_sync
    # Bounded, because ministack has a thread for each event, and a receiver accepts few connections at once.
    at_once = threading.BoundedSemaphore(16)

    def send_with_retries(request: dict[str, Any], auth_headers: dict[str, str]) -> int:
        for wait in RETRY_WAITS:
            try:
                with at_once:
                    status: int = send(request, auth_headers)
                if status not in RETRIED_STATUSES:
                    return status
            except OSError as error:
                eventbridge.logger.warning("API destination %s: %s; retrying", request["url"], error)
            time.sleep(wait)
        with at_once:
            return int(send(request, auth_headers))

    eventbridge._api_destination_send_sync = send_with_retries


def _errors_carry_their_type() -> None:
    """Report the class of a Python handler's exception, so that Step Functions can catch it by name.

    ministack reports every exception as ``Runtime.HandlerError``.
    """
    from ministack.services import lambda_svc  # noqa: PLC0415

    execute = lambda_svc._execute_function_warm

    def execute_with_type(function: dict[str, Any], event: object, request_id: str) -> dict[str, Any]:
        result: dict[str, Any] = execute(function, event, request_id)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
            body.update(_error_of(result.get("log", "")))
        return result

    lambda_svc._execute_function_warm = execute_with_type


def _error_of(log: str) -> dict[str, Any]:
    """``errorType`` and ``stackTrace`` as Lambda reports them, from the last Python traceback in *log*."""
    _, found, trace = log.rpartition("Traceback (most recent call last):\n")
    if not found:
        return {}
    frames: list[str] = []
    for line in trace.splitlines():
        if not line.startswith(" "):
            # Lambda reports the class without its module.
            return {"errorType": line.split(":", 1)[0].rpartition(".")[2], "stackTrace": frames}
        frames.append(line)
    return {}


def _history_is_bounded() -> None:
    """Drop old events and log streams. ministack drops none, and ``eventcron dev`` may run for days."""
    from ministack.services import cloudwatch_logs, eventbridge, lambda_svc  # noqa: PLC0415

    events: deque[object] = deque(maxlen=MAX_EVENTS)
    eventbridge._events_log_list = lambda: events
    emit = lambda_svc._emit_lambda_logs

    def emit_and_drop_old(function: dict[str, Any], *args: object, **kwargs: object) -> None:
        emit(function, *args, **kwargs)
        config = function.get("config") or function
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
        streams = cloudwatch_logs._log_groups.get(group, {}).get("streams", {})
        for name in list(streams)[:-MAX_STREAMS]:
            streams.pop(name, None)

    lambda_svc._emit_lambda_logs = emit_and_drop_old


def _output_is_passed_on() -> None:
    """Write each invocation's output to standard output, so that the parent can show it."""
    from ministack.services import lambda_svc  # noqa: PLC0415

    emit = lambda_svc._emit_lambda_logs
    writing = threading.Lock()

    def emit_and_pass_on(function: dict[str, Any], request_id: str, log: str, error: bool, *args: object) -> None:  # noqa: FBT001  # ministack's
        config = function.get("config") or function
        emit(function, request_id, log, error, *args, log_source=None)
        line = json.dumps({"function": config.get("FunctionName"), "error": error, "output": log[-MAX_OUTPUT:]})
        with writing:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    lambda_svc._emit_lambda_logs = lambda function, request_id, log, error, duration, **_: emit_and_pass_on(
        function, request_id, log, error, duration
    )
