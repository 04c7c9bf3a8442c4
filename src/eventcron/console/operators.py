"""The pages Dead letters and Segments."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eventcron.app.redrive import RedriveReport, waiting_in
from eventcron.app.segments import segment_rows
from eventcron.client.dead_letters import DROPPED, append, as_object, text_of
from eventcron.console.site import Notice, Site
from eventcron.errors import EventcronError
from eventcron.ports import DeadLetter

#: Dead letters that are shown of a queue.
SHOWN = 50
#: Dead letters that are sent back in a second.
PER_SECOND = 10.0


def routes(site: Site, *, dropped: Path) -> list[Route]:
    """*dropped*: the directory of the file that keeps what was dropped."""

    async def dead_letters(request: Request) -> Response:
        return await _dead_letters(site, request)

    async def handled(request: Request) -> Response:
        return await _handled(site, request, dropped / DROPPED)

    async def segments(request: Request) -> Response:
        cases = site.stack.client.cases
        return site.page(
            request, "segments.html", rows=await segment_rows(cases), tick_ms=cases.settings.tick_seconds * 1000,
            horizon=cases.settings.horizon_seconds,
        )  # fmt: skip

    return [
        Route("/dead-letters", dead_letters),
        Route("/dead-letters/{queue}", dead_letters),
        Route("/dead-letters/{queue}/{action}", handled, methods=["POST"]),
        Route("/segments", segments),
    ]


async def _dead_letters(site: Site, request: Request) -> Response:
    stack = site.stack
    counts = await waiting_in(stack.queues, stack.redrive)
    queue = request.path_params.get("queue") or max(counts, key=lambda name: counts[name])
    _require(site, queue)
    found = await (await stack.redrive(queue, None)).look(limit=SHOWN) if counts[queue] else []
    shown = sorted((_shown(one) for one in found), key=lambda one: one["sent_at"])
    return site.page(
        request, "dead_letters.html", counts=counts, queue=queue, dead_letters=shown, more=counts[queue] - len(shown)
    )


def _shown(dead_letter: DeadLetter) -> dict[str, Any]:
    document = {"target": "", "rule": "", **as_object(dead_letter)}
    return document | {"body": text_of(dead_letter), "sent_at": dead_letter.sent}


def _require(site: Site, queue: str) -> None:
    if queue not in site.stack.queues:
        raise HTTPException(404, f"There is no queue {queue}.")


async def _handled(site: Site, request: Request, dropped: Path) -> Response:
    """Send back or drop one dead letter, or all that are in the queue."""
    queue, action = request.path_params["queue"], request.path_params["action"]
    _require(site, queue)
    if action not in {"send", "drop"}:
        raise HTTPException(404, "There is no such button.")
    redrive = await site.stack.redrive(queue, None)
    given = request.state.form.get("id", "")
    ids = [given] if given else []
    # A failed one returns as a new dead letter. The limit keeps it from being sent again and again.
    limit = len(ids) or await redrive.waiting()
    try:
        if action == "send":
            report = await redrive.send(limit=limit, ids=ids, per_second=PER_SECOND)
            notice = _notice(report, "sent back")
        else:
            report = await redrive.drop(limit=limit, ids=ids, record=partial(append, dropped, queue))
            notice = _notice(report, f"dropped; {dropped.name} has what was dropped")
    except (EventcronError, OSError) as error:
        notice = Notice(f"Nothing was done: {error}", good=False)
    return site.redirect(f"/dead-letters/{queue}", notice)


def _notice(report: RedriveReport, done: str) -> Notice:
    sentences = [f"{report.done:,} {done}."]
    sentences += [f"{one} stays: {reason}." for one, reason in report.failed.items()]
    sentences += [f"{one} was not found; another reader may hold it for two minutes." for one in report.missing]
    return Notice(" ".join(sentences), good=not report.failed and not report.missing)
