"""The demo's Lambda function: sends each event that it receives to a queue, with the time of its arrival.

Only this file is deployed, as with a developer's own function, so it imports nothing of eventcron.
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
    """Send *event* to the queue of receipts. An empty event only starts the worker."""
    arrived = datetime.now(UTC).isoformat(timespec="milliseconds")
    if event:
        receipt = {"target": "lambda", "arrived": arrived, "event": event}
        _sqs.send_message(QueueUrl=_queue, MessageBody=json.dumps(receipt))
