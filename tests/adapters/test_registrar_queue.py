"""``SqsRegistrarQueue`` gives SQS the group of each command, by which a standard queue is fair."""

from __future__ import annotations

from typing import Any

from eventcron.adapters.aws.registrar_queue import SqsRegistrarQueue
from eventcron.model.messages import GroupedCommand


class Client:
    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    async def send_message(self, **_: Any) -> dict[str, Any]:
        raise NotImplementedError

    async def send_message_batch(self, **request: Any) -> dict[str, Any]:
        assert request["QueueUrl"] == "queue"
        self.entries += request["Entries"]
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}


async def test_each_message_has_the_group_of_its_command() -> None:
    client = Client()
    queue = SqsRegistrarQueue(client, "queue")

    await queue.send([GroupedCommand(group="acme", body="a"), GroupedCommand(group="beta", body="b")])

    assert client.entries == [
        {"Id": "0", "MessageBody": "a", "MessageGroupId": "acme"},
        {"Id": "1", "MessageBody": "b", "MessageGroupId": "beta"},
    ]
