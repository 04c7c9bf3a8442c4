"""Commands as programs write them, checked by the registrar's own decoder before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec

from eventcron.errors import InvalidSchedule
from eventcron.model import commands
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import Command
from eventcron.rules.backfill import requested_span
from eventcron.rules.definition import canonical_of
from eventcron.timing.exclusions import calendar_names
from eventcron.wire.decode import decode_detail
from eventcron.wire.strict_json import short

C = TypeVar("C", bound=Command)


def Schedule(  # noqa: N802  # it makes what it is called
    *,
    tenant: str,
    name: str,
    expression: str | Sequence[str],
    timezone: str | None = None,
    daylight_saving: Mapping[str, str] | Literal["eventbridge"] | None = None,
    exclude: Sequence[str] | None = None,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    max_fires: int | None = None,
    state: Literal["ENABLED", "PAUSED"] | None = None,
    input: Any = None,  # noqa: A002  # the field's name
    detail_type: str | None = None,
    labels: Mapping[str, str] | None = None,
    route: str | None = None,
    priority: int | None = None,
    description: str | None = None,
    display_name: str | None = None,
    flexible_window_seconds: int | None = None,
    misfire: Mapping[str, Any] | None = None,
    runs: Mapping[str, Any] | None = None,
    expect: Mapping[str, Any] | None = None,
    after_completion: Literal["KEEP", "DELETE"] | None = None,
    revision: int | None = None,
) -> commands.Schedule:
    """A schedule, checked as the registrar checks it. None = the field's default. *input* is anything JSON can say.

    >>> Schedule(tenant="acme", name="nightly", expression="0 2 * * *", timezone="Europe/Oslo").key
    Key(tenant='acme', name='nightly')

    Raises:
        InvalidSchedule: a field is out of range, or the expression never fires; names the field and what is allowed.
    """
    return command(commands.Schedule, **locals())


def command(kind: type[C], **fields: Any) -> C:
    """A command of that *kind* with those *fields* that are not None, as its decoder makes it.

    Raises:
        InvalidSchedule: a field is unknown, missing or out of range, or is nothing that JSON can say.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    for name, value in given.items():
        try:
            msgspec.json.encode(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidSchedule(
                RejectionCode.WRONG_TYPE, field=name, given=short(repr(value)), allowed=f"what JSON can say ({error})"
            ) from error
    return checked(decode_detail(msgspec.json.encode(given), kind))


def check_names(tenant: str, name: str = "any") -> None:
    """Check that a tenant, and a schedule of it, may have these names: nothing else is worth looking for.

    Raises:
        InvalidSchedule: they may not; names the field.
    """
    command(commands.DeleteSchedule, tenant=tenant, name=name)


def checked(made: C) -> C:
    """*made*, if the registrar would read its expression and exclusions too, and takes a backfill's span.

    Whether a calendar exists, and whether something is due later than now, only the registrar knows.

    Raises:
        InvalidSchedule: it would not.
    """
    if isinstance(made, commands.Schedule):
        canonical_of(made, 0, dict.fromkeys(calendar_names(made.exclude), ()))
    elif isinstance(made, commands.BackfillSchedule):
        requested_span(made)
    return made
