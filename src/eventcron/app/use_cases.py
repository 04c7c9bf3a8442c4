"""All use cases over one set of ports. Each use case gets only the ports that it uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from eventcron.app.backfill import Backfiller
from eventcron.app.dispatcher import Dispatcher
from eventcron.app.executor import Executor
from eventcron.app.export import Exporter
from eventcron.app.fanout import FanOut
from eventcron.app.handlers import Handlers
from eventcron.app.history import Past, Recorder
from eventcron.app.planner import Planner
from eventcron.app.reconcile import Reconciler
from eventcron.app.registrar import Registrar
from eventcron.app.runs import Tracker
from eventcron.app.upcoming import Upcoming
from eventcron.ports import (
    Backfills,
    Calendars,
    Clock,
    DeadLetters,
    EventBus,
    FireQueue,
    Leases,
    PublishedPacks,
    Quota,
    RegistrarQueue,
    ScheduleStore,
    SegmentQueue,
)
from eventcron.ports.history import History
from eventcron.ports.runs import Runs
from eventcron.ports.sweeps import Sweeps
from eventcron.settings import Settings


class UseCases(NamedTuple):
    """The use cases that entry points call, and the ports that entry points read without a use case."""

    settings: Settings
    handlers: Handlers
    registrar: Registrar
    planner: Planner
    fanout: FanOut
    executor: Executor
    backfiller: Backfiller
    reconciler: Reconciler
    exporter: Exporter
    upcoming: Upcoming
    past: Past
    clock: Clock
    store: ScheduleStore
    leases: Leases
    backfills: Backfills
    runs: Runs
    calendars: Calendars


class Ports(NamedTuple):
    """Every port by the name that use cases give it."""

    clock: Clock
    store: ScheduleStore
    leases: Leases
    sweeps: Sweeps
    packs: PublishedPacks
    quota: Quota
    backfills: Backfills
    runs: Runs
    calendars: Calendars
    history: History
    registrar_queue: RegistrarQueue
    fire_queue: FireQueue
    segment_queue: SegmentQueue
    dead_letters: DeadLetters
    bus: EventBus
    #: Gives numbers in [0, 1), which spread retries.
    jitter: Callable[[], float]

    def use_cases(self, settings: Settings) -> UseCases:
        """All use cases over these ports."""
        registrar = _registrar(self, settings)
        planner = _planner(self, settings)
        executor = _executor(self, settings)
        backfiller = _backfiller(self, settings)
        reconciler = _reconciler(self, settings)
        fanout = FanOut(
            clock=self.clock,
            segment_queue=self.segment_queue,
            leases=self.leases,
            jitter=self.jitter,
            settings=settings,
        )
        dispatcher = Dispatcher(
            clock=self.clock, registrar_queue=self.registrar_queue, jitter=self.jitter, settings=settings
        )
        handlers = Handlers(
            dispatcher=dispatcher,
            registrar=registrar,
            executor=executor,
            fanout=fanout,
            planner=planner,
            backfiller=backfiller,
            reconciler=reconciler,
            recorder=Recorder(history=self.history, settings=settings),
            dead_letters=self.dead_letters,
            trusted_sources=settings.trusted_sources,
        )
        return UseCases(
            settings=settings,
            handlers=handlers,
            registrar=registrar,
            planner=planner,
            fanout=fanout,
            executor=executor,
            backfiller=backfiller,
            reconciler=reconciler,
            exporter=Exporter(clock=self.clock, store=self.store, calendars=self.calendars, settings=settings),
            upcoming=Upcoming(store=self.store, backfills=self.backfills, settings=settings),
            past=Past(history=self.history, settings=settings),
            clock=self.clock,
            store=self.store,
            leases=self.leases,
            backfills=self.backfills,
            runs=self.runs,
            calendars=self.calendars,
        )


def _registrar(ports: Ports, settings: Settings) -> Registrar:
    return Registrar(
        clock=ports.clock,
        store=ports.store,
        leases=ports.leases,
        backfills=ports.backfills,
        packs=ports.packs,
        calendars=ports.calendars,
        tracker=_tracker(ports),
        fire_queue=ports.fire_queue,
        dead_letters=ports.dead_letters,
        bus=ports.bus,
        jitter=ports.jitter,
        settings=settings,
    )


def _planner(ports: Ports, settings: Settings) -> Planner:
    return Planner(
        clock=ports.clock,
        store=ports.store,
        leases=ports.leases,
        fire_queue=ports.fire_queue,
        dead_letters=ports.dead_letters,
        bus=ports.bus,
        jitter=ports.jitter,
        settings=settings,
    )


def _executor(ports: Ports, settings: Settings) -> Executor:
    return Executor(
        clock=ports.clock,
        store=ports.store,
        backfills=ports.backfills,
        packs=ports.packs,
        quota=ports.quota,
        tracker=_tracker(ports),
        fire_queue=ports.fire_queue,
        dead_letters=ports.dead_letters,
        bus=ports.bus,
        jitter=ports.jitter,
        settings=settings,
    )


def _tracker(ports: Ports) -> Tracker:
    return Tracker(
        clock=ports.clock,
        runs=ports.runs,
        registrar_queue=ports.registrar_queue,
        fire_queue=ports.fire_queue,
        dead_letters=ports.dead_letters,
        bus=ports.bus,
        jitter=ports.jitter,
    )


def _backfiller(ports: Ports, settings: Settings) -> Backfiller:
    return Backfiller(
        clock=ports.clock,
        store=ports.store,
        backfills=ports.backfills,
        fire_queue=ports.fire_queue,
        dead_letters=ports.dead_letters,
        bus=ports.bus,
        jitter=ports.jitter,
        settings=settings,
    )


def _reconciler(ports: Ports, settings: Settings) -> Reconciler:
    return Reconciler(
        clock=ports.clock,
        store=ports.store,
        leases=ports.leases,
        sweeps=ports.sweeps,
        calendars=ports.calendars,
        bus=ports.bus,
        jitter=ports.jitter,
        settings=settings,
    )
