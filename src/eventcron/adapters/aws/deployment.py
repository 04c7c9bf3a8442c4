"""Finds a deployment by the name of its stack, for the command line and the client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

from aiobotocore.config import AioConfig

from eventcron import config
from eventcron.adapters.aws.accounts import BY_DEFAULT, Account, session_at
from eventcron.adapters.aws.buses import bus_service
from eventcron.adapters.aws.clients import AwsClients, aws_clients
from eventcron.adapters.aws.failures import explained
from eventcron.errors import EventcronError
from eventcron.settings import Settings


class NoDeployment(EventcronError):
    """The stack does not exist, or this shell may not see it. The message says what to set."""


class Refused(EventcronError):
    """AWS refused a call to a deployment that it found: the caller lacks a permission, or something was deleted."""


class Deployment(NamedTuple):
    """Open clients, and what the stack tells about itself."""

    #: For the adapters of the ports.
    clients: AwsClients
    #: Any client by its service's name, the same each time; it repeats refused calls by itself.
    client: Callable[[str], Awaitable[Any]]
    settings: Settings
    #: The stack's outputs.
    outputs: Mapping[str, str]


@asynccontextmanager
async def deployment(stack: str, *, concurrency: int, account: Account = BY_DEFAULT) -> AsyncIterator[Deployment]:
    """The deployment of *stack* at *account*. Where *account* says nothing, the environment decides, as for boto3.

    Raises:
        NoDeployment: there is no such stack, or this shell cannot reach it.
        Refused: within the context, AWS refused a call for good.
        Unavailable: AWS refused for now.
    """
    session = session_at(account)
    # These clients are called without ``Retry``, so botocore repeats what is refused.
    patient = AioConfig(max_pool_connections=concurrency, retries={"mode": "standard", "total_max_attempts": 5})
    async with AsyncExitStack() as exits:
        with explained("aws", partial(_unreachable, stack)):
            opened: dict[str, Any] = {}

            async def client(service: str) -> Any:
                if service not in opened:
                    creating = session.create_client(service, config=patient)
                    opened[service] = await exits.enter_async_context(creating)
                return opened[service]

            outputs = await _outputs(await client("cloudformation"), stack)
            aws_lambda = await client("lambda")
            # The settings of the deployed function, not those of this shell.
            function = await aws_lambda.get_function_configuration(FunctionName=outputs["PlannerFunctionName"])
            settings = config.read(function.get("Environment", {}).get("Variables", {}))
            clients = await exits.enter_async_context(
                aws_clients(concurrency=concurrency, bus=bus_service(settings), session=session)
            )
        with explained("aws", lambda said: Refused(f"AWS refused: {said}")):
            yield Deployment(clients, client, settings, outputs)


async def _outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    described = (await cloudformation.describe_stacks(StackName=stack))["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for found in described for output in found.get("Outputs", [])}
    if "PlannerFunctionName" not in outputs:
        raise NoDeployment(f"stack {stack!r} is not an eventcron stack, or is still being created")
    return outputs


def _unreachable(stack: str, said: str) -> NoDeployment:
    return NoDeployment(
        f"stack {stack!r} cannot be reached: {said}. Name it with --stack; --profile and"
        " --region, or AWS_PROFILE, AWS_DEFAULT_REGION and AWS_ENDPOINT_URL, say where it is"
    )
