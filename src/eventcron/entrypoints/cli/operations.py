"""What the operators' commands share: a deployment by its stack's name, on AWS or on ``eventcron dev``."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import click
from msgspec.structs import replace

from eventcron.adapters.aws.accounts import Account
from eventcron.adapters.aws.dead_letter_queue import SqsDeadLetterQueue
from eventcron.adapters.aws.dead_letter_sources import require_dead_letter_queue
from eventcron.adapters.aws.deployment import NoDeployment, deployment
from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.redrive_targets import RedriveToQueue, RedriveToTarget
from eventcron.app.redrive import Redrive
from eventcron.app.restore import Restorer
from eventcron.app.use_cases import UseCases
from eventcron.client.dev_file import account_near
from eventcron.wiring import over_clients

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

#: Connections to each service.
CONNECTIONS = 64

#: Queue → the stack's outputs with the URLs of its dead-letter queue and of the queue itself. None: each dead letter
#: names its own target. A stack with one planner has no segment queue, one with KeepHistory NONE no history queue.
QUEUES = {
    "commands": ("CommandDeadLettersUrl", "CommandQueueUrl"),
    "fires": ("FireDeadLettersUrl", "FireQueueUrl"),
    "segments": ("SegmentDeadLettersUrl", "SegmentQueueUrl"),
    "history": ("HistoryDeadLettersUrl", "HistoryQueueUrl"),
    "targets": ("TargetDeadLettersUrl", None),
}

#: Queue → what a stack's parameter is that lacks it.
WITHOUT = {"segments": "PlannerWorkers is 1", "history": "KeepHistory is NONE"}

_ACCOUNT = "eventcron.account"
_NOTED = "eventcron.noted"


def _into_account(context: click.Context, option: click.Parameter, value: str | None) -> None:
    """Keep what an option says of the account, for ``operations``."""
    if value is not None and option.name is not None:
        context.find_root().meta.setdefault(_ACCOUNT, {})[option.name] = value


def stack_option(function: F) -> F:
    """The options that say which deployment: ``stack``, an argument of *function*, and where that is."""
    options = (
        click.option(
            "--stack",
            default="eventcron",
            show_default=True,
            envvar="EVENTCRON_STACK",
            show_envvar=True,
            help="The CloudFormation stack, in the account and Region that the AWS CLI would use; else in a running"
            " `eventcron dev` that was started in this directory or above it.",
        ),
        _account_option("profile", "The profile of the AWS CLI."),
        _account_option("region", "The Region."),
        _account_option("endpoint-url", "The URL to call in place of AWS's own."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _account_option(name: str, meaning: str) -> Callable[[F], F]:
    return click.option(f"--{name}", expose_value=False, callback=_into_account, help=meaning)


def account_of(
    given: Mapping[str, str], directory: Path, environ: Mapping[str, str], *, silently: bool = False
) -> Account:
    """Where a command's deployment is: as its options say, else in a running ``eventcron dev``, else in AWS.

    A note on stderr says that ``eventcron dev`` is used, unless *silently*.

    Raises:
        StaleDev: a file says that one runs, and none does.
    """
    said = Account(profile=given.get("profile"), region=given.get("region"), endpoint=given.get("endpoint_url"))
    account, found = account_near(said, directory, environ)
    if found is not None and not silently:
        click.echo(f"eventcron: using `eventcron dev` at {found.dev.endpoint}, as {found.file} says", err=True)
    return account


def current_account() -> Account:
    """The account of the command that runs."""
    context = click.get_current_context(silent=True)
    meta: dict[str, Any] = {} if context is None else context.find_root().meta
    account = account_of(meta.get(_ACCOUNT, {}), Path.cwd(), os.environ, silently=_NOTED in meta)
    meta[_NOTED] = True  # a command that connects twice says once where
    return account


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
async def operations(
    stack: str, *, account: Account | None = None, tables: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Operations]:
    """The deployment of *stack*. *tables* are read in place of its own ones: ``schedules_table``, ``ledger_table``.

    It is in *account*; None = in the one that the command's options say.

    Raises:
        NoDeployment: there is no such stack, or it cannot be reached.
        StaleDev: a file says that ``eventcron dev`` runs, and it does not.
        Unavailable: AWS is unavailable for now.
    """
    async with deployment(stack, concurrency=CONNECTIONS, account=account or current_account()) as (
        clients,
        client,
        settings,
        outputs,
    ):
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
        f"this stack has no queue {queue!r}, as its parameter {WITHOUT[queue]}; it has {', '.join(there)}"
    )
