"""The options that ``next`` and ``explain`` share: time zone, clock changes, exclusions, and the key of ``H``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click

from eventcron.entrypoints.cli.calendar_file import read_calendar_file
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Instant, Key
from eventcron.timing.exclusions import DateSpan
from eventcron.timing.trigger import Trigger, parse

_OPTIONS = (
    click.option("--timezone", default="UTC", show_default=True, metavar="TZ", help="IANA name, such as Europe/Oslo."),
    click.option(
        "--gap",
        type=click.Choice(["shift", "skip"]),
        default="shift",
        show_default=True,
        help="A fixed time of day that the clocks skip: fire after the gap, or never.",
    ),
    click.option(
        "--overlap",
        type=click.Choice(["once", "twice"]),
        default="once",
        show_default=True,
        help="A fixed time of day that the clocks repeat: fire the first time, or both times.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="ENTRY",
        help="Dates to skip: 2026-12-24, 2026-12-24/2026-12-26, an expression or calendar:NAME. Repeatable.",
    ),
    click.option(
        "--calendar",
        "calendars",
        multiple=True,
        metavar="NAME=PATH",
        help="The file behind --exclude calendar:NAME: .ics, or a JSON list of dates. Repeatable.",
    ),
    click.option("--tenant", metavar="TENANT", help="With --name: H is hashed from both."),
    click.option("--name", metavar="NAME", help="With --tenant: H is hashed from both."),
)


class TriggerOptions(NamedTuple):
    """The values of the options."""

    timezone: str
    gap: Literal["shift", "skip"]
    overlap: Literal["once", "twice"]
    exclude: tuple[str, ...]
    calendars: tuple[str, ...]
    tenant: str | None
    name: str | None

    @property
    def key(self) -> Key | None:
        """The schedule that ``H`` is hashed from; None if the options name none.

        Raises:
            InvalidSchedule: only one of --tenant and --name was given.
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
        """The trigger of *expressions* with these options. Intervals of ``rate()`` count from *anchor*."""
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
    """Add the options to *command*, which gets them as the fields of ``TriggerOptions``."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


def _read_calendar(option: str) -> tuple[str, Sequence[DateSpan]]:
    name, given, path = option.partition("=")
    if not given or not name:
        raise InvalidSchedule(RejectionCode.WRONG_TYPE, field="--calendar", given=repr(option), allowed="NAME=PATH")
    return name, read_calendar_file(Path(path), field="--calendar")
