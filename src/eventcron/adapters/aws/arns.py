"""The parts of an ARN."""

from __future__ import annotations

from typing import NamedTuple


class Arn(NamedTuple):
    """``arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE``, whole and in parts."""

    text: str
    service: str
    region: str
    account: str
    resource: str


def parts(text: str) -> Arn:
    """The parts of *text*; "" for each that is missing.

    >>> parts("arn:aws:sqs:eu-north-1:123456789012:jobs").resource
    'jobs'
    """
    arn, _, rest = text.partition(":")
    found = [*rest.split(":", 4), *[""] * 4][:5] if arn == "arn" else [""] * 5
    _, service, region, account, resource = found
    return Arn(text, service, region, account, resource)
