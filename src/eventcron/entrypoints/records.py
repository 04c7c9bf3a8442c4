"""SQS batches: records → messages, and the answer that says which of them the queue shows again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from eventcron.app.handlers import Handled, MessageOutcome
from eventcron.entrypoints.telemetry import logger


class SqsMessage(NamedTuple):
    """One record of an SQS batch. ``receives`` counts from 1."""

    id: str
    body: str
    receives: int


def messages(event: dict[str, Any]) -> list[SqsMessage]:
    """The messages of *event*, in order."""
    return [
        SqsMessage(
            id=record["messageId"],
            body=record["body"],
            receives=int(record.get("attributes", {}).get("ApproximateReceiveCount", 1)),
        )
        for record in event["Records"]
    ]


def batch_response(handled: Iterable[tuple[SqsMessage, Handled[Any]]]) -> dict[str, list[dict[str, str]]]:
    """The answer for the event source mapping: the messages that come back. Logs why each of them does."""
    failed = []
    for message, how in handled:
        if not how.comes_back:
            continue
        if how.outcome is MessageOutcome.CRASHED:
            logger.error("record_crashed", message_id=message.id, receives=message.receives, exc_info=how.error)
        else:
            logger.warning("record_failed", message_id=message.id, receives=message.receives, reason=how.reason)
        failed.append({"itemIdentifier": message.id})
    return {"batchItemFailures": failed}
