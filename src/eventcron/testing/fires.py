"""A fire as a rule's target receives it, to hand to the code that does its work."""

from __future__ import annotations

from typing import Any

from eventcron.model.messages import Fire
from eventcron.timing.instant import from_rfc3339, rfc3339
from eventcron.wire.encode import fire_id


def fire_event(
    tenant: str,
    name: str,
    *,
    due: str = "2026-12-01T01:00:00Z",
    input: Any = None,  # noqa: A002  # what a fire calls it
    detail_type: str = "Schedule Fired",
    **fields: Any,
) -> dict[str, Any]:
    """The event of a fire that is *due* at that instant, in UTC. *fields* are of its detail.

    >>> event = fire_event("acme", "nightly", input={"report": "leads"}, run_token="secret")
    >>> event["detail"]["due"], event["detail"]["run_token"]
    ('2026-12-01T01:00:00.000Z', 'secret')
    """
    instant = from_rfc3339(due)
    revision = fields.pop("revision", 1)
    detail = {
        "tenant": tenant,
        "name": name,
        "fire_id": fire_id(Fire(tenant, name, revision, instant, instant)),
        "due": rfc3339(instant),
        "local_time": rfc3339(instant).replace("Z", "+00:00"),
        "timezone": "UTC",
        "cause": "schedule",
        "attempt": 1,
        "revision": revision,
        "priority": 5,
        "labels": {},
        "input": input,
    }
    return {
        "version": "0",
        "id": "6f2ab4c1-0d1e-4a57-9c3b-000000000001",
        "detail-type": detail_type,
        "source": "eventcron",
        "account": "123456789012",
        "time": rfc3339(instant, millis=False),
        "region": "eu-north-1",
        "resources": [f"{tenant}/{name}"],
        "detail": detail | fields,
    }
