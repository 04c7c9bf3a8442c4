"""Structured logs and EMF metrics of the Lambda handlers. Use cases return reports; only entry points log them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from eventcron.app.delivery import NAMED_SKIPS
from eventcron.config import metrics_namespace
from eventcron.model.events import SkipNotice
from eventcron.timing.instant import rfc3339

#: What Lambda hands a handler besides the event. ``get_remaining_time_in_millis`` and ``aws_request_id`` are used.
LambdaContext: TypeAlias = object

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
    """
    metrics = EphemeralMetrics(namespace=metrics_namespace(os.environ), service=function)
    for name, text in (dimensions or {}).items():
        metrics.add_dimension(name, text)
    for name, field in (fields or {}).items():
        metrics.add_metadata(name, field)
    empty = True
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
        empty = False
    for name, values in (milliseconds or {}).items():
        for value in values:
            # The format takes a hundred values a record: Powertools then prints the record and begins another.
            metrics.add_metric(name=name, unit=MetricUnit.Milliseconds, value=value)
            empty = False
    if not empty:
        metrics.flush_metrics()
