"""Baseline (a): what one would write first. boto3, one thing after the other, a message and an event for each fire."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import boto3
from croniter import croniter

from benchmarks.stocks import PLAIN_INDEX, PLAIN_TABLE, SEGMENTS

QUEUE_URL = "http://sqs/123456789012/fires"
BUS = "eventcron"


def occurrences(cron: str, zone: str, start: int, end: int) -> Iterator[int]:
    """The instants in [*start*, *end*) at which *cron* fires in *zone*."""
    found = croniter(cron, datetime.fromtimestamp(start / 1000 - 1, ZoneInfo(zone)))
    while (at := round(found.get_next(datetime).timestamp() * 1000)) < end:
        if at >= start:
            yield at


def query(segment: int) -> dict[str, Any]:
    """The request for the schedules of a segment."""
    return {
        "TableName": PLAIN_TABLE,
        "IndexName": PLAIN_INDEX,
        "KeyConditionExpression": "segment = :segment",
        "ExpressionAttributeValues": {":segment": {"N": str(segment)}},
    }


def message(item: dict[str, Any], due: int) -> dict[str, Any]:
    """The message of a fire, which appears a second before it is due."""
    body = {"tenant": item["tenant"]["S"], "name": item["name"]["S"], "due": due}
    delay = max(0, due // 1000 - int(time.time()) - 1)
    return {"QueueUrl": QUEUE_URL, "MessageBody": json.dumps(body), "DelaySeconds": delay}


def read(fire: dict[str, Any]) -> dict[str, Any]:
    """The request for the schedule of a fire, as it is stored now."""
    key = {"tenant": {"S": fire["tenant"]}, "name": {"S": fire["name"]}}
    return {"TableName": PLAIN_TABLE, "Key": key, "ConsistentRead": True}


def entry(fire: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """The event of a fire."""
    zone, due = item["timezone"]["S"], fire["due"] / 1000
    detail = {
        "tenant": fire["tenant"],
        "name": fire["name"],
        "fire_id": f"{fire['tenant']}/{fire['name']}/{fire['due']}",
        "due": datetime.fromtimestamp(due, UTC).isoformat(),
        "local_time": datetime.fromtimestamp(due, ZoneInfo(zone)).isoformat(),
        "timezone": zone,
        "revision": int(item["revision"]["N"]),
        "input": json.loads(item["input"]["S"]),
    }
    return {
        "Time": datetime.fromtimestamp(due, UTC),
        "Source": "eventcron",
        "DetailType": "Schedule Fired",
        "Detail": json.dumps(detail),
        "Resources": [f"{fire['tenant']}/{fire['name']}"],
        "EventBusName": BUS,
    }


class Sequential:
    """A planner and an executor."""

    def __init__(self) -> None:
        self._dynamodb, self._sqs, self._events = (boto3.client(name) for name in ("dynamodb", "sqs", "events"))

    def plan(self, start: int, end: int) -> dict[str, Any]:
        """Send a message for each fire due in [*start*, *end*)."""
        paginator = self._dynamodb.get_paginator("query")
        for segment in range(SEGMENTS):
            for page in paginator.paginate(**query(segment)):
                for item in page["Items"]:
                    for due in occurrences(item["cron"]["S"], item["timezone"]["S"], start, end):
                        self._sqs.send_message(**message(item, due))
        return {}

    def execute(self, event: dict[str, Any]) -> dict[str, Any]:
        """Publish each fire at its instant if its schedule is still enabled. Returns the messages that come back."""
        again = []
        for record in event["Records"]:
            fire = json.loads(record["body"])
            item = self._dynamodb.get_item(**read(fire)).get("Item")
            time.sleep(max(0.0, fire["due"] / 1000 - time.time()))
            if item is None or item["state"]["S"] != "ENABLED":
                continue
            if self._events.put_events(Entries=[entry(fire, item)])["FailedEntryCount"]:
                again.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": again}

    def close(self) -> None:
        for client in (self._dynamodb, self._sqs, self._events):
            client.close()
