"""Path and query parameters, decoded as strictly as a command."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from eventcron.entrypoints.rest.problem import refused
from eventcron.model.names import Revision, ScheduleName, TenantId, form
from eventcron.wire.rejection import to_invalid_schedule

T = TypeVar("T", bound=Struct)

NamePrefix = Annotated[str, form("at most 128 of A-Z a-z 0-9 . _ -", pattern=r"^[A-Za-z0-9._-]{0,128}\Z")]


class NoParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """The path or query takes no parameters."""


class TenantPath(Struct, frozen=True, forbid_unknown_fields=True):
    tenant: TenantId


class SchedulePath(Struct, frozen=True, forbid_unknown_fields=True):
    tenant: TenantId
    name: ScheduleName


class DeleteQuery(Struct, frozen=True, forbid_unknown_fields=True):
    revision: (
        Annotated[
            Revision,
            Meta(
                description="A command with a lower revision than the stored one changes nothing. "
                "Default: the present, in milliseconds since 1970."
            ),
        ]
        | UnsetType
    ) = UNSET


class ListQuery(Struct, frozen=True, forbid_unknown_fields=True):
    prefix: Annotated[NamePrefix, Meta(description="List only schedules whose names start with this text.")] = ""
    state: (
        Annotated[
            Literal["ENABLED", "PAUSED", "COMPLETED"], Meta(description="List only schedules that are in this state.")
        ]
        | UnsetType
    ) = UNSET
    limit: Annotated[int, Meta(ge=1, le=100, description="The largest number of schedules on a page.")] = 50
    next: (
        Annotated[
            str, Meta(min_length=1, max_length=256, description="The page token: next of the previous page. Opaque.")
        ]
        | UnsetType
    ) = UNSET


def decode_parameters(given: Mapping[str, str], kind: type[T]) -> T:
    """*given* as *kind*. Numbers are read from their text.

    Raises:
        Refused: 400; says which parameter is wrong, what was given, what is allowed.
    """
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise refused(to_invalid_schedule(error, dict(given), kind), status=HTTPStatus.BAD_REQUEST) from error
