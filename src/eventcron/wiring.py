"""The composition root on AWS: settings → clients → adapters → use cases."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from eventcron.adapters.aws.backfills import DynamoBackfills
from eventcron.adapters.aws.buses import bus_of, bus_service
from eventcron.adapters.aws.calendars import DynamoCalendars
from eventcron.adapters.aws.clients import AwsClients, aws_clients
from eventcron.adapters.aws.dead_letters import SqsDeadLetters
from eventcron.adapters.aws.fire_queue import SqsFireQueue
from eventcron.adapters.aws.history import DynamoHistory
from eventcron.adapters.aws.leases import DynamoLeases
from eventcron.adapters.aws.published_packs import DynamoPublishedPacks
from eventcron.adapters.aws.quota import DynamoQuota
from eventcron.adapters.aws.registrar_queue import SqsRegistrarQueue
from eventcron.adapters.aws.runs import DynamoRuns
from eventcron.adapters.aws.schedules import DynamoScheduleStore
from eventcron.adapters.aws.segment_queue import SqsSegmentQueue
from eventcron.adapters.aws.sweeps import DynamoSweeps
from eventcron.adapters.aws.table import DynamoTable
from eventcron.adapters.clock import SystemClock
from eventcron.app.retry import Retry
from eventcron.app.use_cases import Ports, UseCases
from eventcron.settings import Settings


@asynccontextmanager
async def on_aws(settings: Settings, *, connected: bool = False) -> AsyncIterator[UseCases]:
    """The use cases of a deployment. Region, credentials and endpoint come from the environment, as boto reads it.

    *connected*: connections are open already, as far as the services can be reached.
    """
    # The reads, sends and publications of one piece of work overlap, so each may need a few connections.
    concurrency = settings.concurrency * 4
    async with aws_clients(concurrency=concurrency, bus=bus_service(settings), connected=connected) as clients:
        yield over_clients(settings, clients)


def over_clients(settings: Settings, clients: AwsClients) -> UseCases:
    """The use cases of a deployment, over open clients."""
    clock = SystemClock()
    retry = Retry(clock=clock, jitter=random.random)
    ledger = DynamoTable(clients.dynamodb, settings.ledger_table, retry=retry)
    dead_letters = SqsDeadLetters(
        clients.sqs,
        {"commands": settings.command_dlq_url, "fires": settings.fire_dlq_url, "segments": settings.segment_dlq_url},
        retry=retry,
    )
    return Ports(
        clock=clock,
        store=DynamoScheduleStore(DynamoTable(clients.dynamodb, settings.schedules_table, retry=retry), clock=clock),
        leases=DynamoLeases(ledger),
        sweeps=DynamoSweeps(ledger),
        packs=DynamoPublishedPacks(ledger),
        quota=DynamoQuota(ledger),
        backfills=DynamoBackfills(ledger),
        runs=DynamoRuns(ledger),
        calendars=DynamoCalendars(ledger),
        history=DynamoHistory(DynamoTable(clients.dynamodb, settings.history_table, retry=retry)),
        registrar_queue=SqsRegistrarQueue(clients.sqs, settings.registrar_queue_url),
        fire_queue=SqsFireQueue(clients.sqs, settings.fire_queue_url),
        segment_queue=SqsSegmentQueue(clients.sqs, settings.segment_queue_url),
        dead_letters=dead_letters,
        bus=bus_of(settings, clients.events),
        jitter=random.random,
    ).use_cases(settings)
