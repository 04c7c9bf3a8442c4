"""The composition root: ports → use cases, on AWS or on whatever ports are given."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from eventcron.adapters.aws.backfills import DynamoBackfills
from eventcron.adapters.aws.buses import bus_of, bus_service
from eventcron.adapters.aws.calendars import DynamoCalendars
from eventcron.adapters.aws.clients import AwsClients, aws_clients
from eventcron.adapters.aws.dead_letters import SqsDeadLetters
from eventcron.adapters.aws.fire_queue import SqsFireQueue
from eventcron.adapters.aws.ledger import DynamoLedger
from eventcron.adapters.aws.schedules import DynamoScheduleStore
from eventcron.adapters.aws.segment_queue import SqsSegmentQueue
from eventcron.adapters.clock import SystemClock
from eventcron.app.backfill import Backfiller
from eventcron.app.executor import Executor
from eventcron.app.fanout import FanOut
from eventcron.app.handlers import Handlers
from eventcron.app.planner import Planner
from eventcron.app.reconcile import Reconciler
from eventcron.app.registrar import Registrar
from eventcron.config import Settings
from eventcron.ports import Ports


class UseCases(NamedTuple):
    """What the entry points call."""

    settings: Settings
    ports: Ports
    handlers: Handlers
    registrar: Registrar
    reconciler: Reconciler


def use_cases(settings: Settings, ports: Ports) -> UseCases:
    """The use cases over *ports*."""
    registrar = Registrar(ports, settings)
    handlers = Handlers(
        registrar=registrar,
        executor=Executor(ports, settings),
        fanout=FanOut(ports, settings),
        planner=Planner(ports, settings),
        backfiller=Backfiller(ports, settings),
        dead_letters=ports.dead,
        trusted_sources=settings.trusted_sources,
    )
    return UseCases(
        settings=settings, ports=ports, handlers=handlers, registrar=registrar, reconciler=Reconciler(ports, settings)
    )


@asynccontextmanager
async def on_aws(settings: Settings) -> AsyncIterator[UseCases]:
    """The use cases on AWS; region, credentials and endpoint come from the environment, as boto reads it."""
    # Reads, sends and publications of one piece of work overlap, so a few connections each.
    async with aws_clients(concurrency=settings.concurrency * 4, bus=bus_service(settings)) as clients:
        yield use_cases(settings, aws_ports(settings, clients))


def aws_ports(settings: Settings, clients: AwsClients) -> Ports:
    """The ports of a deployment, over open clients."""
    return Ports(
        clock=SystemClock(),
        store=DynamoScheduleStore(clients.dynamodb, settings.schedules_table),
        ledger=DynamoLedger(clients.dynamodb, settings.ledger_table),
        queue=SqsFireQueue(clients.sqs, settings.fire_queue_url),
        bus=bus_of(settings, clients.events),
        dead=SqsDeadLetters(
            clients.sqs,
            {"commands": settings.command_dlq_url, "fires": settings.fire_dlq_url, "plans": settings.segment_dlq_url},
        ),
        backfills=DynamoBackfills(clients.dynamodb, settings.ledger_table),
        calendars=DynamoCalendars(clients.dynamodb, settings.ledger_table),
        plans=SqsSegmentQueue(clients.sqs, settings.segment_queue_url),
        jitter=random.random,
    )
