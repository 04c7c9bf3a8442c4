"""Queues of ministack with many messages: as ``eventcron.local.queue_patches`` finds them, and as it leaves them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_QUEUE = """
import json, sys, time
from ministack.services import sqs
from eventcron.local import queue_patches

if sys.argv[1] == "patched":
    queue_patches.apply()

class Watched(dict):
    reads = 0
    def __getitem__(self, name):
        Watched.reads += 1
        return super().__getitem__(name)

def call(action, **data):
    return sqs._HANDLERS[action](data, "")

def queue(name, **attributes):
    return call("CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]

def waiting(url):
    return [message["body"] for message in sqs._queues[url]["messages"]]

dead = queue("dead")
policy = json.dumps({"maxReceiveCount": 1, "deadLetterTargetArn": sqs._queues[dead]["attributes"]["QueueArn"]})
url = queue("q", VisibilityTimeout="60", MessageRetentionPeriod="600")
for number in range(300):
    call("SendMessage", QueueUrl=url, MessageBody=f"n{number}", MessageGroupId="noisy")
first = sqs._receive_messages_for_esm(url, 10)
call("SendMessage", QueueUrl=url, MessageBody="quiet", MessageGroupId="quiet")
sqs._receive_messages_for_esm(url, 10)
sqs._queues[url]["messages"].append(Watched(sqs._receive_messages_for_esm(url, 1)[0], id="watched", receipt_handle="r"))
sqs._receive_messages_for_esm(url, 1)
before = Watched.reads
next_ones = sqs._receive_messages_for_esm(url, 10)
sqs._delete_messages_for_esm(url, {message["receipt_handle"] for message in next_ones})
call("DeleteMessageBatch", QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": first[0]["receipt_handle"]},
                                                  {"Id": "b", "ReceiptHandle": "none"}])
reads = Watched.reads - before
call("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=first[1]["receipt_handle"], VisibilityTimeout=0)
call("SetQueueAttributes", QueueUrl=url, Attributes={"RedrivePolicy": policy})
after = sqs._receive_messages_for_esm(url, 1)
call("DeleteMessage", QueueUrl=url, ReceiptHandle=after[0]["receipt_handle"])
counted = call("GetQueueAttributes", QueueUrl=url)["Attributes"]
left = waiting(url)
sqs._queues[url]["attributes"]["MessageRetentionPeriod"] = "0"
if sys.argv[1] == "patched":
    sqs._queues[url]["messages"].retention_checked = 0
sqs._receive_messages_for_esm(url, 1)
print(json.dumps({
    "looks at others": reads > 0, "dead": waiting(dead), "deleted": sorted({"n0", "n1"} - set(left)),
    "left": len(left), "visible": counted["ApproximateNumberOfMessages"],
    "in flight": counted["ApproximateNumberOfMessagesNotVisible"], "quiet": "quiet" in left,
    "after its retention": len(waiting(url)),
}))
"""


@pytest.mark.parametrize(("how", "walks"), [("plain", True), ("patched", False)])
def test_its_queues_do_the_same_if_patched_but_do_not_walk_over_all_messages(how: str, walks: bool) -> None:
    done = subprocess.run([sys.executable, "-c", _QUEUE, how], capture_output=True, text=True, check=True)

    # 302 were sent; ten, one and one were deleted, and one is a dead letter.
    assert json.loads(done.stdout) == {
        "looks at others": walks,
        "dead": ["n1"],
        "deleted": ["n0", "n1"],
        "left": 289,
        "visible": "268",
        "in flight": "21",
        "quiet": True,
        "after its retention": 0,
    }


_BATCHES = """
import sys
from ministack.services import sqs
from eventcron.local import queue_patches

if sys.argv[1] == "patched":
    queue_patches.apply()
url = sqs._act_create_queue({"QueueName": "q"}, "")["QueueUrl"]
for number in range(25):
    sqs._act_send_message({"QueueUrl": url, "MessageBody": "x"}, url)
print(len(sqs._receive_messages_for_esm(url, "20")), len(sqs._receive_messages_for_esm(url, 20)))
"""


@pytest.mark.parametrize(("how", "batches"), [("plain", "10 10"), ("patched", "20 5")])
def test_a_mapping_gets_batches_as_large_as_it_asks_for_only_if_patched(how: str, batches: str) -> None:
    done = subprocess.run([sys.executable, "-c", _BATCHES, how], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == batches


_TURNS = """
import sys
from ministack.services import sqs
from eventcron.local import queue_patches

if sys.argv[1] == "patched":
    queue_patches.apply()
url = sqs._act_create_queue({"QueueName": "q"}, "")["QueueUrl"]
for number in range(30):
    sqs._act_send_message({"QueueUrl": url, "MessageBody": "noisy", "MessageGroupId": "noisy"}, url)
sqs._receive_messages_for_esm(url, 10)
sqs._act_send_message({"QueueUrl": url, "MessageBody": "quiet", "MessageGroupId": "quiet"}, url)
print(sqs._receive_messages_for_esm(url, 1)[0]["body"])
"""


@pytest.mark.parametrize(("how", "first"), [("plain", "noisy"), ("patched", "quiet")])
def test_its_queues_are_fair_to_a_group_with_few_messages_in_flight_only_if_patched(how: str, first: str) -> None:
    done = subprocess.run([sys.executable, "-c", _TURNS, how], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == first
