"""What the buttons of a schedule do: each sends the ordinary command on the bus, so that IAM decides."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from eventcron.app.commander import rejection
from eventcron.client.verbs import Receipt, Verbs
from eventcron.console.site import Form, Notice, Site, as_rfc3339
from eventcron.errors import EventcronError
from eventcron.model.events import Answer
from eventcron.model.names import Key

#: Seconds that the page waits for the answer. What comes later is on the page Live.
PATIENCE_SECONDS = 5.0

Send: TypeAlias = Callable[[Verbs, Key, Form, str], Awaitable[Receipt]]


async def _run(client: Verbs, key: Key, _form: Form, run_id: str) -> Receipt:
    return await client.run(key.tenant, key.name, run_id=run_id)


async def _pause(client: Verbs, key: Key, _form: Form, _id: str) -> Receipt:
    return await client.pause(key.tenant, key.name)


async def _resume(client: Verbs, key: Key, form: Form, _id: str) -> Receipt:
    missed = form.get("missed") or None
    return await client.resume(key.tenant, key.name, missed=missed)  # type: ignore[arg-type]  # it is checked there


async def _backfill(client: Verbs, key: Key, form: Form, backfill_id: str) -> Receipt:
    return await client.backfill(
        key.tenant,
        key.name,
        since=as_rfc3339(form.get("from", "")),
        until=as_rfc3339(form.get("until", "")),
        backfill_id=backfill_id,
    )


VERBS: dict[str, Send] = {"run": _run, "pause": _pause, "resume": _resume, "backfill": _backfill}


async def change(site: Site, request: Request) -> Response:
    """Send the command that the form asks for, and show what came of it on the schedule's page."""
    key = Key(request.path_params["tenant"], request.path_params["name"])
    send = VERBS.get(request.path_params["verb"])
    if send is None:
        raise HTTPException(404, "There is no such button.")
    before, own_id = site.live.number, secrets.token_hex(16)
    try:
        receipt = await send(site.stack.client, key, request.state.form, own_id)
    except EventcronError as error:
        notice = Notice(f"Nothing was sent: {error}", good=False)
    else:
        notice = await _outcome(site, receipt, own_id, before)
    return site.redirect(f"/schedules/{quote(key.tenant)}/{quote(key.name)}", notice)


async def _outcome(site: Site, receipt: Receipt, own_id: str, before: int) -> Notice:
    def is_answer(event: Answer) -> bool:
        return receipt.event_id == event.detail.get("event_id") or own_id == event.detail.get("cause_id")

    answer = None if site.live.silent else await site.live.answer(is_answer, after=before, seconds=PATIENCE_SECONDS)
    if answer is None:
        return Notice(f"The command was sent (event {receipt.event_id}). Its answer has not come yet.", good=True)
    rejected = rejection(answer)
    return Notice(answer.detail_type, good=True) if rejected is None else Notice(str(rejected), good=False)
