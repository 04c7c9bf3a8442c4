"""Decode commands strictly. A bad command raises an error that names the field, what was given and what is allowed.

This module does not check what an expression or a zone means. ``timing`` does.
"""

from __future__ import annotations

import re
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from eventcron.errors import InvalidSchedule, Undecodable
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import (
    COMMANDS,
    TENANT_SOURCE_PREFIX,
    Command,
    DeleteCalendar,
    PauseSchedule,
    PutCalendar,
    ReportRun,
    Schedule,
)
from eventcron.model.events import EVENT_DETAILS, EVENT_SOURCE, PLAIN_COMMANDS, is_reserved, plainly
from eventcron.model.names import (
    BEGINNING_OF_TIME,
    END_OF_TIME,
    MAX_INPUT_BYTES,
    CalendarKey,
    Instant,
    Key,
    Moment,
    ScheduleName,
    TenantId,
)
from eventcron.model.tracking import MAX_RESULT_BYTES, Runs
from eventcron.timing.instant import from_datetime, rfc3339
from eventcron.wire.heartbeats import check_expect, check_report
from eventcron.wire.outcomes import is_outcome, report_of
from eventcron.wire.rejection import to_invalid_schedule
from eventcron.wire.strict_json import parse, parse_leniently, short, unescaped

#: Bytes of JSON. With labels and input at their limits, an event still fits into EventBridge's 256 KB.
MAX_LABELS_BYTES = 16_384

#: Characters of an unknown detail-type that are compared with the known ones; more would only take time.
_COMPARED_CHARS = 64

#: Text that may be part of a token. A rejection shortens values, so it could quote a part.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,}")

_Word = Annotated[str, Meta(pattern=r"^[!-~]{1,256}\Z")]


class _Envelope(Struct, rename={"detail_type": "detail-type"}):
    """The fields of an EventBridge event that a command needs. AWS may add others, which are ignored."""

    id: _Word
    detail_type: Annotated[str, Meta(pattern=r"^[^\ud800-\udfff]{1,128}\Z")]  # whole characters
    source: _Word
    time: Moment
    detail: msgspec.Raw = msgspec.Raw(b"null")


class Received(Struct, frozen=True, kw_only=True):
    """A valid command, and the event that carried it."""

    command: Command
    detail_type: str
    event_id: str
    source: str
    #: The event's own time, in whole seconds.
    time: Instant
    #: Whether an event answers a rejection. AWS and eventcron itself get none.
    is_answered: bool = True

    def reject(self, error: InvalidSchedule) -> Rejected:
        """Turn *error*, raised while the command was applied, into an answer to this command's sender.

        Anybody may report on a run, so a rejected report is no news for the tenant that it names.
        """
        own = _tenant_of(self.source)
        is_strange = isinstance(self.command, ReportRun) and own != self.command.tenant
        return Rejected(
            error,
            command=self.detail_type,
            event_id=self.event_id,
            source=self.source,
            tenant=own if is_strange else self.command.tenant,
            name=None if is_strange else self.command.name,
        )


class Rejected(InvalidSchedule):
    """A rejected command, with everything its sender needs to find the command and the mistake.

    ``tenant`` is the sender's own tenant. It is None if a platform source named no readable tenant. ``name`` is None
    unless the command named a schedule or calendar of that tenant.
    """

    def __init__(
        self,
        error: InvalidSchedule,
        *,
        command: str,
        event_id: str,
        source: str,
        tenant: str | None,
        name: str | None,
    ) -> None:
        super().__init__(error.code, field=error.field, given=error.given, allowed=error.allowed)
        self.command = command
        self.event_id = event_id
        self.source = source
        self.tenant = tenant
        self.name = name

    @property
    def key(self) -> Key | CalendarKey | None:
        """The schedule or calendar that the command was about; None if it named none of the sender's tenant."""
        if self.tenant is None or self.name is None:
            return None
        is_of_calendar = COMMANDS.get(self.command) in {PutCalendar, DeleteCalendar}
        return CalendarKey(self.tenant, self.name) if is_of_calendar else Key(self.tenant, self.name)


def decode_command(body: str | bytes, *, trusted_sources: frozenset[str]) -> Received:
    """Decode the command in *body*, a queue message from an EventBridge rule.

    Raises:
        Undecodable: nobody can be answered, because *body* is no EventBridge event or does not come from a sender of
            commands.
        Rejected: the sender must change the command, or may not act for its tenant (``not_allowed``).
    """
    envelope, fault = _open(body.encode(errors="surrogatepass") if isinstance(body, str) else body)
    time = _time(envelope)
    if is_outcome(envelope.source, envelope.detail_type):
        report = report_of(envelope.source, envelope.detail_type, bytes(envelope.detail))
        return _received(envelope, report, time=time, is_answered=False)
    own = _is_own_command(envelope)
    trusted = own or envelope.source in trusted_sources
    _refuse_strays(envelope, fault, trusted=trusted)
    try:
        if fault is not None:
            raise fault.error
        by_token = _proven_by_token(envelope.detail_type)
        if not (trusted or by_token):
            _check_source(envelope)
        command = decode_detail(bytes(envelope.detail), command_kind(envelope.detail_type))
        if by_token and isinstance(command, ReportRun) and command.is_heartbeat and not trusted:
            _check_source(envelope)
            by_token = False
        if not (trusted or by_token):
            _authorise(envelope.source, command.tenant)
    except InvalidSchedule as error:
        detail = parse_leniently(bytes(envelope.detail)) if fault is None else fault.detail
        # A token may stand in a misspelt field, or in text. A rejection is published, and logged.
        hidden = _without_tokens(error.given) if _proven_by_token(envelope.detail_type) else error.given
        shown = InvalidSchedule(error.code, field=error.field, given=hidden, allowed=error.allowed)
        raise _rejected(shown, envelope, detail, trusted=trusted) from error
    return _received(envelope, command, time=time, is_answered=not own)


def _proven_by_token(detail_type: str) -> bool:
    """Whether a command proves by a token, and not by its source, that its sender may send it."""
    return COMMANDS.get(detail_type) is ReportRun


def _without_tokens(text: str) -> str:
    """*text* with three dots for each token in it.

    >>> _without_tokens("'sbSETdH6ljWT3z-3yeCfo4_hk-sd1j3d194S_zMxLEjo'")
    "'…'"
    """
    return _TOKEN.sub("…", text)


def _received(envelope: _Envelope, command: Command, *, time: Instant, is_answered: bool) -> Received:
    return Received(
        command=command,
        detail_type=envelope.detail_type,
        event_id=envelope.id,
        source=envelope.source,
        time=time,
        is_answered=is_answered,
    )


def decode_schedule(raw: bytes) -> Schedule:
    """Decode the schedule in *raw*, which is the ``detail`` of ``Put Schedule``.

    Raises:
        InvalidSchedule: a field is unknown, missing, of the wrong type or out of range.
    """
    return decode_detail(raw, Schedule)


_C = TypeVar("_C", bound=Command)


def decode_detail(raw: bytes, kind: type[_C]) -> _C:
    """Decode *raw*, the ``detail`` of a command of that *kind*.

    Raises:
        InvalidSchedule: a field is unknown, missing, of the wrong type or out of range.
    """
    value = parse(raw, field="detail")
    if type(value) is str:  # isinstance would accept a Number too
        raise InvalidSchedule(
            RejectionCode.NOT_JSON, field="detail", given=short(value), allowed="a JSON object, not text"
        )
    try:
        command: _C = _DETAILS[kind].decode(raw)
    except msgspec.ValidationError as error:
        raise to_invalid_schedule(error, value, kind) from error
    if isinstance(command, ReportRun):
        _check_size("result", len(bytes(command.result)), MAX_RESULT_BYTES)
        check_report(command)
    return _checked(command) if isinstance(command, Schedule) else command


class _Fault(NamedTuple):
    """Why the text of a detail cannot be read, and the part of the detail that could be."""

    error: InvalidSchedule
    detail: object


def _open(body: bytes) -> tuple[_Envelope, _Fault | None]:
    """Decode the envelope, even if its detail cannot be read: the sender is still to get an answer."""
    try:
        return _ENVELOPES.decode(body), None
    except msgspec.ValidationError as error:
        raise Undecodable(f"not an EventBridge event: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        unread = error
    try:
        parse(body, field="detail")
    except InvalidSchedule as error:
        return _salvage(body, error)
    raise Undecodable(f"not an EventBridge event: {unread}") from unread


def _salvage(body: bytes, fault: InvalidSchedule) -> tuple[_Envelope, _Fault]:
    """Decode the envelope around a detail that cannot be read because of *fault*."""
    try:
        event = parse_leniently(body)
        if not isinstance(event, dict):
            raise Undecodable("not an EventBridge event: not an object")
        detail = event.pop("detail", None)
        return msgspec.convert(event, _Envelope), _Fault(fault, detail)
    except ValueError as error:
        raise Undecodable(f"not an EventBridge event: {fault.code}: {fault.given}") from error


def _time(envelope: _Envelope) -> Instant:
    time = from_datetime(envelope.time)
    if not BEGINNING_OF_TIME <= time < END_OF_TIME:
        raise Undecodable(f"not an EventBridge event: its time is {envelope.time.isoformat()}")
    return time


def _refuse_strays(envelope: _Envelope, fault: _Fault | None, *, trusted: bool) -> None:
    """Refuse to answer an event that is no attempt at a command.

    Eventcron must not answer its own events: if a rule sent the whole bus here, each answer would cause another one.

    Raises:
        Undecodable: the event is eventcron's own, or neither its sender nor its detail-type is one of commands.
    """
    ours = envelope.source == EVENT_SOURCE
    sender = trusted or ours or _tenant_of(envelope.source) is not None
    if (ours and _is_event(envelope, fault)) or not (sender or plainly(envelope.detail_type) in PLAIN_COMMANDS):
        raise Undecodable(f"not a command: {envelope.detail_type!r} from {envelope.source!r}")


def _is_own_command(envelope: _Envelope) -> bool:
    """Whether eventcron itself pauses a schedule. No rule brings an event of its own source to the registrars."""
    return envelope.source == EVENT_SOURCE and COMMANDS.get(envelope.detail_type) is PauseSchedule


def _is_event(envelope: _Envelope, fault: _Fault | None) -> bool:
    """Whether eventcron published it: by its detail-type, or, as schedules may choose that of their fires, by its id.

    The rule that brings commands makes the same difference.
    """
    detail = parse_leniently(bytes(envelope.detail)) if fault is None else fault.detail
    return envelope.detail_type in EVENT_DETAILS or (isinstance(detail, dict) and "fire_id" in detail)


def _check_source(envelope: _Envelope) -> None:
    """Check that the source is that of a tenant."""
    if _tenant_of(envelope.source) is not None:
        return
    allowed = f"'{TENANT_SOURCE_PREFIX}<tenant>', or a source that the deployment trusts"
    tenant = _named(parse_leniently(bytes(envelope.detail)), "tenant")
    if tenant is not None:
        allowed += f"; did you mean '{TENANT_SOURCE_PREFIX}{tenant}'?"
    raise InvalidSchedule(RejectionCode.NOT_ALLOWED, field="source", given=short(envelope.source), allowed=allowed)


def command_kind(detail_type: str) -> type[Command]:
    """The command that *detail_type* names.

    Raises:
        InvalidSchedule: it names none (``unknown_command``); says which one was probably meant.
    """
    kind = COMMANDS.get(detail_type)
    if kind is None:
        plain = plainly(detail_type)
        near = PLAIN_COMMANDS.get(plain) or next(
            (PLAIN_COMMANDS[one] for one in get_close_matches(plain[:_COMPARED_CHARS], PLAIN_COMMANDS, n=1)), None
        )
        hint = f"; did you mean {near!r}?" if near else ""
        raise InvalidSchedule(
            RejectionCode.UNKNOWN_COMMAND,
            field="detail-type",
            given=short(detail_type),
            allowed=", ".join(COMMANDS) + hint,
        )
    return kind


def _authorise(source: str, tenant: str) -> None:
    """Check that a tenant's source acts for that tenant only."""
    if tenant != _tenant_of(source):
        raise InvalidSchedule(
            RejectionCode.NOT_ALLOWED,
            field="tenant",
            given=repr(tenant),
            allowed=f"the tenant that source {short(source)} names",
        )


def _rejected(error: InvalidSchedule, envelope: _Envelope, detail: object, *, trusted: bool) -> Rejected:
    """Address *error* to the sender. A tenant that the sender is not allowed to act for never gets the answer."""
    tenant, name = (_named(detail, field) for field in ("tenant", "name"))
    if not trusted:
        own = _named({"tenant": _tenant_of(envelope.source)}, "tenant")
        tenant, name = own, name if own is not None and own == tenant else None
    return Rejected(
        error,
        command=envelope.detail_type,
        event_id=envelope.id,
        source=envelope.source,
        tenant=tenant,
        name=name,
    )


def _tenant_of(source: str) -> str | None:
    """Return the tenant that *source* names, or None if it is not a tenant's source."""
    return source.removeprefix(TENANT_SOURCE_PREFIX) if source.startswith(TENANT_SOURCE_PREFIX) else None


def _named(detail: object, field: str) -> str | None:
    """Return the tenant or name in *detail*, or None if it is missing or invalid."""
    given = detail.get(field) if isinstance(detail, dict) else None
    if type(given) is not str:  # isinstance would accept a Number too
        return None
    try:
        msgspec.convert(given, _NAMES[field])
    except msgspec.ValidationError:
        return None
    return given


def _checked(schedule: Schedule) -> Any:
    """*schedule*, within the limits that the type of a single field cannot express.

    An input that is too long only for its escapes is stored with the characters themselves. So it counts alike whether
    or not a client or a bus escapes what is not ASCII.

    Raises:
        InvalidSchedule: input or labels are too large, ``detail_type`` is reserved, or ``end`` is not after ``start``.
    """
    if len(bytes(schedule.input)) > MAX_INPUT_BYTES:
        schedule = replace(schedule, input=msgspec.Raw(unescaped(bytes(schedule.input))))
    _check_size("input", len(bytes(schedule.input)), MAX_INPUT_BYTES)
    _check_size("labels", len(msgspec.json.encode(schedule.labels)), MAX_LABELS_BYTES)
    if is_reserved(schedule.detail_type):
        allowed = "'Schedule Fired', or a name that eventcron does not use for commands or other events"
        raise InvalidSchedule(
            RejectionCode.RESERVED, field="detail_type", given=short(schedule.detail_type), allowed=allowed
        )
    if not schedule.runs.track and schedule.runs != Runs():
        allowed = "true, as the other fields of 'runs' are about tracked fires"
        raise InvalidSchedule(RejectionCode.OUT_OF_RANGE, field="runs.track", given="false", allowed=allowed)
    check_expect(schedule)
    start, end = (_instant(field, getattr(schedule, field)) for field in ("start", "end"))
    if start is not None and end is not None and end <= start:
        raise InvalidSchedule(
            RejectionCode.OUT_OF_RANGE, field="end", given=repr(rfc3339(end)), allowed=f"after {rfc3339(start)}"
        )
    return schedule


def _check_size(field: str, size: int, limit: int) -> None:
    if size > limit:
        allowed = f"at most {limit:,} bytes of JSON"
        raise InvalidSchedule(RejectionCode.TOO_LARGE, field=field, given=f"{size:,} bytes of JSON", allowed=allowed)


def _instant(field: str, moment: datetime | None) -> Instant | None:
    if moment is None:
        return None
    instant = from_datetime(moment)
    if not BEGINNING_OF_TIME <= instant < END_OF_TIME:
        allowed = f"from {rfc3339(BEGINNING_OF_TIME)} to before {rfc3339(END_OF_TIME)}"
        raise InvalidSchedule(RejectionCode.OUT_OF_RANGE, field=field, given=repr(moment.isoformat()), allowed=allowed)
    return instant


_ENVELOPES = msgspec.json.Decoder(_Envelope)
_NAMES: dict[str, Any] = {"tenant": TenantId, "name": ScheduleName}
_DETAILS: dict[type[Struct], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in COMMANDS.values()
}
