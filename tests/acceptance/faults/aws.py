"""The calls that a run makes to the embedded AWS, apart from those of any user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.exceptions import HTTPClientError

from eventcron.adapters.aws.access import EnvironmentAccess
from eventcron.adapters.aws.clients import DynamoClient
from eventcron.adapters.aws.json_api import DynamoJson
from eventcron.adapters.aws.leases import DynamoLeases
from eventcron.errors import Unavailable
from eventcron.local.runtime import LocalSettings
from eventcron.model.names import Instant
from eventcron.ports import SegmentState
from tests.resources import table
from tests.waiting import HANG_SECONDS

#: Seconds for which a message stays away whose reader was killed. The template has six times the reader's timeout, as
#: AWS asks, so that a message is not given to a second reader because calls of the first were throttled; no call is
#: throttled here. A registrar or executor has a message for about four, and one that came back early would be repeated.
VISIBILITY_SECONDS = 12
#: Seconds after which a planner ends at the latest, so that a dead one's leases expire. The template has 120. Enough
#: for one to start on a machine that has everything to start at once.
PLANNER_TIMEOUT = 20
#: Seconds within which a host with work begins it: a few ticks, because a dead planner's leases may still be live, and
#: as many again on a busy machine.
BEGIN_SECONDS = 60.0
#: The queues that functions read, by the outputs with their URLs.
QUEUES = ("CommandQueueUrl", "RegistrarQueueUrl", "FireQueueUrl")


class Aws:
    """The services of a running stack. *document* is the output of ``eventcron dev --json``."""

    def __init__(self, clients: Mapping[str, Any], dynamodb: DynamoClient, document: Mapping[str, Any]) -> None:
        self.sqs, self.events = clients["sqs"], clients["events"]
        self.bus: str = document["bus"]
        self._lambda = clients["lambda"]
        self._outputs: dict[str, str] = document["outputs"]
        self._leases = DynamoLeases(table(dynamodb, self._outputs["LedgerTableName"]))

    async def shorten(self) -> None:
        """Shorten the timeouts, so that the work of a dead process comes back within seconds."""
        for queue in QUEUES:
            attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
            await self.sqs.set_queue_attributes(QueueUrl=self._outputs[queue], Attributes=attributes)
        await self._lambda.update_function_configuration(
            FunctionName=self._outputs["PlannerFunctionName"], Timeout=PLANNER_TIMEOUT
        )

    async def planner_begins(self) -> bool:
        """Wait until a planner takes a new lease. Return False if none does."""
        fences = await self._fences()
        return await becomes(lambda: self._leased_since(fences))

    async def planner_commits(self) -> bool:
        """Wait until a planner commits what it planned. Return False if none does."""
        before = [state.planned_through for state in await self._segments()]
        return await becomes(lambda: self._committed_since(before))

    async def registrar_begins(self) -> bool:
        """Wait until a registrar receives a command. Return False if none does."""
        return await becomes(lambda: self.count(self._outputs["RegistrarQueueUrl"], "NotVisible"))

    async def planned_through(self) -> Instant:
        """The instant through which every segment is planned."""
        return min(state.planned_through for state in await self._segments())

    async def _segments(self) -> list[SegmentState]:
        return await self._leases.segments(LocalSettings().segments)

    async def _fences(self) -> list[int]:
        return [state.fence for state in await self._segments()]

    async def _committed_since(self, before: list[Instant]) -> bool:
        return [state.planned_through for state in await self._segments()] != before

    async def _leased_since(self, fences: list[int]) -> bool:
        return await self._fences() != fences

    async def on_their_way(self) -> int:
        """Commands and packs that are not done with."""
        return sum([await self.count(self._outputs[queue]) for queue in QUEUES])

    async def dead_letters(self) -> dict[str, int]:
        """The number of dead letters, by queue."""
        queues = ("CommandDeadLettersUrl", "FireDeadLettersUrl", "TargetDeadLettersUrl")
        return {queue: await self.count(self._outputs[queue]) for queue in queues}

    async def count(self, queue: str, *kinds: str) -> int:
        """Messages in *queue*, of all *kinds* by default: "" can be received, the others not now."""
        answer = await self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
        kinds = kinds or ("", "NotVisible", "Delayed")
        return sum(int(answer["Attributes"][f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)


async def becomes(condition: Callable[[], Awaitable[object]]) -> bool:
    """Wait until *condition* holds.

    Return False if it does not within ``BEGIN_SECONDS``, or if the embedded AWS died meanwhile.
    """
    try:
        async with asyncio.timeout(BEGIN_SECONDS):
            while not await condition():  # noqa: ASYNC110  # in another process, which sends no signal
                await asyncio.sleep(0.005)
    except (TimeoutError, HTTPClientError, NoConnectionError, Unavailable):
        return False
    return True


@asynccontextmanager
async def connected(document: Mapping[str, Any]) -> AsyncIterator[Aws]:
    """The services, for as long as the context lasts. They may die and come back meanwhile."""
    environment = document["environment"]
    config = AioConfig(read_timeout=HANG_SECONDS, retries={"total_max_attempts": 1}, proxies={})
    async with AsyncExitStack() as exits:
        clients = {
            service: await exits.enter_async_context(
                get_session().create_client(
                    service,
                    region_name=environment["AWS_DEFAULT_REGION"],
                    endpoint_url=environment["AWS_ENDPOINT_URL"],
                    aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                    aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
                    config=config,
                )
            )
            for service in ("sqs", "events", "lambda")
        }
        dynamodb = exits.enter_context(closing(DynamoJson(EnvironmentAccess(environment), limit=16)))
        yield Aws(clients, dynamodb, document)
