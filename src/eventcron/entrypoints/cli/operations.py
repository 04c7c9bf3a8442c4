"""What commands for operators share: a deployment by the name of its stack, on AWS or on ``eventcron dev``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import click

from eventcron.adapters.aws.dead_letter_queue import SqsDeadLetterQueue
from eventcron.adapters.aws.deployment import NoDeployment, deployment
from eventcron.adapters.aws.redrive_targets import RedriveToQueue, RedriveToTarget
from eventcron.app.redrive import Redrive
from eventcron.app.use_cases import UseCases
from eventcron.wiring import over_clients

#: Connections to each service.
CONNECTIONS = 64

#: By queue: the stack's outputs with its dead letters and with the way back; None = each letter's own target.
#: A stack with one planner has no plan queue, and no dead letters of one.
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
    help="The CloudFormation stack. AWS_DEFAULT_REGION, AWS_PROFILE and AWS_ENDPOINT_URL say where it is.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class Operations(NamedTuple):
    """What someone at a terminal does with a deployment."""

    cases: UseCases
    #: Deals with the letters of one of ``QUEUES``, or of the queue at a URL, whose letters name their targets.
    #: All go to the second, an ARN, if one is given.
    redrive: Callable[[str, str | None], Redrive]
    #: Those of ``QUEUES`` that the deployment has.
    queues: Sequence[str]


@asynccontextmanager
async def operations(stack: str) -> AsyncIterator[Operations]:
    """The deployment of *stack*.

    Raises:
        NoDeployment: there is no such stack, or no way to it.
        Unavailable: AWS refused for now.
    """
    async with deployment(stack, concurrency=CONNECTIONS) as (clients, client, settings, outputs):
        cases = over_clients(settings, clients)
        sqs = await client("sqs")
        queues = [queue for queue, (letters, _) in QUEUES.items() if letters in outputs]

        def redrive(queue: str, instead: str | None) -> Redrive:
            letters, back = QUEUES.get(queue, (None, None))
            if letters is not None and letters not in outputs:
                raise _missing(queue, queues)
            url = queue if letters is None else outputs[letters]
            way = (
                RedriveToTarget(client, instead=instead)
                if instead or back is None
                else RedriveToQueue(sqs, outputs[back])
            )
            return Redrive(clock=cases.clock, box=SqsDeadLetterQueue(sqs, url=url, target=way), queue=queue)

        yield Operations(cases, redrive, queues)


def _missing(queue: str, there: Sequence[str]) -> NoDeployment:
    return NoDeployment(
        f"this stack has no queue of {queue!r}, as its parameter PlannerWorkers is 1; it has {', '.join(there)}"
    )
