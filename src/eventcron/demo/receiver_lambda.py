"""The demo's Lambda function: passes on what it is given, with the time at which it was given it.

It is deployed as this one file, as a developer's own function would be, so it imports nothing of eventcron's.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

import boto3

_sqs = boto3.client("sqs")
_queue = os.environ["RECEIPTS_QUEUE_URL"]


def handler(event: dict[str, Any], _context: object) -> None:
    """Send *event* to the queue of receipts; an empty one only gets the worker started."""
    arrived = datetime.now(UTC).isoformat(timespec="milliseconds")
    if event:
        receipt = {"target": "lambda", "arrived": arrived, "event": event}
        _sqs.send_message(QueueUrl=_queue, MessageBody=json.dumps(receipt))
