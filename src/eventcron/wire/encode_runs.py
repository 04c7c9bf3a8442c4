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
    RunEnded,
    RunFailed,
    RunOverdue,
    RunReported,
    RunSucceeded,
)
from eventcron.model.names import Instant
from eventcron.model.runs import PastRun
from eventcron.model.tracking import RunEnd
from eventcron.timing.instant import rfc3339
from eventcron.wire.encode import event_of

#: The first character of a token: of a run that shares its lane with other runs, and of one that is alone.
SHARED, ALONE = "s", "a"

#: The message about a run of which the bus refused the fire.
UNPUBLISHED = "not published: Schedule Failed says why"

_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")


def run_token(secret: str, fire_id: str, *, shared: bool) -> str:
    """The token of the run *fire_id*: the same whenever the fire is delivered, and unknown without the *secret*.

    >>> run_token("5f" * 32, "e524f81ad5036886e1ddcdadacf0caec", shared=True)
    'sbSETdH6ljWT3z-3yeCfo4_hk-sd1j3d194S_zMxLEjo'
    """
    digest = hmac.digest(secret.encode(), fire_id.encode(), sha256)
    return (SHARED if shared else ALONE) + urlsafe_b64encode(digest).decode().rstrip("=")


def is_shared(token: str) -> bool:
    """Whether *token* says that its run shares a lane."""
    return token.startswith(SHARED)


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
        "duration_ms": max(0, run.ended - run.opened),
        "failures": UNSET if run.failures is None else run.failures,
        "message": UNPUBLISHED if run.is_unpublished else "" if report is None else report.message,
        "event_id": event_id or UNSET,
    }
    result = _NULL if report is None else report.result
    detail: RunEnded
    if run.end is RunEnd.OVERDUE:
        name, detail = "Run Overdue", RunOverdue(**about, deadline=rfc3339(run.deadline))
    elif run.end is RunEnd.FAILED:
        name, detail = "Run Failed", RunFailed(**about, result=result)
    else:
        name, detail = "Run Succeeded", RunSucceeded(**about, result=result)
    return event_of(name, detail, fire.key, time=run.ended)


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
    return event_of("Run Reported", detail, report.key, time=now)


def pause_command(run: PastRun) -> str:
    """Return the ``Pause Schedule`` with which eventcron pauses a schedule for its failures, *run* the last of them.

    The same run gives the same command, so that a second one changes nothing. No rule brings an event of this source
    to the registrars: only eventcron itself can put it into their queue.
    """
    command = {
        "id": f"failures-{run.fire_id}",
        "detail-type": "Pause Schedule",
        "source": EVENT_SOURCE,
        "time": rfc3339(run.ended),
        "detail": {"tenant": run.fire.tenant, "name": run.fire.name, "revision": run.ended},
    }
    return _encode(command).decode()
