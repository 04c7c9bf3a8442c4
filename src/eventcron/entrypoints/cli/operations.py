"""What commands for operators share: a deployment by the name of its stack, on AWS or on ``eventcron dev``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import click

from eventcron.adapters.aws.deployment import NoDeployment, deployment
from eventcron.adapters.aws.letters import SqsLetterBox
from eventcron.app.redrive import Redrive
from eventcron.wiring import UseCases, aws_ports, use_cases

#: Connections to each service.
CONNECTIONS = 64

#: By queue: the stack's outputs with its dead letters and with the way back; None = each letter's own target.
#: A stack with one planner has no plan queue, and no dead letters of one.
QUEUES = {
    "commands": ("CommandDeadLettersUrl", "CommandQueueUrl"),
    "fires": ("FireDeadLettersUrl", "FireQueueUrl"),
    "plans": ("PlanDeadLettersUrl", "PlanQueueUrl"),
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


class Operations(NamedTuple):
    """What someone at a terminal does with a deployment."""

    cases: UseCases
    #: By queue, those that the deployment has.
    redrives: Mapping[str, Redrive]

    def redrive(self, queue: str) -> Redrive:
        """The one for *queue*.

        Raises:
            NoDeployment: the deployment has no such queue; says what it has.
        """
        try:
            return self.redrives[queue]
        except KeyError:
            raise NoDeployment(
                f"this stack has no queue of {queue!r}, as its parameter PlannerWorkers is 1;"
                f" it has {', '.join(self.redrives)}"
            ) from None


@asynccontextmanager
async def operations(stack: str) -> AsyncIterator[Operations]:
    """The deployment of *stack*.

    Raises:
        NoDeployment: there is no such stack, or no way to it.
        Unavailable: AWS refused for now.
    """
    async with deployment(stack, concurrency=CONNECTIONS) as (clients, aws_lambda, settings, outputs):
        ports = aws_ports(settings, clients)
        sqs: Any = clients.sqs  # the functions' view of it is narrower
        redrives = {
            queue: Redrive(
                clock=ports.clock,
                box=SqsLetterBox(sqs, aws_lambda, url=outputs[letters], back=outputs[back] if back else None),
                queue=queue,
            )
            for queue, (letters, back) in QUEUES.items()
            if letters in outputs
        }
        yield Operations(use_cases(settings, ports), redrives)
