"""Structured logs and EMF metrics of the Lambda handlers. The core returns values; only entry points report them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from eventcron.config import metrics_namespace

#: What Lambda hands a handler besides the event. Only ``get_remaining_time_in_millis`` is used.
LambdaContext: TypeAlias = object

#: Names itself as the template's ``POWERTOOLS_SERVICE_NAME`` says.
logger = Logger()


def emit(
    function: str,
    counts: Mapping[str, int],
    *,
    milliseconds: Mapping[str, Iterable[int]] | None = None,
    dimensions: Mapping[str, str] | None = None,
    fields: Mapping[str, object] | None = None,
) -> None:
    """Print metrics in CloudWatch's embedded format, dimension ``service``: counts, and values in milliseconds.

    Each value counts by itself, so CloudWatch can tell percentiles. Each value of *dimensions* makes metrics of its
    own, which CloudWatch charges for; *fields* can be searched for in the log and cost nothing.
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
            # At a hundred values, the format's limit, what there is is printed and a new record begun.
            metrics.add_metric(name=name, unit=MetricUnit.Milliseconds, value=value)
            empty = False
    if not empty:
        metrics.flush_metrics()
