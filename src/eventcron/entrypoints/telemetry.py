"""Structured logs and EMF metrics of the Lambda handlers. The core returns values; only entry points report them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

#: What Lambda hands a handler besides the event. Only ``get_remaining_time_in_millis`` is used.
LambdaContext: TypeAlias = object

NAMESPACE = "eventcron"

logger = Logger(service="eventcron")


def emit(function: str, counts: Mapping[str, int], *, milliseconds: Mapping[str, Iterable[int]] | None = None) -> None:
    """Print metrics in CloudWatch's embedded format, dimension ``service``: counts, and values in milliseconds.

    Each value counts by itself, so CloudWatch can tell percentiles.
    """
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=function)
    empty = True
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
        empty = False
    for name, values in (milliseconds or {}).items():
        for value in values:
            # At a hundred values, the format's limit, what there is is printed and a new record begun.
            metrics.add_metric(name=name, unit=MetricUnit.Milliseconds, value=value)
            empty = False
    if not empty:
        metrics.flush_metrics()
