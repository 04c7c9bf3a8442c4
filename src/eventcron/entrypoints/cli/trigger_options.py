"""The options that say when, shared by ``next`` and ``explain``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode, RequestCode
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Instant, Key
from eventcron.timing.calendars import read_calendar
from eventcron.timing.exclusions import DateSpan
from eventcron.timing.trigger import Trigger, parse

_OPTIONS = (
    click.option("--timezone", default="UTC", show_default=True, metavar="TZ", help="IANA name, such as Europe/Oslo."),
    click.option(
        "--gap",
        type=click.Choice(["shift", "skip"]),
        default="shift",
        show_default=True,
        help="A fixed time of day that the clocks skip: fire after the gap, or not.",
    ),
    click.option(
        "--overlap",
        type=click.Choice(["once", "twice"]),
        default="once",
        show_default=True,
        help="A fixed time of day that the clocks repeat: fire the first time, or both.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="ENTRY",
        help="A date, a range of dates 2026-12-24/2026-12-26, an expression or calendar:NAME. Repeatable.",
    ),
    click.option(
        "--calendar",
        "calendars",
        multiple=True,
        metavar="NAME=PATH",
        help="An .ics file or a JSON list of dates that --exclude calendar:NAME means. Repeatable.",
    ),
    click.option("--tenant", metavar="TENANT", help="With --name, what H is hashed from."),
    click.option("--name", metavar="NAME", help="With --tenant, what H is hashed from."),
)


class TriggerOptions(NamedTuple):
    """What the options were given as."""

    timezone: str
    gap: Literal["shift", "skip"]
    overlap: Literal["once", "twice"]
    exclude: tuple[str, ...]
    calendars: tuple[str, ...]
    tenant: str | None
    name: str | None

    @property
    def key(self) -> Key | None:
        """What ``H`` is hashed from.

        Raises:
            InvalidSchedule: only one of tenant and name was given.
        """
        if self.tenant is None and self.name is None:
            return None
        if self.tenant is None or self.name is None:
            given = "--name" if self.tenant is None else "--tenant"
            raise InvalidSchedule(
                RejectionCode.MISSING_FIELD, field="--tenant, --name", given=f"{given} alone", allowed="both"
            )
        return Key(self.tenant, self.name)

    def trigger(self, expressions: tuple[str, ...], *, anchor: Instant) -> Trigger:
        """The trigger that *expressions* make with these options."""
        return parse(
            expressions,
            timezone=self.timezone,
            daylight_saving=DaylightSaving(gap=self.gap, overlap=self.overlap),
            exclude=self.exclude,
            anchor=anchor,
            key=self.key,
            calendars=dict(_read_calendar(option) for option in self.calendars),
        )


def trigger_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to *command*; they arrive as the fields of ``TriggerOptions``."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


def _read_calendar(option: str) -> tuple[str, Sequence[DateSpan]]:
    name, given, path = option.partition("=")
    if not given or not name:
        raise InvalidSchedule(RejectionCode.WRONG_TYPE, field="--calendar", given=repr(option), allowed="NAME=PATH")
    try:
        return name, read_calendar(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        allowed = "a readable file in UTF-8"
        raise InvalidSchedule(
            RequestCode.UNREADABLE, field="--calendar", given=f"{path} ({error})", allowed=allowed
        ) from None
