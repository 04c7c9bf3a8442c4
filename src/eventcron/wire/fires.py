"""Decode a fire as a rule's target receives it: types strictly, fields that a later release adds not at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict

from eventcron.errors import Undecodable
from eventcron.model.events import EVENT_SOURCE, FIRE_SOURCE_PREFIX
from eventcron.model.fires import Fire

T = TypeVar("T")

_Text = Annotated[str, Meta(min_length=1)]
_Moment = Annotated[datetime, Meta(tz=True)]

#: What a fire had as its priority before schedules could choose one.
DEFAULT_PRIORITY = 5


class _Detail(Struct, kw_only=True):
    tenant: _Text
    name: _Text
    fire_id: _Text
    due: _Moment
    local_time: _Moment
    timezone: _Text
    cause: _Text
    cause_id: str | None = None
    attempt: int
    revision: int
    priority: int = DEFAULT_PRIORITY
    route: str | None = None
    labels: dict[str, str] = {}
    input: Any = None
    run_token: _Text | None = None


class _Event(Struct, rename={"detail_type": "detail-type"}):
    source: str
    detail_type: _Text
    detail: _Detail


def decode_fire(event: str | bytes | Mapping[str, Any]) -> Fire[Any]:
    """The fire in *event*, an EventBridge event as text or as Lambda passes it. Its input is plain JSON.

    Raises:
        Undecodable: *event* is not a whole event that eventcron published as a fire.
    """
    try:
        found = _decoder.decode(event) if isinstance(event, str | bytes) else msgspec.convert(event, _Event)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Undecodable(f"not a fire: {error}; the rule has to hand on the whole event") from error
    detail = found.detail
    if found.source not in {EVENT_SOURCE, FIRE_SOURCE_PREFIX + detail.tenant}:
        raise Undecodable(f"not a fire: its source is {found.source!r}")
    return Fire(detail_type=found.detail_type, **asdict(detail))


def with_input(fire: Fire[Any], kind: type[T]) -> Fire[T]:
    """*fire* with its input as a *kind*: whatever msgspec converts JSON to.

    Raises:
        Undecodable: the input is something else.
    """
    if kind is Any:
        return fire
    try:
        value = msgspec.convert(fire.input, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Undecodable(f"the input of {fire.tenant}/{fire.name} does not fit: {error}") from error
    return msgspec.structs.replace(fire, input=value)


_decoder = msgspec.json.Decoder(_Event)
