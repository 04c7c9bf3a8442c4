"""Plans what makes a deployment equal to files: which commands, which fields they change, and which fires move.

What would be stored is what the registrar's own code stores, on copies in memory. So what it rejects is known before
anything is sent. What moves is computed from the two as ``eventcron upcoming`` computes what fires.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from eventcron.app.calendars import named_by
from eventcron.app.export import INPUTS_BYTES, READ_AT_ONCE, input_size
from eventcron.app.portions import portions
from eventcron.app.reading import pages, read_inputs
from eventcron.app.restore import has_calendar, has_command
from eventcron.app.use_cases import Ports
from eventcron.errors import InvalidSchedule
from eventcron.model.commands import (
    DeleteCalendar,
    DeleteSchedule,
    PauseSchedule,
    PutCalendar,
    ResumeSchedule,
    Schedule,
)
from eventcron.model.names import CalendarKey, Instant, Key, Window
from eventcron.model.records import Calendar, Record, State
from eventcron.ports import Calendars, ScheduleStore
from eventcron.preview.files import Declared
from eventcron.preview.registrar import at_once, put_all
from eventcron.rules.definition import fires_alike
from eventcron.rules.diff import FieldChange, Moves, changed_fields, moves, with_stored_input
from eventcron.rules.export import Exported, schedule_commands
from eventcron.rules.inputs import whole
from eventcron.rules.ordering import applied_revision, is_stored, version_of
from eventcron.rules.upcoming import UpcomingFire, slices, upcoming_entries, upcoming_fires
from eventcron.settings import Settings
from eventcron.testing.clock import FakeClock
from eventcron.testing.ports import memory_ports
from eventcron.timing.exclusions import calendar_names

#: Fires that are compared on each side, at most: about as many as take 10 s. The plan says how far it came.
MAX_FIRES = 500_000
#: Shares in which the calendars are read.
PARTS = 8

AnyKey: TypeAlias = Key | CalendarKey
#: What is put: what an export has, and the deletions of what files no longer declare.
Sent: TypeAlias = Exported | DeleteSchedule


class Change(Struct, frozen=True):
    """One thing that the plan makes, changes or deletes."""

    #: create, update or delete.
    action: str
    #: schedule or calendar.
    kind: str
    name: str
    fields: list[FieldChange] = []


class Difference(Struct, kw_only=True):
    """What makes the deployment equal to the files."""

    changes: list[Change] = field(default_factory=list)
    #: The commands, each with its revision.
    commands: list[Sent] = field(default_factory=list)
    unchanged: int = 0
    #: What the deployment has under a later revision than the files: it stays.
    newer: list[str] = field(default_factory=list)
    #: ``FILE:LINE: reason``, or the name and the reason.
    rejected: list[str] = field(default_factory=list)
    #: How the fires of each schedule change from now until the instant ``until``.
    moves: dict[Key, Moves] = field(default_factory=dict)
    until: Instant = 0
    #: The tenants of which is deleted what the files do not have.
    pruned: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.commands or self.rejected)


class Comparison:
    """Compares files with what is stored. Reads only."""

    def __init__(self, *, store: ScheduleStore, calendars: Calendars, settings: Settings) -> None:
        self._store = store
        self._calendars = calendars
        self._settings = settings

    async def plan(
        self, declared: Sequence[Declared], *, now: Instant, span: int, prune: Collection[str] = ()
    ) -> Difference:
        """What makes the deployment equal to *declared*; of the tenants in *prune* everything else is deleted.

        Fires are compared from *now* on, for *span* milliseconds.

        Raises:
            Unavailable: a service refused.
            Undecodable: this release cannot read what is stored.
        """
        plan = Difference(pruned=sorted(prune), until=now + span)
        plan.rejected += [f"{one.file}:{one.line}: {one.error}" for one in declared if one.error is not None]
        places = {id(one.command): f"{one.file}:{one.line}" for one in declared}
        commands = [one.command for one in declared if one.command is not None]
        of_calendars = [one for one in commands if isinstance(one, PutCalendar | DeleteCalendar)]
        of_schedules = [one for one in commands if not isinstance(one, PutCalendar | DeleteCalendar)]
        schedules = [one for one in of_schedules if isinstance(one, Schedule)]
        records = await self._records({one.key for one in of_schedules})
        named = {CalendarKey(one.tenant, name) for one in schedules for name in calendar_names(one.exclude)}
        calendars = dict(await self._calendars.get(list({one.key for one in of_calendars} | named)))

        ports = memory_ports(FakeClock(now), pause=at_once)
        for calendar in calendars.values():
            await ports.calendars.put(calendar, replacing=None)
        answers = _Answers(ports, self._settings, places, plan, now)
        # A calendar that is deleted is there until the schedules that exclude it are put.
        for_calendars = [one for each in of_calendars for one in _calendar(each, calendars.get(each.key), plan, now)]
        await answers.take_calendars([one for one in for_calendars if isinstance(one, PutCalendar)], calendars)
        days = await named_by(schedules, ports.calendars)
        wanted: list[Sent] = []
        for command in of_schedules:
            stored = records.get(command.key)
            sent, change = _schedule(command, stored, days.get(command.tenant, {}), plan, now)
            if sent is not None:
                places[id(sent)] = places[id(command)]
                wanted.append(sent)
                answers.changes[id(sent)] = change
        if prune and not plan.rejected:
            gone = await self._gone({one.key for one in of_schedules}, prune, now)
            records |= {record.key: record for record in gone}
            wanted += [_deletion(record, now) for record in gone]
            lost = await self._calendars_gone({one.key for one in of_calendars} | named, prune)
            for calendar in lost:
                await ports.calendars.put(calendar, replacing=None)
            wanted += [_calendar_deletion(calendar, now) for calendar in lost]
        changed = {one.key for one in wanted if isinstance(one.key, Key)}
        before = [replace(records[key], pending=None) for key in changed if key in records]
        for record in before:
            await ports.store.put(record, replacing=None)
        await answers.take([*wanted, *(one for one in for_calendars if isinstance(one, DeleteCalendar))])
        after = await ports.store.get([*changed])
        _compare_fires(plan, before, list(after.values()), Window(now, now + span))
        return plan

    async def _records(self, keys: Collection[Key]) -> dict[Key, Record]:
        """What is stored under *keys*, each with its input in its schedule; one that is gone was replaced just now."""
        records = await self._store.get([*keys])
        found: dict[Key, Record] = {}
        for some in portions([*records.values()], size=input_size, total=INPUTS_BYTES, count=READ_AT_ONCE):
            inputs = (await read_inputs(self._store, some, gone="it was replaced")).found
            found |= {one.key: whole(one, inputs[one.key]) if one.key in inputs else one for one in some}
        return found

    async def _gone(self, keep: Collection[Key], tenants: Iterable[str], now: Instant) -> list[Record]:
        """The schedules of *tenants* besides *keep*. What an export leaves out, as it is over, is left alone."""
        found: list[Record] = []
        for tenant in tenants:
            async for page in pages(partial(self._store.of_tenant, tenant)):
                found += [one for one in page.items if one.key not in keep and schedule_commands(one, now=now)]
        return found

    async def _calendars_gone(self, keep: Collection[CalendarKey], tenants: Collection[str]) -> list[Calendar]:
        found: list[Calendar] = []
        for part in range(PARTS):
            async for page in pages(partial(self._calendars.scan, part, PARTS)):
                found += [
                    one for one in page.items if one.dates is not None and one.tenant in tenants and one.key not in keep
                ]
        return found


class _Answers:
    """Lets the registrar in memory answer commands, and adds to the plan those that it accepts."""

    def __init__(
        self, ports: Ports, settings: Settings, places: dict[int, str], plan: Difference, now: Instant
    ) -> None:
        self._handlers = ports.use_cases(settings).handlers
        self._places = places
        self._plan = plan
        self._now = now
        self.changes: dict[int, Change] = {}

    async def take_calendars(self, commands: Sequence[PutCalendar], stored: Mapping[CalendarKey, Calendar]) -> None:
        self.changes |= {id(one): _calendar_change(one, stored.get(one.key)) for one in commands}
        await self.take(commands)

    async def take(self, commands: Sequence[Sent]) -> None:
        # A pause follows the put of its schedule, so they are not applied at once.
        puts = [one for one in commands if not isinstance(one, PauseSchedule | ResumeSchedule)]
        switches = [one for one in commands if isinstance(one, PauseSchedule | ResumeSchedule)]
        for some in (puts, switches):
            for command, reason in zip(some, await put_all(self._handlers, some, at=self._now), strict=True):
                if reason:
                    place = self._places.get(id(command), "to be deleted")
                    self._plan.rejected.append(f"{place}: {command.key}: {reason}")
                    continue
                self._plan.commands.append(command)
                self._plan.changes.append(self.changes.get(id(command)) or _deletion_change(command))


def _revision(stored: Record | Calendar | None, now: Instant) -> int:
    """The revision that a command would have by the time of its event, which EventBridge cuts to whole seconds."""
    latest = 0 if stored is None else stored.latest
    version = version_of(stored, given=None, time=now // 1000 * 1000, event_id="")
    return latest + 1 if version is None else version.revision


def _schedule(
    command: Schedule | PauseSchedule | ResumeSchedule,
    stored: Record | None,
    days: Mapping[str, Sequence[object]],
    plan: Difference,
    now: Instant,
) -> tuple[Sent | None, Change]:
    """What to send for *command*, if anything, and what that changes."""
    name = str(command.key)
    nothing = (None, Change("", "schedule", name))
    if command.revision is not None and has_command(stored, command):
        _keep(command, stored, plan)
        return nothing
    revision = _revision(stored, now) if command.revision is None else command.revision
    sent = replace(command, revision=revision)
    if not isinstance(command, Schedule):
        paused = type(command) is PauseSchedule
        is_so = stored is not None and stored.schedule is not None and (stored.state is State.PAUSED) == paused
        becomes = FieldChange("state", "", '"PAUSED"' if paused else '"ENABLED"')
        return nothing if is_so else (sent, Change("update", "schedule", name, [becomes]))
    if stored is None or stored.schedule is None:
        return sent, Change("create", "schedule", name)
    command = with_stored_input(stored, command)
    sent = replace(command, revision=revision)
    if is_stored(stored, command, revision):
        try:
            alike = fires_alike(stored, command, calendars=days)  # type: ignore[arg-type]
        except InvalidSchedule:
            alike = False  # the registrar says why
        if alike:
            plan.unchanged += 1
            return nothing
        return sent, Change("update", "schedule", name, [FieldChange("days of a calendar", "", "")])
    return sent, Change("update", "schedule", name, changed_fields(stored, command, revision))


def _keep(command: Schedule | PauseSchedule | ResumeSchedule, stored: Record | None, plan: Difference) -> None:
    """Count *command*, which the deployment has, or has something newer in place of."""
    assert stored is not None  # noqa: S101  # where nothing is stored, a put is missing
    if applied_revision(stored, command) > (command.revision or 0):
        plan.newer.append(str(command.key))
    elif isinstance(command, Schedule):
        plan.unchanged += 1


def _calendar(
    command: PutCalendar | DeleteCalendar, stored: Calendar | None, plan: Difference, now: Instant
) -> list[Sent]:
    """What to send for *command*: nothing if it is there, or something newer is."""
    if isinstance(command, PutCalendar) and stored is not None and stored.dates == tuple(command.dates):
        plan.unchanged += 1
        return []
    if command.revision is not None and has_calendar(stored, command):
        if stored is not None and stored.revision > command.revision and stored.dates is not None:
            plan.newer.append(str(command.key))
        return []
    return [replace(command, revision=_revision(stored, now) if command.revision is None else command.revision)]


def _deletion(record: Record, now: Instant) -> Sent:
    return DeleteSchedule(tenant=record.tenant, name=record.name, revision=_revision(record, now))


def _calendar_deletion(calendar: Calendar, now: Instant) -> Sent:
    return DeleteCalendar(tenant=calendar.tenant, name=calendar.name, revision=_revision(calendar, now))


def _calendar_change(command: PutCalendar, stored: Calendar | None) -> Change:
    if stored is None or stored.dates is None:
        return Change("create", "calendar", str(command.key))
    return Change("update", "calendar", str(command.key), [FieldChange("dates", "", "")])


def _deletion_change(command: Sent) -> Change:
    kind = "calendar" if isinstance(command, DeleteCalendar) else "schedule"
    return Change("delete", kind, str(command.key))


def _compare_fires(plan: Difference, before: Sequence[Record], after: Sequence[Record], window: Window) -> None:
    """Add to *plan* how the fires in *window* change, and how far that was computed."""
    old, until = _fires(before, window)
    new, until = _fires(after, Window(window.start, until))
    plan.until = until
    for key in sorted(old.keys() | new.keys()):
        found = moves((at for at in old[key] if at < until), (at for at in new[key] if at < until))
        if any(found):
            plan.moves[key] = found


def _fires(records: Iterable[Record], window: Window) -> tuple[defaultdict[Key, list[Instant]], Instant]:
    """When *records* fire in *window*, and the end of what was computed: at most ``MAX_FIRES``."""
    entries = [entry for record in records for entry in upcoming_entries(record, since=window.start)]
    fires: defaultdict[Key, list[Instant]] = defaultdict(list)
    count = 0
    for found in upcoming_fires(entries, window):
        if isinstance(found, UpcomingFire):
            fires[found.fire.key].append(found.at)
            count += 1
            if count > MAX_FIRES:
                # Fires come slice by slice: what is before this one's slice is complete.
                return fires, next(part.start for part in slices(window) if found.at < part.end)
    return fires, window.end
