"""The verbs of the client, over whatever carries commands and answers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from msgspec import Struct

from eventcron.app.commander import PATIENCE_MS, Commander, NoAnswer, NotSent, Outcome
from eventcron.app.upcoming import UpcomingReport
from eventcron.app.use_cases import UseCases
from eventcron.client.schedules import check_names, checked, command
from eventcron.client.stored import Filter, Reader, Stored
from eventcron.model.commands import (
    BackfillSchedule,
    CancelBackfill,
    Command,
    DeleteCalendar,
    DeleteSchedule,
    PauseSchedule,
    PutCalendar,
    ResumeSchedule,
    RunSchedule,
    Schedule,
)
from eventcron.model.events import Answer
from eventcron.model.history import HistoryEntry
from eventcron.model.names import END_OF_TIME, BackfillKey, CalendarKey, Key, Window
from eventcron.model.records import Backfill, BackfillState, Calendar, State
from eventcron.ports.answers import Answers
from eventcron.timing.instant import from_datetime
from eventcron.wire.decode import Rejected


class Listen(Protocol):
    """Listens for the answers to commands of some tenants, or of all; or for everything that is published."""

    def __call__(self, tenants: Sequence[str], *, everything: bool = False) -> AbstractAsyncContextManager[Answers]: ...


#: Milliseconds between two looks at a backfill.
LOOK_MS = 1_000


class Receipt(Struct, frozen=True, kw_only=True):
    """A command that was sent. If it was waited for, ``event`` and ``detail`` are the answer."""

    #: The command's event id; "" if it was waited for, and its answer names it.
    event_id: str = ""
    #: The answer's detail-type, such as ``Schedule Created``.
    event: str = ""
    detail: dict[str, Any] = {}


#: What became of one of several commands.
Result: TypeAlias = Receipt | Rejected | NotSent | NoAnswer
Results: TypeAlias = list[Result]


class Verbs:
    """What a client can do. Every verb that sends a command checks it first, and waits for the answer if *wait* is set.

    A verb raises ``InvalidSchedule`` before it sends what the registrar would not take, or for a name that nothing can
    have. It raises ``NotSent`` if the bus does not take the command, and, with *wait*, ``Rejected`` if the deployment
    rejects it and ``NoAnswer`` if none comes.
    """

    def __init__(
        self, cases: UseCases, commander: Commander, listen: Listen, *, patience_ms: int = PATIENCE_MS
    ) -> None:
        self.cases = cases
        self._commander = commander
        self._listen = listen
        self._patience_ms = patience_ms
        self._reader = Reader(cases)
        self._listening = AsyncExitStack()
        self._following = AsyncExitStack()
        self._answers: Answers | None = None
        self._tenants: frozenset[str] = frozenset()
        #: One at a time receives: each of two would take the other's answers.
        self._asking = asyncio.Lock()

    async def put(self, schedule: Schedule, *, wait: bool = False) -> Receipt:
        """Store *schedule*, or replace it."""
        return await self._one(checked(schedule), wait=wait)

    async def get(self, tenant: str, name: str, *, fires: int = 0) -> Stored | None:
        """The stored schedule with its next *fires*; None: there is none."""
        check_names(tenant, name)
        return await self._reader.get(Key(tenant, name), fires=fires)

    def list(
        self,
        tenant: str | None = None,
        *,
        prefix: str = "",
        labels: dict[str, str | None] | None = None,
        states: Iterable[State | Literal["ENABLED", "PAUSED", "COMPLETED"]] = (),
        fires_before: datetime | None = None,
        fires: int = 0,
    ) -> AsyncIterator[Stored]:
        """The stored schedules of *tenant*, or of all, that pass each filter. They are read page by page."""
        if tenant is not None:
            check_names(tenant)
        which = Filter(
            tenant=tenant,
            prefix=prefix,
            labels=labels or {},
            states=frozenset(State(state) for state in states),
            fires_before=None if fires_before is None else from_datetime(fires_before),
        )
        return self._reader.schedules(which, fires=fires)

    def history(
        self,
        tenant: str,
        name: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
        latest_first: bool = True,
    ) -> AsyncIterator[HistoryEntry]:
        """What is kept of a schedule's past: its fires, skips, outcomes and changes, at most *limit*, page by page.

        They are ordered by ``at``; *since* is inclusive, *until* exclusive.

        Raises:
            HistoryNotKept: the deployment keeps no history.
        """
        window = Window(
            0 if since is None else from_datetime(since), END_OF_TIME if until is None else from_datetime(until)
        )
        return self.cases.past.entries(Key(tenant, name), window, limit=limit, latest_first=latest_first)

    async def delete(self, tenant: str, name: str, *, revision: int | None = None, wait: bool = False) -> Receipt:
        """Delete a schedule."""
        return await self._one(command(DeleteSchedule, tenant=tenant, name=name, revision=revision), wait=wait)

    async def pause(self, tenant: str, name: str, *, revision: int | None = None, wait: bool = False) -> Receipt:
        """Pause a schedule."""
        return await self._one(command(PauseSchedule, tenant=tenant, name=name, revision=revision), wait=wait)

    async def resume(
        self,
        tenant: str,
        name: str,
        *,
        missed: Literal["skip", "fire_once", "fire_all"] | None = None,
        per_minute: int | None = None,
        revision: int | None = None,
        wait: bool = False,
    ) -> Receipt:
        """Resume a schedule. *missed* says which occurrences of the pause fire; the default is none.

        *per_minute* is how many fires ``fire_all`` publishes in a minute; the default is the deployment's.
        """
        fields = {"tenant": tenant, "name": name, "missed": missed, "per_minute": per_minute, "revision": revision}
        made = command(ResumeSchedule, **fields)
        return await self._one(made, wait=wait)

    async def run(self, tenant: str, name: str, *, run_id: str | None = None, wait: bool = False) -> Receipt:
        """Fire a schedule once, now. With *wait* the receipt has the fire: ``Schedule Fired`` or the schedule's own."""
        run_id = run_id or secrets.token_hex(16)
        return await self._one(command(RunSchedule, tenant=tenant, name=name, run_id=run_id), wait=wait)

    async def backfill(
        self,
        tenant: str,
        name: str,
        *,
        since: datetime | str,
        until: datetime | str,
        backfill_id: str | None = None,
        per_minute: int | None = None,
        wait: bool = False,
    ) -> Receipt:
        """Fire every occurrence due from *since* until before *until*. *wait* waits until the backfill has begun."""
        fields = {"tenant": tenant, "name": name, "from": since, "until": until, "per_minute": per_minute}
        made = command(BackfillSchedule, backfill_id=backfill_id or secrets.token_hex(16), **fields)
        return await self._one(made, wait=wait)

    async def cancel_backfill(self, tenant: str, name: str, backfill_id: str, *, wait: bool = False) -> Receipt:
        """Cancel a backfill."""
        return await self._one(command(CancelBackfill, tenant=tenant, name=name, backfill_id=backfill_id), wait=wait)

    async def follow_backfill(self, tenant: str, name: str, backfill_id: str) -> AsyncIterator[Backfill]:
        """The stored backfill, again and again until it has ended; nothing if there is none."""
        key = BackfillKey(tenant, name, backfill_id)
        while (backfill := (await self.cases.backfills.get([key])).get(key)) is not None:
            yield backfill
            if backfill.state is not BackfillState.RUNNING:
                return
            await self.cases.clock.sleep_until(self.cases.clock.now() + LOOK_MS)

    async def put_calendar(
        self, tenant: str, name: str, dates: Sequence[str], *, revision: int | None = None, wait: bool = False
    ) -> Receipt:
        """Store the days of a calendar, or replace them."""
        made = command(PutCalendar, tenant=tenant, name=name, dates=list(dates), revision=revision)
        return await self._one(made, wait=wait)

    async def delete_calendar(
        self, tenant: str, name: str, *, revision: int | None = None, wait: bool = False
    ) -> Receipt:
        """Delete a calendar."""
        return await self._one(command(DeleteCalendar, tenant=tenant, name=name, revision=revision), wait=wait)

    async def get_calendar(self, tenant: str, name: str) -> Calendar | None:
        """The stored calendar; None: there is none."""
        check_names(tenant, name)
        return await self._reader.calendar(CalendarKey(tenant, name))

    def calendars(self, tenant: str | None = None) -> AsyncIterator[Calendar]:
        """The stored calendars of *tenant*, or all, in no order."""
        return self._reader.calendars(tenant)

    async def upcoming(
        self, since: datetime, until: datetime, *, tenant: str | None = None, limit: int = 100
    ) -> UpcomingReport:
        """What will be published from *since* until before *until*: counts, and the first *limit* fires."""
        if tenant is not None:
            check_names(tenant)
        window = Window(from_datetime(since), from_datetime(until))
        return await self.cases.upcoming.look(window, tenant=tenant, limit=limit)

    async def send(
        self,
        commands: Sequence[Command],
        *,
        wait: bool = False,
        on_outcome: Callable[[int, Outcome], None] | None = None,
    ) -> Results:
        """Send any number of commands, by tens: what became of each, in order. Nothing is raised for a single one.

        They may be applied in any order. With *wait*, *on_outcome* is called with the index and the outcome of each
        command as it is known; a run needs its ``run_id`` then.
        """
        if not wait:
            sent = await self._commander.send(commands)
            return [Receipt(event_id=one) if isinstance(one, str) else one for one in sent]
        async with self._asking:
            answers = await self._answers_of({one.tenant for one in commands})
            more: dict[str, Any] = {} if on_outcome is None else {"on_outcome": on_outcome}
            outcomes = await self._commander.ask(commands, answers, patience_ms=self._patience_ms, **more)
        return [_receipt(outcome) if isinstance(outcome, Answer) else outcome for outcome in outcomes]

    async def events(self, tenants: Sequence[str] = ()) -> AsyncIterator[Answer]:
        """What eventcron publishes from now on about *tenants*, or about all: fires, skips, answers. Without an end.

        It takes a rule and a queue, which exist until the client is closed.
        """
        for tenant in tenants:
            check_names(tenant)
        # ``close`` ends it: whoever leaves the loop early does not end this function before its client is closed.
        answers = await self._following.enter_async_context(self._listen(tenants, everything=True))
        while True:
            for event in await self._commander.receive(answers):
                yield event

    async def close(self) -> None:
        """Remove all that was made to hear what is published."""
        try:
            await self._following.aclose()
        finally:
            await self.stop_listening()

    async def stop_listening(self) -> None:
        """Remove what was made to hear answers to commands. The next verb that waits makes it again."""
        self._answers = None
        await self._listening.aclose()

    async def _one(self, made: Command, *, wait: bool) -> Receipt:
        (result,) = await self.send([made], wait=wait)
        if isinstance(result, Receipt):
            return result
        raise result

    async def _answers_of(self, tenants: set[str]) -> Answers:
        """Answers to *tenants*: from where they are heard already, if that has all of them."""
        if self._answers is None or not tenants <= self._tenants:
            await self.stop_listening()
            self._tenants |= tenants
            self._answers = await self._listening.enter_async_context(self._listen(sorted(self._tenants)))
        return self._answers


def _receipt(answer: Answer) -> Receipt:
    return Receipt(event_id=answer.detail.get("event_id", ""), event=answer.detail_type, detail=answer.detail)
