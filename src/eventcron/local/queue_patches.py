"""Patches of ministack 1.5.33, in its process, that make a queue with very many messages quick, and fair.

See ``ministack_patches``, which applies them. FIFO queues are left as they are.
"""

from __future__ import annotations

import copy
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from heapq import heappop, heappush
from typing import Any, TypeVar

T = TypeVar("T")

#: A message as ministack has it.
Message = dict[str, Any]
Queue = dict[str, Any]

#: Seconds between two looks at which messages have outlived their queue's retention, which is a minute at least. With
#: 50,000 messages, a look takes 40 ms.
RETENTION_CHECK_SECONDS = 60.0


class Messages:
    """The messages of a standard queue: ministack's list of them, with an index.

    ministack walks over its list several times to receive ten messages, and to delete them: with 50,000 messages,
    57 ms for ten. Here no operation takes longer the more messages there are, except where all are asked for.

    An SQS fair queue prefers groups that have few messages in flight while another has many. So does this: the group
    with the fewest in flight is next, and of those the one whose message is the oldest. Messages without a group are
    one group.

    *complete* adds the fields that a message of another service may lack. ``append`` may be called from any thread.
    Everything else is for the event loop.
    """

    def __init__(self, messages: Iterable[Message], complete: Callable[[Message], None]) -> None:
        self._complete = complete
        #: Appended, and not in the index yet.
        self._new: deque[Message] = deque(messages)
        self._numbers: dict[str, int] = {}
        #: By id, in the order in which they came.
        self._all: dict[str, Message] = {}
        self._by_receipt: dict[str, Message] = {}
        #: Heaps. An entry is void once its message is deleted, or is visible at another time than the entry says.
        self._visible: dict[str | None, list[tuple[int, str]]] = {}
        self._hidden: list[tuple[float, int, str]] = []
        #: Messages that have been received and are hidden since, by id, and how many there are of a group.
        self._held: dict[str, str | None] = {}
        self._in_flight: Counter[str | None] = Counter()
        #: Messages that are visible again after they were received.
        self._returned: list[Message] = []
        self._count = 0
        self._last: Message | None = None
        self.retention_checked = 0.0

    # --- What ministack does with its list ---------------------------------------------------------------------------

    def append(self, message: Message) -> None:
        self._last = message
        self._new.append(message)

    def __getitem__(self, index: int) -> Message:
        if index != -1 or self._last is None:
            raise IndexError(f"only the message appended last can be read by its place, not {index}")
        return self._last

    def __len__(self) -> int:
        return len(self._all) + len(self._new)

    def __iter__(self) -> Iterator[Message]:
        self._absorb()
        return iter(list(self._all.values()))

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Message]:
        """What a snapshot keeps: the list."""
        return copy.deepcopy(list(self), memo)

    def clear(self) -> None:
        for message in self:
            self.remove(message)

    def remove(self, message: Message) -> None:
        self._all.pop(message["id"], None)
        self._numbers.pop(message["id"], None)
        if message["receipt_handle"]:
            self._by_receipt.pop(message["receipt_handle"], None)
        self._release(message)

    # --- What the patches do with it ---------------------------------------------------------------------------------

    def receive(self, most: int, visibility: float, now: float, receipt: Callable[[], str]) -> list[Message]:
        """Hide up to *most* visible messages for *visibility* seconds, each with a new *receipt*."""
        self._show(now)
        taken: dict[str, Message] = {}
        while len(taken) < most:
            message = self._next(now, taken)
            if message is None:
                break
            taken[message["id"]] = message
            self._by_receipt.pop(message["receipt_handle"], None)
            message["receipt_handle"] = receipt()
            message["visible_at"] = now + visibility
            message["receive_count"] += 1
            if message.get("first_receive_at") is None:
                message["first_receive_at"] = now
            self._by_receipt[message["receipt_handle"]] = message
            self._hold(message)
        for message in taken.values():
            self.file(message)
        return list(taken.values())

    def received(self, receipts: Iterable[str]) -> list[Message]:
        """The messages with these *receipts*, as far as there are any."""
        return [self._by_receipt[receipt] for receipt in dict.fromkeys(receipts) if receipt in self._by_receipt]

    def returned(self, now: float) -> list[Message]:
        """Messages that became visible again since the last call, and are not received again yet."""
        self._show(now)
        found, self._returned = self._returned, []
        return [message for message in found if message["id"] in self._all and message["visible_at"] <= now]

    def file(self, message: Message) -> None:
        """Note when *message* is visible."""
        heappush(self._hidden, (message["visible_at"], self._numbers[message["id"]], message["id"]))

    def _absorb(self) -> None:
        while self._new:
            message = self._new.popleft()
            self._complete(message)
            self._count += 1
            self._numbers[message["id"]] = self._count
            self._all[message["id"]] = message
            if message["receipt_handle"]:
                self._by_receipt[message["receipt_handle"]] = message
            self.file(message)

    def _show(self, now: float) -> None:
        """Move what is visible by *now* to the visible messages of its group."""
        self._absorb()
        while self._hidden and self._hidden[0][0] <= now:
            visible_at, number, name = heappop(self._hidden)
            message = self._all.get(name)
            if message is not None and message["visible_at"] == visible_at:
                heappush(self._visible.setdefault(message["group_id"], []), (number, name))
                self._release(message)
                if message["receive_count"]:
                    self._returned.append(message)

    def _next(self, now: float, taken: dict[str, Message]) -> Message | None:
        """The visible message that is handed out next, which is then no longer among them."""
        while self._visible:
            group = min(self._visible, key=lambda each: (self._in_flight[each], self._visible[each][0][0]))
            waiting = self._visible[group]
            _, name = heappop(waiting)
            if not waiting:
                del self._visible[group]
            message = self._all.get(name)
            if message is not None and message["visible_at"] <= now and name not in taken:
                return message
        return None

    def _hold(self, message: Message) -> None:
        self._held[message["id"]] = message["group_id"]
        self._in_flight[message["group_id"]] += 1

    def _release(self, message: Message) -> None:
        if message["id"] not in self._held:
            return
        group = self._held.pop(message["id"])
        self._in_flight[group] -= 1
        if not self._in_flight[group]:
            del self._in_flight[group]


def apply() -> None:
    """Apply every patch of this module. Called before ``ministack_patches`` has the queues change on one thread."""
    from ministack.services import sqs  # noqa: PLC0415

    _queues_hand_out_messages_in_turn(sqs)
    _a_request_finds_what_it_names(sqs)
    _batches_are_as_large_as_their_mapping_says(sqs)


def indexed(queue: Queue) -> Messages:
    """The messages of a standard *queue*. A list, as of a new queue or one of a snapshot, is replaced by its index."""
    if not isinstance(queue["messages"], Messages):
        from ministack.services import sqs  # noqa: PLC0415

        queue["messages"] = Messages(queue["messages"], sqs._ensure_msg_fields)
    messages: Messages = queue["messages"]
    return messages


def _queues_hand_out_messages_in_turn(sqs: Any) -> None:
    """Receive from the index, and look only at those messages that may be dead letters or too old."""
    collect, expire, sweep = sqs._collect_msgs, sqs._expire_retained, sqs._dlq_sweep

    def collect_in_turn(queue: Queue, most: int, visibility: int) -> list[Message]:
        if queue["is_fifo"]:
            found: list[Message] = collect(queue, most, visibility)
            return found
        return indexed(queue).receive(most, visibility, time.time(), sqs.new_uuid)

    def expire_now_and_then(queue: Queue) -> None:
        now = time.time()
        if queue["is_fifo"]:
            expire(queue)
        elif now - indexed(queue).retention_checked >= RETENTION_CHECK_SECONDS:
            indexed(queue).retention_checked = now
            with _only(queue, list(indexed(queue))):
                expire(queue)

    def sweep_what_returned(queue: Queue) -> None:
        if queue["is_fifo"]:
            sweep(queue)
            return
        with _only(queue, indexed(queue).returned(time.time())):
            sweep(queue)

    sqs._collect_msgs, sqs._expire_retained, sqs._dlq_sweep = collect_in_turn, expire_now_and_then, sweep_what_returned


def _a_request_finds_what_it_names(sqs: Any) -> None:
    """Let what deletes or hides received messages look at those alone whose receipts it names."""

    def among(url: str, receipts: Iterable[str], act: Callable[[], T]) -> T:
        queue = sqs._get_q(url)
        if queue["is_fifo"]:
            return act()
        with _only(queue, indexed(queue).received(receipts)):
            return act()

    def by_request(act: Callable[[dict[str, Any], str], T]) -> Callable[[dict[str, Any], str], T]:
        def act_on_the_named(data: dict[str, Any], url: str) -> T:
            named = [entry.get("ReceiptHandle", "") for entry in data.get("Entries", [data])]
            return among(data.get("QueueUrl", url), named, partial(act, data, url))

        return act_on_the_named

    for action in ("DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"):
        sqs._HANDLERS[action] = by_request(sqs._HANDLERS[action])
    delete = sqs._delete_messages_for_esm
    sqs._delete_messages_for_esm = lambda url, receipts: among(url, receipts, partial(delete, url, receipts))


def _batches_are_as_large_as_their_mapping_says(sqs: Any) -> None:
    """Hand an event source mapping as many messages as its ``BatchSize`` says. ministack hands out ten at most.

    The size is text if it is a template's parameter. AWS waits for a batch to fill; here what is there is handed out.
    """
    receive = sqs._receive_messages_for_esm

    def receive_a_batch(url: str, most: int | str) -> list[Message]:
        batch: list[Message] = []
        while len(batch) < int(most):
            more = receive(url, int(most) - len(batch))
            batch += more
            if not more:
                break
        return batch

    sqs._receive_messages_for_esm = receive_a_batch


@contextmanager
def _only(queue: Queue, some: list[Message]) -> Iterator[None]:
    """Let ministack find only *some* messages in *queue*; then delete those that it left out, and file those it moved.

    Nothing else runs on the event loop meanwhile.
    """
    messages, before = indexed(queue), [message["visible_at"] for message in some]
    queue["messages"] = list(some)
    try:
        yield
    finally:
        left = {message["id"] for message in queue["messages"]}
        queue["messages"] = messages
        for message, visible_at in zip(some, before, strict=True):
            if message["id"] not in left:
                messages.remove(message)
            elif message["visible_at"] != visible_at:
                messages.file(message)
