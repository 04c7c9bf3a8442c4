"""Read what AWS says of a target's end as a report on its run: of a Lambda function, or of a state machine.

Both say what they were given: the fire, as the whole event or as its ``detail``. The fire's token is in it.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from eventcron.errors import Undecodable
from eventcron.model.commands import ReportRun
from eventcron.model.tracking import MAX_MESSAGE_CHARS, MAX_RESULT_BYTES, RunStatus

LAMBDA, STATES = "lambda", "aws.states"
#: The source and detail-type of each, and the status that it stands for; None: the detail says.
_RECORDS: dict[tuple[str, str], RunStatus | None] = {
    (LAMBDA, "Lambda Function Invocation Result - Success"): RunStatus.SUCCEEDED,
    (LAMBDA, "Lambda Function Invocation Result - Failure"): RunStatus.FAILED,
    (STATES, "Step Functions Execution Status Change"): None,
}
_STATES = {
    "RUNNING": RunStatus.STARTED,
    "SUCCEEDED": RunStatus.SUCCEEDED,
    "FAILED": RunStatus.FAILED,
    "TIMED_OUT": RunStatus.FAILED,
    "ABORTED": RunStatus.FAILED,
}
#: An escape in JSON: of a surrogate pair, of one half of a pair, or another one.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
#: What of a fire names its run.
_NAMES = ("tenant", "name", "fire_id", "run_token")


def is_outcome(source: str, detail_type: str) -> bool:
    """Whether an event says how a target of AWS ended."""
    return (source, detail_type) in _RECORDS


def report_of(source: str, detail_type: str, detail: bytes) -> ReportRun:
    """The report that such an event makes.

    Raises:
        Undecodable: it is about something else than a tracked fire.
    """
    try:
        record = _object(_decode(detail))
        status = _RECORDS[source, detail_type]
        if status is not None:
            return _report(record.get("requestPayload"), status, *_of_function(record))
        given = _decode(str(record.get("input")).encode())
        return _report(given, _STATES[str(record.get("status"))], *_of_execution(record))
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError) as error:
        raise Undecodable(f"{detail_type!r} from {source!r} is about no tracked fire: {error!r}") from error


def _report(given: object, status: RunStatus, message: str, result: object) -> ReportRun:
    fire = _object(given)
    if "run_token" not in fire:
        fire = _object(fire.get("detail"))
    encoded = msgspec.json.encode(result)
    return msgspec.convert(
        {name: fire.get(name) for name in _NAMES}
        | {
            "status": status.value,
            "message": message[:MAX_MESSAGE_CHARS],
            "result": msgspec.Raw(encoded if len(encoded) <= MAX_RESULT_BYTES else b"null"),
        },
        ReportRun,
    )


def _of_function(record: dict[str, Any]) -> tuple[str, object]:
    """The message and the result of a function: its error's message, or why AWS did not call it."""
    response = record.get("responsePayload")
    said = response.get("errorMessage") if isinstance(response, dict) else None
    condition = _object(record.get("requestContext", {})).get("condition")
    message = said if isinstance(said, str) else str(condition or "")
    return ("" if message == "Success" else message), response


def _of_execution(record: dict[str, Any]) -> tuple[str, object]:
    """The message and the result of an execution: its error and cause, its status, or nothing if it succeeded."""
    said = [record[name] for name in ("error", "cause") if isinstance(record.get(name), str)]
    status = str(record["status"])
    message = ": ".join(said) or ("" if status in {"RUNNING", "SUCCEEDED"} else status)
    output = record.get("output")
    return message, _decode(output.encode()) if isinstance(output, str) else None


def _decode(text: bytes) -> object:
    """*text* as JSON. A message that was cut within a character ends in half of a surrogate pair, which is replaced."""
    return msgspec.json.decode(_ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], text))


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise msgspec.ValidationError("not an object")
    return value
