"""Encode what eventcron says about runs, and the tokens by which others may."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import UNSET

from eventcron.model.commands import ReportRun
from eventcron.model.events import (
    EVENT_SOURCE,
    Event,
    EventDetail,
    RunEnded,
    RunFailed,
    RunOverdue,
    RunReported,
    RunSucceeded,
)
from eventcron.model.names import Instant
from eventcron.model.runs import ALONE, SHARED, PastRun
from eventcron.model.tracking import RunEnd
from eventcron.timing.instant import rfc3339

_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")


def run_token(secret: str, fire_id: str, *, shared: bool) -> str:
    """The token of the run *fire_id*: the same whenever the fire is delivered, and unknown without the *secret*.

    >>> run_token("5f" * 32, "e524f81ad5036886e1ddcdadacf0caec", shared=True)
    'sbSETdH6ljWT3z-3yeCfo4_hk-sd1j3d194S_zMxLEjo'
    """
    digest = hmac.digest(secret.encode(), fire_id.encode(), sha256)
    return (SHARED if shared else ALONE) + urlsafe_b64encode(digest).decode().rstrip("=")


def is_token(given: str, secret: str, fire_id: str, *, shared: bool) -> bool:
    """Whether *given* is that token. It takes the same time wherever the two differ."""
    return hmac.compare_digest(given.encode(), run_token(secret, fire_id, shared=shared).encode())


def run_ended(run: PastRun, report: ReportRun | None = None, *, event_id: str = "") -> Event:
    """Return ``Run Succeeded``, ``Run Failed`` or ``Run Overdue``. *report* is what ended the run, if one did."""
    fire = run.fire
    about: dict[str, Any] = {
        "tenant": fire.tenant,
        "name": fire.name,
        "fire_id": run.fire_id,
        "due": rfc3339(fire.due),
        "cause": fire.cause,
        "cause_id": fire.public_id or UNSET,
        "revision": fire.revision,
        "started": rfc3339(run.opened),
        "duration_ms": max(0, run.at - run.opened),
        "failures": UNSET if run.failures is None else run.failures,
        "message": "" if report is None else report.message,
        "event_id": event_id or UNSET,
    }
    result = _NULL if report is None else report.result
    detail: RunEnded
    if run.end is RunEnd.OVERDUE:
        detail = RunOverdue(**about, deadline=rfc3339(run.deadline))
        return _event("Run Overdue", detail, fire.tenant, fire.name, time=run.at)
    if run.end is RunEnd.FAILED:
        return _event("Run Failed", RunFailed(**about, result=result), fire.tenant, fire.name, time=run.at)
    return _event("Run Succeeded", RunSucceeded(**about, result=result), fire.tenant, fire.name, time=run.at)


def run_reported(report: ReportRun, *, ended: str, now: Instant, event_id: str) -> Event:
    """Return ``Run Reported``. *ended* says how the run had ended; "" = it is open."""
    detail = RunReported(
        tenant=report.tenant,
        name=report.name,
        fire_id=report.fire_id,
        status=report.status,
        ended=ended or UNSET,  # type: ignore[arg-type]  # one of the words
        message=report.message,
        result=report.result,
        event_id=event_id or UNSET,
    )
    return _event("Run Reported", detail, report.tenant, report.name, time=now)


def _event(detail_type: str, detail: EventDetail, tenant: str, name: str, *, time: Instant) -> Event:
    return Event(
        source=EVENT_SOURCE,
        detail_type=detail_type,
        detail=_encode(detail),
        time=time,
        resources=(f"{tenant}/{name}",),
    )
