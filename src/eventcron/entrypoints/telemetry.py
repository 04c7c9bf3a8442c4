"""Structured logs and EMF metrics of the Lambda handlers. Use cases return reports; only entry points log them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec
from aws_lambda_powertools import Logger

from eventcron.app.delivery import NAMED_SKIPS
from eventcron.config import metrics_namespace
from eventcron.model.events import SkipNotice
from eventcron.model.runs import PastRun
from eventcron.model.tracking import RunEnd
from eventcron.timing.instant import rfc3339

#: What Lambda hands a handler besides the event. ``get_remaining_time_in_millis`` and ``aws_request_id`` are used.
LambdaContext: TypeAlias = object

#: Values of one metric in one record. CloudWatch's embedded format: "The array must have no more than 100 numbers".
MAX_VALUES = 100

_encode = msgspec.json.Encoder().encode

#: Takes its service name from ``POWERTOOLS_SERVICE_NAME``, which the template sets.
logger = Logger()


def begin(context: LambdaContext) -> None:
    """Let each log line of this invocation name its request, as Lambda's own lines and error messages do.

    Powertools adds the trace's id by itself where ``Tracing`` is on.
    """
    logger.append_keys(function_request_id=getattr(context, "aws_request_id", None))


def log_skips(log: Callable[..., None], notices: Sequence[SkipNotice], *, skipped: int) -> None:
    """Log the first ``NAMED_SKIPS`` of *notices*, and how many of the *skipped* occurrences are in no line."""
    named = notices[:NAMED_SKIPS]
    for notice in named:
        log(
            "fire_skipped",
            tenant=notice.tenant,
            schedule=f"{notice.tenant}/{notice.name}",
            reason=notice.reason,
            by=notice.by,
            due=rfc3339(notice.first_due),
            last_due=rfc3339(notice.last_due),
            count=notice.count,
            cause=notice.cause,
        )
    left = skipped - sum(notice.count for notice in named)
    if left > 0:
        log("more_fires_skipped", count=left)


def emit_runs(function: str, ended: Sequence[PastRun]) -> None:
    """Print the metrics of runs that have *ended*, how long they took among them, and log those that went wrong."""
    if not ended:
        return
    counts = {
        "RunsEnded": len(ended),
        "RunsFailed": sum(run.end is RunEnd.FAILED for run in ended),
        "RunsOverdue": sum(run.end is RunEnd.OVERDUE for run in ended),
    }
    # One that is overdue has no duration but its timeout.
    durations = [run.ended - run.opened for run in ended if run.end is not RunEnd.OVERDUE]
    counts = {name: count for name, count in counts.items() if count}
    emit(function, counts, milliseconds={"RunDurationMs": durations})
    for run in ended:
        if run.end is not RunEnd.SUCCEEDED:
            fire = run.fire
            what = "run_overdue" if run.end is RunEnd.OVERDUE else "run_failed"
            logger.warning(what, tenant=fire.tenant, schedule=str(fire.key), fire_id=run.fire_id)


def emit(
    function: str,
    counts: Mapping[str, int],
    *,
    milliseconds: Mapping[str, Iterable[int]] | None = None,
    dimensions: Mapping[str, str] | None = None,
    fields: Mapping[str, object] | None = None,
) -> None:
    """Print metrics in CloudWatch's embedded format, dimension ``service``: counts, and values in milliseconds.

    Each value is a data point of its own, so CloudWatch can compute percentiles. CloudWatch charges for the metrics
    that each value of *dimensions* adds. *fields* are searchable in the log and cost nothing.

    A record is what Powertools prints; its own ``add_metric`` takes longer for a fire than encoding the fire's event.
    """
    values = {name: [count] for name, count in counts.items()}
    values |= {name: list(given) for name, given in (milliseconds or {}).items()}
    named = {**(dimensions or {}), "service": function}
    while values := {name: given for name, given in values.items() if given}:
        part = {name: given[:MAX_VALUES] for name, given in values.items()}
        values = {name: given[MAX_VALUES:] for name, given in values.items()}
        metrics = [{"Name": name, "Unit": "Count" if name in counts else "Milliseconds"} for name in part]
        described = {"Namespace": metrics_namespace(os.environ), "Dimensions": [list(named)], "Metrics": metrics}
        about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [described]}
        sys.stdout.write(f"{_encode({'_aws': about, **named, **(fields or {}), **part}).decode()}\n")
