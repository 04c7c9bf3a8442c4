"""``RegistrarQueue`` on SQS, on a standard queue: with message groups, it is a fair queue."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.adapters.aws.clients import SqsClient
from eventcron.adapters.aws.sqs_sender import SqsSender
from eventcron.model.messages import GroupedCommand
from eventcron.ports import Refusal


class SqsRegistrarQueue:
    """One message a command; at most *concurrency* calls at once."""

    def __init__(self, client: SqsClient, url: str, *, concurrency: int = 16) -> None:
        self._sender = SqsSender(client, url, concurrency=concurrency)

    async def send(self, commands: Sequence[GroupedCommand]) -> list[Refusal]:
        return await self._sender.send(
            [command.body for command in commands], [{"MessageGroupId": command.group} for command in commands]
        )
