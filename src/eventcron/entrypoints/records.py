"""SQS batches: every record by itself, failures reported by id, nothing else disturbed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from eventcron.app.concurrency import all_of
from eventcron.entrypoints.telemetry import logger
from eventcron.errors import EventcronError

T = TypeVar("T")


class Handled(NamedTuple):
    """What the records that went well gave, and the answer for the event source mapping."""

    results: list[Any]
    response: dict[str, list[dict[str, str]]]


def receives(record: dict[str, Any]) -> int:
    """Which receive of the message this is, from 1."""
    return int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))


async def each_record(event: dict[str, Any], handle: Callable[[dict[str, Any]], Coroutine[Any, Any, T]]) -> Handled:
    """Handle all records of *event* at once; those that fail are to be received again (``batchItemFailures``)."""
    records = event["Records"]
    results: list[T] = []

    async def attempt(record: dict[str, Any]) -> str | None:
        try:
            results.append(await handle(record))
        except EventcronError as error:
            logger.warning(
                "record_failed", message_id=record["messageId"], receives=receives(record), reason=str(error)
            )
            return str(record["messageId"])
        except Exception:  # noqa: BLE001  # whatever is left is one failed record and one log line, no lost batch
            logger.exception("record_crashed", message_id=record["messageId"], receives=receives(record))
            return str(record["messageId"])
        return None

    failed = [message_id for message_id in await all_of(attempt(record) for record in records) if message_id]
    return Handled(results, {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]})
