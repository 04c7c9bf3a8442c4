"""Lambda: history queue → history table."""

from __future__ import annotations

from typing import Any

from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.process import process
from eventcron.entrypoints.records import batch_response, messages
from eventcron.entrypoints.telemetry import LambdaContext, begin, emit


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Keep the events of one SQS batch. Returns the messages that the queue is to show again."""
    begin(context)
    return process.run(lambda cases: handle(cases, event))


async def handle(cases: UseCases, event: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    """As ``handler``, on *cases*."""
    batch = messages(event)
    response = batch_response(zip(batch, await cases.handlers.on_history(batch), strict=True))
    failed = len(response["batchItemFailures"])
    counts = {"EventsKept": len(batch) - failed, "EventsNotKept": failed}
    emit("history", {name: count for name, count in counts.items() if count})
    return response
