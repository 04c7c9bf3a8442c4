"""The operation of each route: read the store, or apply a command by the registrar and show the result."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct
from msgspec.structs import replace

from eventcron.app.registrar import TABLE, Change
from eventcron.app.results import Outcome, Result
from eventcron.app.tenant_limits import limits_of
from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.rest.caller import authorise
from eventcron.entrypoints.rest.pages import decode_token, encode_token
from eventcron.entrypoints.rest.parameters import (
    DeleteQuery,
    ListQuery,
    NoParameters,
    SchedulePath,
    TenantPath,
    decode_parameters,
)
from eventcron.entrypoints.rest.preconditions import precondition, require_unconditional
from eventcron.entrypoints.rest.problem import refused
from eventcron.entrypoints.rest.representation import Accepted, SchedulePage, entity_tag, in_full, stored_schedule
from eventcron.entrypoints.rest.request import Request, Response
from eventcron.errors import Conflict, InvalidSchedule
from eventcron.model.codes import RejectionCode, RequestCode
from eventcron.model.commands import COMMANDS, TENANT_SOURCE_PREFIX, Command, DeleteSchedule, Schedule
from eventcron.model.names import Key
from eventcron.model.records import Record
from eventcron.ports import Page
from eventcron.rules.inputs import MAX_INLINE_BYTES, whole
from eventcron.rules.rejections import not_found
from eventcron.wire.decode import Received, command_kind, decode_detail
from eventcron.wire.rejection import to_invalid_schedule
from eventcron.wire.strict_json import parse, short

#: The third argument has the path parameters by name.
Operation: TypeAlias = Callable[[UseCases, Request, Mapping[str, str]], Coroutine[Any, Any, Response]]

#: Bytes of inputs in one answer to a list. Lambda answers with 6 MB at most.
MAX_INPUTS_BYTES = 2_000_000
#: Pages of the store that one answer reads at most, while the filter leaves nothing of them.
MAX_READS = 10


class SentCommand(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    """A command as PutEvents takes it: its name and its detail."""

    detail_type: Annotated[str, Meta(description="The command.", extra_json_schema={"enum": list(COMMANDS)})]
    detail: Annotated[
        msgspec.Raw,
        Meta(description="Its detail. It may leave out the tenant.", extra_json_schema={"type": "object"}),
    ]


async def get_schedule(cases: UseCases, request: Request, path: Mapping[str, str]) -> Response:
    key = _key(cases, request, path)
    decode_parameters(request.query, NoParameters)
    record = (await cases.store.get([key])).get(key)
    if record is None or record.schedule is None:
        raise not_found(key)
    return await _shown(cases, record, HTTPStatus.OK)


async def list_schedules(cases: UseCases, request: Request, path: Mapping[str, str]) -> Response:
    tenant = decode_parameters(path, TenantPath).tenant
    authorise(request.caller, tenant, cases.settings)
    query = decode_parameters(request.query, ListQuery)
    cursor = None if query.next is UNSET else decode_token(query.next, prefix=query.prefix)
    found: list[Record] = []
    for _ in range(MAX_READS):
        page: Page[Record] = await cases.store.of_tenant(tenant, prefix=query.prefix, cursor=cursor, limit=query.limit)
        found = [record for record in page.items if query.state in {UNSET, record.state.value}]
        cursor = page.cursor
        if cursor is None or any(record.schedule for record in found):
            break
    found, cursor = _within_answer([record for record in found if record.schedule is not None], cursor)
    schedules = await _whole(cases, found)
    shown = SchedulePage(
        schedules=[stored_schedule(record, schedule) for record, schedule in zip(found, schedules, strict=True)],
        next=UNSET if cursor is None else encode_token(cursor),
    )
    return Response(HTTPStatus.OK, msgspec.json.encode(shown))


async def get_limits(cases: UseCases, request: Request, path: Mapping[str, str]) -> Response:
    tenant = decode_parameters(path, TenantPath).tenant
    authorise(request.caller, tenant, cases.settings)
    decode_parameters(request.query, NoParameters)
    return Response(HTTPStatus.OK, msgspec.json.encode(await limits_of(cases.store, cases.settings, tenant)))


async def delete_schedule(cases: UseCases, request: Request, path: Mapping[str, str]) -> Response:
    key = _key(cases, request, path)
    revision = decode_parameters(request.query, DeleteQuery).revision
    if request.body:
        about = InvalidSchedule(
            RequestCode.UNEXPECTED_BODY, field="body", given="a body", allowed="no body; ?revision=… sets the revision"
        )
        raise refused(about, status=HTTPStatus.BAD_REQUEST)
    deletion = DeleteSchedule(tenant=key.tenant, name=key.name, revision=None if revision is UNSET else revision)
    await _apply(cases, request, "Delete Schedule", deletion)
    return Response(HTTPStatus.NO_CONTENT)


def changes(kind: type[Command]) -> bool:
    """Whether a command changes the stored schedule. The other commands only make the schedule fire."""
    return isinstance(TABLE[kind], Change)


def command(title: str) -> Operation:
    """The operation of the command *title*, one of ``COMMANDS``. The body is the command's detail."""

    async def operation(cases: UseCases, request: Request, path: Mapping[str, str]) -> Response:
        _key(cases, request, path)
        decode_parameters(request.query, NoParameters)
        if not changes(COMMANDS[title]):
            require_unconditional(request)
        decoded = _decoded(_detail(request.body or b"{}", path), COMMANDS[title])
        result = await _apply(cases, request, title, decoded)
        record = result.record
        if record is None or record.schedule is None:
            accepted = Accepted(tenant=path["tenant"], name=path["name"], id=_id(decoded) or request.id)
            return Response(HTTPStatus.ACCEPTED, msgspec.json.encode(accepted))
        status = HTTPStatus.CREATED if result.created else HTTPStatus.OK
        return await _shown(cases, record, status, unchanged=result.outcome is Outcome.UNCHANGED)

    return operation


async def send_command(cases: UseCases, request: Request, path: Mapping[str, str]) -> Response:
    """Apply whichever command the body names, a calendar's too, and answer as for a command that only fires."""
    authorise(request.caller, decode_parameters(path, TenantPath).tenant, cases.settings)
    decode_parameters(request.query, NoParameters)
    require_unconditional(request)
    sent = _sent(request.body)
    try:
        kind = command_kind(sent.detail_type)
    except InvalidSchedule as error:
        raise _about("DetailType", error) from error
    decoded = _decoded(_detail(bytes(sent.detail), path, field="Detail"), kind, field="Detail")
    await _apply(cases, request, sent.detail_type, decoded)
    accepted = Accepted(tenant=path["tenant"], name=decoded.name, id=_id(decoded) or request.id)
    return Response(HTTPStatus.ACCEPTED, msgspec.json.encode(accepted))


def _key(cases: UseCases, request: Request, path: Mapping[str, str]) -> Key:
    """The schedule that *path* names.

    Raises:
        Refused: 400 for a wrong name; 403 if the caller may not act for the tenant.
    """
    place = decode_parameters(path, SchedulePath)
    authorise(request.caller, place.tenant, cases.settings)
    return Key(place.tenant, place.name)


def _sent(body: bytes) -> SentCommand:
    value = parse(body, field="body")
    try:
        return msgspec.json.decode(body, type=SentCommand)
    except msgspec.ValidationError as error:
        raise to_invalid_schedule(error, value, SentCommand) from error


def _detail(body: bytes, path: Mapping[str, str], *, field: str = "body") -> bytes:
    """*body*, which the request calls *field*, as a command's detail: with the values of *path*, unless it has them.

    They are inserted into the text, because the strict decoder must see every character that was sent.

    Raises:
        InvalidSchedule: *body* is no JSON object, or it names another tenant or schedule than *path*.
    """
    value = parse(body, field=field)
    if not isinstance(value, dict):
        raise InvalidSchedule(RejectionCode.NOT_JSON, field=field, given=short(value), allowed="a JSON object")
    for part, text in path.items():
        if part in value and value[part] != text:
            allowed = f"{text!r}, as in the path; the body may leave it out"
            raise InvalidSchedule(RejectionCode.NOT_ALLOWED, field=part, given=short(value[part]), allowed=allowed)
    missing = msgspec.json.encode({part: text for part, text in path.items() if part not in value})
    members = body.strip(b" \t\r\n").removeprefix(b"{")
    return missing[:-1] + (b"," if len(missing) > len(b"{}") and value else b"") + members


def _decoded(detail: bytes, kind: type[Command], *, field: str = "body") -> Command:
    try:
        return decode_detail(detail, kind)
    except InvalidSchedule as error:
        if error.field == "detail":  # an event's name for it
            raise _about(field, error) from error
        raise


def _about(field: str, error: InvalidSchedule) -> InvalidSchedule:
    """*error*, with the request's name for the value."""
    return InvalidSchedule(error.code, field=field, given=error.given, allowed=error.allowed)


async def _apply(cases: UseCases, request: Request, title: str, decoded: Command) -> Result:
    received = Received(
        command=decoded,
        detail_type=title,
        event_id=request.id,
        source=TENANT_SOURCE_PREFIX + decoded.tenant,
        time=cases.clock.now(),
    )
    return await cases.registrar.apply(received, precondition=precondition(request))


def _id(decoded: Command) -> str | None:
    """The id in a Run Schedule or Backfill Schedule command, if there is one."""
    given = (getattr(decoded, field) for field in decoded.__struct_fields__ if field.endswith("_id"))
    return next(given, None)


def _within_answer(records: list[Record], cursor: str | None) -> tuple[list[Record], str | None]:
    """As many of *records* as an answer takes with their inputs, at least one, and the cursor after these."""
    size = 0
    for place, record in enumerate(records):
        size += MAX_INLINE_BYTES if record.input is None else record.input.size
        if place and size > MAX_INPUTS_BYTES:
            return records[:place], records[place - 1].name
    return records, cursor


async def _whole(cases: UseCases, records: Sequence[Record]) -> list[Schedule]:
    """The schedules of *records*, each with its input.

    Raises:
        Conflict: a schedule was replaced meanwhile, and its input is gone.
    """
    inputs = await cases.store.read_inputs(records)
    schedules = []
    for record in records:
        if record.input is not None and record.key not in inputs:
            raise Conflict(f"{record.key} was replaced while it was read; read it again")
        schedule = whole(record, inputs.get(record.key)).schedule
        assert schedule is not None  # noqa: S101  # callers pass schedules that exist
        schedules.append(schedule)
    return schedules


async def _shown(cases: UseCases, record: Record, status: HTTPStatus, *, unchanged: bool = False) -> Response:
    (schedule,) = await _whole(cases, [record])
    shown = in_full(record, schedule, now=cases.clock.now())
    if unchanged:
        shown = replace(shown, unchanged=True)
    return Response(status, msgspec.json.encode(shown), {"etag": entity_tag(record.revision)})
