"""What commands for operators share: a deployment by the name of its stack, on AWS or on ``eventcron dev``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import click

from eventcron.adapters.aws.deployment import deployment
from eventcron.adapters.aws.letters import SqsLetterBox
from eventcron.app.redrive import Redrive
from eventcron.wiring import UseCases, aws_ports, use_cases

#: Connections to each service.
CONNECTIONS = 64

#: By queue: the stack's outputs with its dead letters and with the way back; None = each letter's own target.
QUEUES = {
    "commands": ("CommandDeadLettersUrl", "CommandQueueUrl"),
    "fires": ("FireDeadLettersUrl", "FireQueueUrl"),
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
    #: By queue.
    redrives: Mapping[str, Redrive]


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
        }
        yield Operations(use_cases(settings, ports), redrives)
