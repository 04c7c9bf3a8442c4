"""The pages Schedules and One schedule, and what the latter's buttons do."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eventcron.client.stored import Filter, ListCursor, Stored, as_object
from eventcron.console.changes import change
from eventcron.console.charts import time_line
from eventcron.console.past import past_of, why
from eventcron.console.site import Site
from eventcron.errors import InvalidSchedule
from eventcron.model.names import Instant, Key
from eventcron.model.records import State
from eventcron.rules.upcoming import UpcomingFire
from eventcron.timing.explain import Night, describe_trigger, nights_of_year
from eventcron.timing.trigger import from_canonical, local_time

#: Schedules of a page.
SHOWN = 50
#: Records that are read for a page at most, and where each one's next fire has to be computed.
MOST_READ, MOST_COMPUTED = 5_000, 1_000
#: Next fires of one schedule.
FIRES = 20
#: Milliseconds, by what the filter "next fire" takes.
WITHIN_MS = {"": None, "1m": 60_000, "1h": 3_600_000, "24h": 86_400_000, "7d": 604_800_000}


def routes(site: Site) -> list[Route]:
    async def schedules(request: Request) -> Response:
        return await _list(site, request)

    async def one(request: Request) -> Response:
        return await _one(site, request)

    async def changed(request: Request) -> Response:
        return await change(site, request)

    return [
        Route("/schedules", schedules),
        Route("/schedules/{tenant}/{name}", one),
        Route("/schedules/{tenant}/{name}/{verb}", changed, methods=["POST"]),
    ]


async def _list(site: Site, request: Request) -> Response:
    given = {name: request.query_params.get(name, "").strip() for name in ("q", "tenant", "label", "state", "within")}
    now = site.stack.client.cases.clock.now()
    which, contains = _filter(given, now)
    computed = which.fires_before is not None
    page = await site.reader.page(
        which,
        _place(request.query_params.get("at", "")),
        limit=SHOWN,
        most=MOST_COMPUTED if computed else MOST_READ,
        contains=contains,
        fires=1,
    )
    following = None
    if page.following is not None:
        query = {**{name: text for name, text in given.items() if text}, "at": _token(page.following)}
        following = str(request.url.replace_query_params(**query)).partition("?")[2]
    return site.page(
        request, "schedules.html", given=given, page=page, following=following, states=list(State)[:3],
        spans=[span for span in WITHIN_MS if span],
    )  # fmt: skip


def _filter(given: dict[str, str], now: Instant) -> tuple[Filter, str]:
    """Which schedules are asked for, and what their ``tenant/name`` must contain.

    A search for ``tenant/prefix`` reads only that tenant's part of the table.
    """
    tenant, contains, prefix = given["tenant"] or None, given["q"], ""
    if tenant is None and "/" in contains:
        tenant, _, prefix = contains.partition("/")
        contains = ""
    label, sign, text = given["label"].partition("=")
    within = WITHIN_MS.get(given["within"])
    which = Filter(
        tenant=tenant or None,
        prefix=prefix,
        labels={label: text if sign else None} if label else {},
        states=frozenset({State(given["state"])} if given["state"] in set(State) else ()),
        fires_before=None if within is None else now + within,
    )
    return which, contains


def _token(place: ListCursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _place(token: str) -> ListCursor:
    if not token:
        return ListCursor()
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=ListCursor)
    except (binascii.Error, msgspec.DecodeError, UnicodeError) as error:
        raise HTTPException(400, "This is no page of the list. Begin with the first one.") from error


async def _one(site: Site, request: Request) -> Response:
    key = Key(request.path_params["tenant"], request.path_params["name"])
    stored = await site.stack.client.get(key.tenant, key.name, fires=FIRES)
    if stored is None:
        raise HTTPException(404, f"There is no schedule {key}.")
    verdict, mistake = None, ""
    try:
        asked = request.query_params.get("why")
        verdict = None if asked is None else await why(site, key, asked.strip())
    except InvalidSchedule as error:
        mistake = str(error)
    now = site.stack.client.cases.clock.now()
    document = as_object(stored)
    document.pop("next_fires")
    return site.page(
        request,
        "schedule.html",
        key=key,
        stored=stored,
        document=msgspec.json.format(msgspec.json.encode(document)).decode(),
        past=await past_of(site, key),
        verdict=verdict,
        mistake=mistake,
        since=site.live.began,
        **_times(stored, now),
    )


def _times(stored: Stored, now: Instant) -> dict[str, Any]:
    """When the schedule fires next, and what the clocks do meanwhile."""
    try:
        trigger = from_canonical(stored.trigger).shown_in(stored.schedule.timezone)
    except (InvalidSchedule, ValueError) as error:
        return {"sentence": str(error), "steps": [], "line": "", "nights": []}
    fires = stored.next_fires
    last = fires[-1].at if fires else now
    changes = nights_of_year(trigger, now)
    between = [night for night in changes if night.change.at <= last]
    return {
        "sentence": describe_trigger(trigger),
        "steps": _steps(fires, between),
        "line": time_line(
            [fire.at for fire in fires],
            [night.change.at for night in between],
            now=now,
            label=f"The next {len(fires)} fires and {len(between)} clock changes; the list below has them",
        ),
        "nights": changes,
    }


def _steps(fires: Sequence[UpcomingFire], between: list[Night]) -> list[dict[str, Any]]:
    """Fires and clock changes in the order of time."""
    steps: list[dict[str, Any]] = [{"at": night.change.at, "change": night.change.sentence} for night in between]
    steps += [
        {
            "at": fire.at,
            "change": "",
            "local": local_time(fire.fire.due, fire.timezone, millis=bool(fire.fire.due % 1000)),
            "zone": fire.timezone,
            "later": fire.at - fire.fire.due,
        }
        for fire in fires
    ]
    return sorted(steps, key=lambda step: (step["at"], not step["change"]))
