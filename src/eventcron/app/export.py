"""Write every schedule and calendar of a deployment as commands that make them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from msgspec import Struct

from eventcron.app.concurrency import all_of
from eventcron.app.portions import portions
from eventcron.app.reading import pages, read_inputs
from eventcron.errors import InvalidSchedule
from eventcron.model.names import CalendarKey
from eventcron.model.records import Calendar, Record
from eventcron.ports import Calendars, Clock, ScheduleStore
from eventcron.rules.export import (
    Exported,
    SchedulesCalendars,
    calendar_commands,
    calendars_in,
    rebuilt_calendar,
    schedule_commands,
)
from eventcron.rules.inputs import whole
from eventcron.settings import Settings

#: Bytes of inputs that each part of an export holds at once, and schedules whose inputs are read at once.
INPUTS_BYTES = 4_000_000
READ_AT_ONCE = 100


class ExportReport(Struct, kw_only=True):
    """What was written so far."""

    schedules: int = 0
    calendars: int = 0
    #: Schedules that are over, or deleted: there is nothing to make again.
    left_out: int = 0
    #: Schedules that this release cannot read, each with the reason. They are not in the export.
    unreadable: list[str] = msgspec.field(default_factory=list)


def _ignore(_report: ExportReport) -> None:
    """Discard the progress: the default for ``on_progress``."""


def input_size(record: Record) -> int:
    """The bytes of the input of *record* that is stored apart."""
    return 0 if record.input is None else record.input.size


class Exporter:
    """Reads the whole table once, with consistent reads, and writes commands. Changes nothing."""

    def __init__(self, *, clock: Clock, store: ScheduleStore, calendars: Calendars, settings: Settings) -> None:
        self._clock = clock
        self._store = store
        self._calendars = calendars
        self._settings = settings

    async def run(
        self,
        write: Callable[[Sequence[Exported]], None],
        *,
        on_progress: Callable[[ExportReport], None] = _ignore,
    ) -> ExportReport:
        """Pass every command to *write*: calendars first, then schedules.

        A calendar that only schedules know follows at the end: it was deleted, or the ledger was lost.

        Raises:
            Unavailable: a service refused.
            Undecodable: this release cannot read a calendar.
        """
        report, parts = ExportReport(), self._settings.concurrency
        calendars: dict[CalendarKey, Calendar] = {}
        excluded: dict[CalendarKey, SchedulesCalendars] = {}
        await all_of(self._read_calendars(part, parts, calendars) for part in range(parts))
        for calendar in calendars.values():
            commands = calendar_commands(calendar)
            report.calendars += len(commands)
            write(commands)

        async def schedules(part: int) -> None:
            async for page in pages(partial(self._store.scan, part, parts)):
                report.unreadable += [f"{item.key}: {item.reason}" for item in page.unreadable]
                for some in portions(page.items, size=input_size, total=INPUTS_BYTES, count=READ_AT_ONCE):
                    for record in await self._with_inputs(some, report):
                        self._export(record, write, report, excluded)
                on_progress(report)

        await all_of(schedules(part) for part in range(parts))
        for key, taken in excluded.items():
            stored = calendars.get(key)
            if stored is None or stored.dates is None:
                write([*rebuilt_calendar(key, taken, stored)])
                report.calendars += 1
        return report

    async def _with_inputs(self, records: Sequence[Record], report: ExportReport) -> list[Record]:
        """*records*, each with its input in its schedule, wherever that is stored."""
        inputs = await read_inputs(self._store, records, gone="it was replaced while it was read; export again")
        report.unreadable += [f"{key}: {reason}" for key, reason in inputs.unreadable.items()]
        return [
            whole(record, inputs.found.get(record.key)) for record in records if record.key not in inputs.unreadable
        ]

    def _export(
        self,
        record: Record,
        write: Callable[[Sequence[Exported]], None],
        report: ExportReport,
        excluded: dict[CalendarKey, SchedulesCalendars],
    ) -> None:
        try:
            commands = schedule_commands(record, now=self._clock.now())
            taken = calendars_in(record) if commands else None
        except (InvalidSchedule, ValueError) as error:
            report.unreadable.append(f"{record.key}: {error}")
            return
        report.schedules += bool(commands)
        report.left_out += not commands
        write(commands)
        if taken is None:
            return
        for key in taken.dates:
            if key not in excluded or excluded[key].revision < taken.revision:
                excluded[key] = taken

    async def _read_calendars(self, part: int, parts: int, found: dict[CalendarKey, Calendar]) -> None:
        async for page in pages(partial(self._calendars.scan, part, parts)):
            found |= {calendar.key: calendar for calendar in page.items}
