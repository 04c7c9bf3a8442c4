"""Put exported commands on a deployment's bus, and wait until they are applied.

Each command carries the revision under which it was stored, so where a later one was applied it changes nothing. What
the deployment has already, or has newer, is not put at all. A restore that was stopped is simply started again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from eventcron.app.command_events import command_event
from eventcron.app.delivery import Publisher
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import (
    COMMANDS,
    DeleteCalendar,
    PauseSchedule,
    PutCalendar,
    ResumeSchedule,
    Schedule,
)
from eventcron.model.names import Instant
from eventcron.model.records import Calendar, Record
from eventcron.ports import Calendars, Clock, EventBus, ScheduleStore
from eventcron.rules.export import Exported
from eventcron.rules.ordering import applied_revision
from eventcron.wire.decode import decode_detail

#: Commands that are compared with what is stored in one read, and put at once.
BATCH = 100
#: Milliseconds between two checks of what is not applied yet, and without progress until the wait ends.
LOOK_MS = 1_000
PATIENCE_MS = 60_000

#: Detail type → the commands in an export.
_KINDS = {detail_type: kind for detail_type, kind in COMMANDS.items() if issubclass(kind, Exported)}


class Line(Struct, rename={"detail_type": "detail-type"}):
    """A line of an export."""

    detail_type: str
    detail: msgspec.Raw


class RestoreReport(Struct, kw_only=True):
    """What was done so far."""

    #: Commands put on the bus.
    put: int = 0
    #: Commands that were not put, because the deployment has what they make, or something newer.
    present: int = 0
    #: Schedules and calendars that were put and not applied. ``Schedule Rejected`` says why.
    missing: list[str] = msgspec.field(default_factory=list)


_line = msgspec.json.Decoder(Line)


def _ignore(_report: RestoreReport) -> None:
    """Discard the progress: the default for ``on_progress``."""


def decode_line(text: bytes) -> Exported:
    """The command in a line of an export.

    Raises:
        InvalidSchedule: the line is none of an export, or the command's detail is wrong.
    """
    try:
        line = _line.decode(text)
    except msgspec.DecodeError as error:
        allowed = "an object with detail-type and detail, as eventcron export writes it"
        raise InvalidSchedule(RejectionCode.WRONG_TYPE, field="line", given=str(error), allowed=allowed) from error
    kind = _KINDS.get(line.detail_type)
    if kind is None:
        allowed = f"a command of an export: {', '.join(_KINDS)}"
        raise InvalidSchedule(
            RejectionCode.WRONG_TYPE, field="detail-type", given=repr(line.detail_type), allowed=allowed
        )
    return decode_detail(bytes(line.detail), kind)


class Restorer:
    """Puts commands on the bus *bus*, which brings commands."""

    def __init__(
        self, *, clock: Clock, store: ScheduleStore, calendars: Calendars, bus: EventBus, jitter: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._store = store
        self._calendars = calendars
        self._publisher = Publisher(clock=clock, bus=bus, jitter=jitter)

    async def run(
        self,
        read: Callable[[], Iterable[Exported]],
        *,
        per_second: float,
        overwrite: bool = False,
        on_progress: Callable[[RestoreReport], None] = _ignore,
    ) -> RestoreReport:
        """Put what *read* returns, at most *per_second*: calendars, then schedules, then deletions of calendars.

        Each stage waits until the one before is applied, because a schedule cannot be put before its calendars. *read*
        is called once a stage. With *overwrite* every command gets the present time as its revision, so that it
        replaces what is there, deletions included.

        Raises:
            Unavailable: a service refused. The restore may be started again.
        """
        report = RestoreReport()
        revision = self._clock.now() if overwrite else None
        stages: tuple[Callable[[Exported], bool], ...] = (
            lambda command: isinstance(command, PutCalendar),
            lambda command: not isinstance(command, PutCalendar | DeleteCalendar),
            lambda command: isinstance(command, DeleteCalendar) and revision is None,
        )
        for belongs in stages:
            commands = (_under(command, revision) for command in read() if belongs(command))
            await self._stage(commands, report, per_second=per_second, on_progress=on_progress)
        return report

    async def _stage(
        self,
        commands: Iterator[Exported],
        report: RestoreReport,
        *,
        per_second: float,
        on_progress: Callable[[RestoreReport], None],
    ) -> None:
        waiting: list[Exported] = []
        free_at = self._clock.now()
        while batch := [*islice(commands, BATCH)]:
            wanted = await self._not_present(batch)
            report.present += len(batch) - len(wanted)
            await self._clock.sleep_until(free_at)
            free_at = self._clock.now() + round(1000 * len(wanted) / per_second)
            now = self._clock.now()
            await self._publisher.publish([command_event(command, now=now) for command in wanted])
            report.put += len(wanted)
            # Whether a pause is applied is for later commands to decide, so nothing waits for it.
            waiting += [_without_content(one) for one in wanted if isinstance(one, Schedule | PutCalendar)]
            on_progress(report)
        report.missing += [str(command.key) for command in await self._wait(waiting)]

    async def _wait(self, waiting: list[Exported]) -> list[Exported]:
        """Wait until *waiting* are applied. Return those that were not while nothing else was either."""
        until = self._clock.now() + PATIENCE_MS
        while waiting and self._clock.now() < until:
            left: list[Exported] = []
            for start in range(0, len(waiting), BATCH):
                left += await self._not_present(waiting[start : start + BATCH])
            if len(left) < len(waiting):
                until = self._clock.now() + PATIENCE_MS
            waiting = left
            if waiting:
                await self._clock.sleep_until(self._clock.now() + LOOK_MS)
        return waiting

    async def _not_present(self, commands: Sequence[Exported]) -> list[Exported]:
        """Those of *commands* that would still change something."""
        of_calendars = [one for one in commands if isinstance(one, PutCalendar | DeleteCalendar)]
        of_schedules = [one for one in commands if not isinstance(one, PutCalendar | DeleteCalendar)]
        calendars = await self._calendars.get([one.key for one in of_calendars])
        records = await self._store.get([one.key for one in of_schedules])
        return [
            *(one for one in of_calendars if not has_calendar(calendars.get(one.key), one)),
            *(one for one in of_schedules if not has_command(records.get(one.key), one)),
        ]


def has_command(record: Record | None, command: Schedule | PauseSchedule | ResumeSchedule) -> bool:
    """Whether *command*, or a later one in its place, was applied to *record*."""
    return record is not None and applied_revision(record, command) >= _revision(command)


def has_calendar(calendar: Calendar | None, command: PutCalendar | DeleteCalendar) -> bool:
    if calendar is None:
        return False
    same_put = isinstance(command, DeleteCalendar) and calendar.dates is not None
    return calendar.revision > _revision(command) or (calendar.revision == _revision(command) and not same_put)


def _revision(command: Exported) -> int:
    """The revision of *command*; every exported command has one."""
    return -1 if command.revision is None else command.revision


def _under(command: Exported, revision: Instant | None) -> Exported:
    return command if revision is None else replace(command, revision=revision)


def _without_content(command: Exported) -> Exported:
    """*command* as the wait needs it: millions of inputs would not fit into memory."""
    if isinstance(command, PutCalendar):
        return replace(command, dates=[])
    assert isinstance(command, Schedule)  # noqa: S101  # nothing else is waited for
    return Schedule(tenant=command.tenant, name=command.name, expression="", revision=command.revision)
