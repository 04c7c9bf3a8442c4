"""What stands in a path and after the question mark, decoded as strictly as a command."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from eventcron.entrypoints.rest.problem import refused
from eventcron.model.names import Revision, ScheduleName, TenantId
from eventcron.wire.rejection import to_invalid_schedule

T = TypeVar("T", bound=Struct)


class NoParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """None are taken."""


class TenantPath(Struct, frozen=True, forbid_unknown_fields=True):
    tenant: TenantId


class SchedulePath(Struct, frozen=True, forbid_unknown_fields=True):
    tenant: TenantId
    name: ScheduleName


class DeleteQuery(Struct, frozen=True, forbid_unknown_fields=True):
    #: Orders the command among others; the present, in milliseconds since 1970, if absent.
    revision: Revision | UnsetType = UNSET


class ListQuery(Struct, frozen=True, forbid_unknown_fields=True):
    #: Only schedules whose names start with it.
    prefix: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9._-]{0,128}\Z", description="at most 128 of A-Z a-z 0-9 . _ -")
    ] = ""
    #: Only schedules in this state.
    state: Literal["ENABLED", "PAUSED", "COMPLETED"] | UnsetType = UNSET
    #: The most schedules of a page.
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    #: What the page before said is next. Opaque.
    next: Annotated[str, Meta(min_length=1, max_length=256)] | UnsetType = UNSET


def decode_parameters(given: Mapping[str, str], kind: type[T]) -> T:
    """*given* as *kind*; numbers are read from their text.

    Raises:
        Refused: 400; says which parameter, what was given, what is allowed.
    """
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise refused(to_invalid_schedule(error, dict(given), kind), status=HTTPStatus.BAD_REQUEST) from error
