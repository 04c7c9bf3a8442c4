"""All use cases over one set of ports: each gets the ports that it uses, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from eventcron.app.backfill import Backfiller
from eventcron.app.executor import Executor
from eventcron.app.fanout import FanOut
from eventcron.app.handlers import Handlers
from eventcron.app.planner import Planner
from eventcron.app.reconcile import Reconciler
from eventcron.app.registrar import Registrar
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
    RulesVersion,
    ScheduleStore,
    SegmentQueue,
)
from eventcron.settings import Settings


class UseCases(NamedTuple):
    """What entry points call, and the ports that they read without a use case."""

    settings: Settings
    handlers: Handlers
    registrar: Registrar
    planner: Planner
    fanout: FanOut
    executor: Executor
    backfiller: Backfiller
    reconciler: Reconciler
    upcoming: Upcoming
    clock: Clock
    store: ScheduleStore
    leases: Leases
    backfills: Backfills


def use_cases(
    settings: Settings,
    *,
    clock: Clock,
    store: ScheduleStore,
    leases: Leases,
    rules_version: RulesVersion,
    packs: PublishedPacks,
    quota: Quota,
    backfills: Backfills,
    calendars: Calendars,
    fire_queue: FireQueue,
    segment_queue: SegmentQueue,
    dead_letters: DeadLetters,
    bus: EventBus,
    jitter: Callable[[], float],
) -> UseCases:
    """The use cases over these ports. *jitter* gives numbers in [0, 1), which spread retries."""
    registrar = Registrar(
        clock=clock,
        store=store,
        leases=leases,
        backfills=backfills,
        calendars=calendars,
        fire_queue=fire_queue,
        dead_letters=dead_letters,
        bus=bus,
        jitter=jitter,
        settings=settings,
    )
    planner = Planner(
        clock=clock,
        store=store,
        leases=leases,
        fire_queue=fire_queue,
        dead_letters=dead_letters,
        bus=bus,
        jitter=jitter,
        settings=settings,
    )
    fanout = FanOut(clock=clock, segment_queue=segment_queue, leases=leases, jitter=jitter, settings=settings)
    executor = Executor(
        clock=clock,
        store=store,
        backfills=backfills,
        packs=packs,
        quota=quota,
        fire_queue=fire_queue,
        dead_letters=dead_letters,
        bus=bus,
        jitter=jitter,
        settings=settings,
    )
    backfiller = Backfiller(
        clock=clock,
        store=store,
        backfills=backfills,
        fire_queue=fire_queue,
        dead_letters=dead_letters,
        bus=bus,
        jitter=jitter,
        settings=settings,
    )
    handlers = Handlers(
        registrar=registrar,
        executor=executor,
        fanout=fanout,
        planner=planner,
        backfiller=backfiller,
        dead_letters=dead_letters,
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
        reconciler=Reconciler(
            clock=clock,
            store=store,
            leases=leases,
            rules_version=rules_version,
            calendars=calendars,
            bus=bus,
            jitter=jitter,
            settings=settings,
        ),
        upcoming=Upcoming(store=store, backfills=backfills, settings=settings),
        clock=clock,
        store=store,
        leases=leases,
        backfills=backfills,
    )
