"""Checks the body of a request against the service's model, as botocore has it, and against the service's limits."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from benchmarks.rig.expressions import placeholders
from benchmarks.rig.refused import Refused

#: Bytes. SQS SendMessageBatch: the maximum message size and the maximum total size "are both 1 MiB".
MAX_MESSAGES_BYTES = 1_048_576
#: Seconds. SQS SendMessage, DelaySeconds: "Valid values: 0 to 900".
MAX_DELAY_SECONDS = 900
#: Entries of SendMessageBatch and of PutEvents.
MAX_ENTRIES = 10
#: Bytes. EventBridge PutEvents: "The total entry size must be less than 256 KB".
MAX_EVENTS_BYTES = 262_144
#: Bytes. "If the Time parameter is specified, it is measured as 14 bytes."
TIME_BYTES = 14
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}$")
#: Where DynamoDB's requests have expressions.
_EXPRESSIONS = ("ConditionExpression", "KeyConditionExpression", "UpdateExpression", "FilterExpression")


@lru_cache(maxsize=8)
def _model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"))


def check(service: str, operation: str, request: dict[str, Any]) -> None:
    """Check that *service* would take *request*.

    Raises:
        Refused: it would not.
    """
    shape = _model(service).operation_model(operation).input_shape
    assert shape is not None  # every operation that the rig knows has one
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise Refused("ValidationException", f"{operation}: {report.generate_report()}")
    if service == "dynamodb":
        _check_placeholders(operation, request)
    special = _SPECIAL.get(operation)
    if special is not None:
        special(request)


def _check_placeholders(operation: str, request: dict[str, Any]) -> None:
    """DynamoDB refuses an expression with a placeholder that is not defined, and one that is defined but not used."""
    used = placeholders(" ".join(request.get(name, "") for name in _EXPRESSIONS))
    defined = {*request.get("ExpressionAttributeNames", {}), *request.get("ExpressionAttributeValues", {})}
    if used != defined:
        raise Refused(
            "ValidationException", f"{operation}: placeholders used {sorted(used)}, defined {sorted(defined)}"
        )


def check_count(operation: str, entries: list[Any]) -> None:
    """Check the number of *entries*.

    Raises:
        Refused: there are none, or too many.
    """
    if not 1 <= len(entries) <= MAX_ENTRIES:
        raise Refused("ValidationException", f"{operation} of {len(entries)} entries, 1 to {MAX_ENTRIES} are allowed")


def _check_messages(request: dict[str, Any]) -> None:
    entries = request["Entries"]
    ids = [entry["Id"] for entry in entries]
    if len(set(ids)) < len(ids) or not all(map(_ENTRY_ID.match, ids)):
        raise Refused("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", f"ids of entries: {ids}")
    for entry in entries:
        _check_message(entry)
    size = sum(len(entry["MessageBody"].encode()) for entry in entries)
    if size > MAX_MESSAGES_BYTES:
        raise Refused("AWS.SimpleQueueService.BatchRequestTooLong", f"{size} bytes, at most {MAX_MESSAGES_BYTES}")


def _check_message(entry: dict[str, Any]) -> None:
    delay = entry.get("DelaySeconds", 0)
    if not 0 <= delay <= MAX_DELAY_SECONDS:
        raise Refused("InvalidParameterValue", f"DelaySeconds {delay}, at most {MAX_DELAY_SECONDS}")
    if not entry["MessageBody"]:
        raise Refused("InvalidParameterValue", "an empty message")


def _check_events(request: dict[str, Any]) -> None:
    size = 0
    for entry in request["Entries"]:
        missing = {"Source", "DetailType", "Detail"} - set(entry)
        if missing or entry["Source"].startswith("aws."):
            raise Refused("InvalidArgument", f"an entry without {sorted(missing)}, or with a source of AWS: {entry}")
        try:
            msgspec.json.decode(entry["Detail"], type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise Refused("MalformedDetail", f"Detail is no JSON object: {error}") from error
        texts = (entry["Source"], entry["DetailType"], entry["Detail"], *entry.get("Resources", ()))
        size += sum(len(text.encode()) for text in texts) + (TIME_BYTES if "Time" in entry else 0)
    if size >= MAX_EVENTS_BYTES:
        raise Refused("ValidationException", f"entries of {size} bytes, less than {MAX_EVENTS_BYTES} are allowed")


_SPECIAL: dict[str, Callable[[dict[str, Any]], None]] = {
    "SendMessage": _check_message,
    "SendMessageBatch": _check_messages,
    "PutEvents": _check_events,
}
