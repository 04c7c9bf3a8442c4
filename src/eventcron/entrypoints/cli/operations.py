"""What the operators' commands share: a deployment by its stack's name, on AWS or on ``eventcron dev``."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import click
from msgspec.structs import replace

from eventcron.adapters.aws.dead_letter_queue import SqsDeadLetterQueue
from eventcron.adapters.aws.dead_letter_sources import require_dead_letter_queue
from eventcron.adapters.aws.deployment import NoDeployment, deployment
from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.redrive_targets import RedriveToQueue, RedriveToTarget
from eventcron.app.redrive import Redrive
from eventcron.app.restore import Restorer
from eventcron.app.use_cases import UseCases
from eventcron.wiring import over_clients

#: Connections to each service.
CONNECTIONS = 64

#: Queue → the stack's outputs with the URLs of its dead-letter queue and of the queue itself. None: each dead letter
#: names its own target. A stack with one planner has no segment queue.
QUEUES = {
    "commands": ("CommandDeadLettersUrl", "CommandQueueUrl"),
    "fires": ("FireDeadLettersUrl", "FireQueueUrl"),
    "segments": ("SegmentDeadLettersUrl", "SegmentQueueUrl"),
    "targets": ("TargetDeadLettersUrl", None),
}

stack_option = click.option(
    "--stack",
    default="eventcron",
    show_default=True,
    envvar="EVENTCRON_STACK",
    show_envvar=True,
    help="The CloudFormation stack. AWS_PROFILE, AWS_DEFAULT_REGION and AWS_ENDPOINT_URL select account and Region.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class Operations(NamedTuple):
    """A deployment, for a command at a terminal."""

    cases: UseCases
    #: The dead letters of one of ``QUEUES``, or of the dead-letter queue at a URL. Sends each to its own queue or
    #: target, or all to the second argument, an ARN. Raises ``NotADeadLetterQueue`` if nobody's dead letters are there.
    redrive: Callable[[str, str | None], Awaitable[Redrive]]
    #: The ``QUEUES`` of this deployment.
    queues: Sequence[str]
    #: Puts commands on the deployment's bus.
    restorer: Restorer


@asynccontextmanager
async def operations(stack: str, **tables: str) -> AsyncIterator[Operations]:
    """The deployment of *stack*. *tables* are read in place of its own ones: ``schedules_table``, ``ledger_table``.

    Raises:
        NoDeployment: there is no such stack, or it cannot be reached.
        Unavailable: AWS is unavailable for now.
    """
    async with deployment(stack, concurrency=CONNECTIONS) as (clients, client, settings, outputs):
        cases = over_clients(replace(settings, **tables), clients)
        # The bus of commands, which is not the one of events if there are two.
        bus = EventBridgeBus(await client("events"), settings.bus_name)
        restorer = Restorer(
            clock=cases.clock, store=cases.store, calendars=cases.calendars, bus=bus, jitter=random.random
        )
        sqs = await client("sqs")
        queues = [queue for queue, (dead_letters, _) in QUEUES.items() if dead_letters in outputs]

        async def redrive(queue: str, instead: str | None) -> Redrive:
            dead_letters, back = QUEUES.get(queue, (None, None))
            if dead_letters is not None and dead_letters not in outputs:
                raise _missing(queue, queues)
            url = queue if dead_letters is None else outputs[dead_letters]
            if dead_letters is None:
                await require_dead_letter_queue(client, url, bus=settings.bus_name)
            way = (
                RedriveToTarget(client, instead=instead)
                if instead or back is None
                else RedriveToQueue(sqs, outputs[back])
            )
            return Redrive(clock=cases.clock, queue=SqsDeadLetterQueue(sqs, url=url, target=way), name=queue)

        yield Operations(cases, redrive, queues, restorer)


def _missing(queue: str, there: Sequence[str]) -> NoDeployment:
    return NoDeployment(
        f"this stack has no queue {queue!r}, as its parameter PlannerWorkers is 1; it has {', '.join(there)}"
    )
