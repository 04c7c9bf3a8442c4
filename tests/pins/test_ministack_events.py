"""Event buses of ministack: as ``eventcron.local.event_patches`` finds them, and as it leaves them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from eventcron.local.event_patches import _decoded, _encoded

#: Puts events on a bus whose rules have the patterns in the first line of the input, and prints what happens: the
#: results, which rule delivered what, and how often ministack was asked to compare, to parse an ARN, for random bytes.
_PUT = """
import collections, json, os, sys
from ministack.core.concurrency import esm_wake
from ministack.services import eventbridge, lambda_svc, sqs
from eventcron.local import event_patches

asked = collections.Counter()

def count(module, name):
    function = getattr(module, name)
    def counted(*args, **options):
        asked[name] += 1
        return function(*args, **options)
    setattr(module, name, counted)

count(eventbridge, "_matches_alternative")
count(eventbridge, "parse_arn")
sqs.parse_arn = eventbridge.parse_arn
if sys.argv[1] == "patched":
    event_patches.apply()
count(os, "urandom")
patterns, *calls = map(json.loads, sys.stdin)
eventbridge._event_buses["bus"] = {}
for number, pattern in enumerate(patterns):
    url = sqs._act_create_queue({"QueueName": str(number)}, "")["QueueUrl"]
    target = {"Id": "queue", "Arn": sqs._queues[url]["attributes"]["QueueArn"]}
    rule = {"Name": str(number), "EventBusName": "bus", "EventPattern": json.dumps(pattern)}
    eventbridge._put_rule(rule)
    eventbridge._put_targets({"Rule": str(number), "EventBusName": "bus", "Targets": [target]})
eventbridge._put_rule({"Name": "off", "EventBusName": "bus", "EventPattern": '{"source": ["s"]}', "State": "DISABLED"})
eventbridge._put_rule({"Name": "other", "EventPattern": '{"source": ["s"]}'})
archived = {"ArchiveName": "all", "EventSourceArn": "arn:aws:events:us-east-1:000000000000:event-bus/bus"}
eventbridge._archives["all"] = archived
if "mapped" in sys.argv:
    lambda_svc._esms["mapping"] = {"EventSourceArn": target["Arn"]}
esm_wake.clear()
asked.clear()
answers = []
for entries in calls:
    status, _, body = eventbridge._put_events({"Entries": [{"EventBusName": "bus"} | entry for entry in entries]})
    answers.append([status, json.loads(body)])
print(json.dumps({
    "answers": answers,
    "delivered": [[message["body"] for message in queue["messages"]] for queue in sqs._queues.values()],
    "archived": archived.get("EventCount", 0),
    "asked": asked,
    "polled at once": esm_wake.is_set(),
}))
"""


def _put(how: str, patterns: list[Any], *calls: list[dict[str, Any]]) -> Any:
    lines = "\n".join(json.dumps(one) for one in (patterns, *calls))
    command = [sys.executable, "-c", _PUT, *how.split()]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _entry(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"Source": "s", "DetailType": "d", "Detail": json.dumps({"n": number, "of": "x"}), **fields}


#: One event of each kind, and some of which many are alike.
_ENTRIES = [
    *(_entry(number) for number in range(5)),
    _entry(DetailType="e"),
    _entry(Source="other", Resources=["a/b"]),
    _entry(Detail='{"of": ["x", null, 1.5]}', Time=1_790_000_000),
]
_PATTERNS: list[dict[str, Any]] = [
    {"source": ["s"]},
    {"source": [{"prefix": "oth"}], "detail-type": [{"anything-but": "e"}]},
    {"source": ["s"], "detail": {"n": [{"numeric": [">", 1]}]}},
    {"detail": {"of": [{"exists": True}]}},
    {"detail": {"of": [None]}},
    {"resources": ["a/b"]},
    {"replay-name": [{"exists": False}], "$or": [{"source": ["s"]}, {"detail-type": ["e"]}]},
    {"$or": [{"detail-type": ["e"]}, {"detail": {"n": [3]}}]},
    {"account": ["000000000000"], "region": ["us-east-1"], "version": ["0"]},
    {"account": ["111111111111"]},
]


def test_the_same_rules_match_if_patched_and_each_is_compared_once_for_events_that_are_alike_to_it() -> None:
    plain, patched = (_put(how, _PATTERNS, _ENTRIES) for how in ("plain", "patched"))

    def matched(found: Any) -> list[list[Any]]:
        return [[json.loads(body)["detail"] for body in bodies] for bodies in found["delivered"]]

    assert matched(patched) == matched(plain)
    assert [len(details) for details in matched(plain)] == [7, 1, 3, 8, 1, 1, 7, 2, 8, 0]
    assert patched["archived"] == plain["archived"] == len(_ENTRIES)
    assert patched["asked"]["_matches_alternative"] < plain["asked"]["_matches_alternative"]


@pytest.mark.parametrize(("how", "asked"), [("plain", 20), ("patched", 2)])
def test_a_rule_is_compared_once_for_ten_events_that_are_alike_to_it_only_if_patched(how: str, asked: int) -> None:
    patterns = [{"source": ["s"]}, {"source": ["other"], "detail": {"n": [1]}}]

    found = _put(how, patterns, [_entry(number) for number in range(10)])

    assert found["asked"]["_matches_alternative"] == asked
    assert [len(bodies) for bodies in found["delivered"]] == [10, 0]


@pytest.mark.parametrize(("how", "parsed", "random"), [("plain", 20, 20), ("patched", 0, 0)])
def test_an_arn_is_known_from_its_target_and_an_event_numbered_without_the_system_only_if_patched(
    how: str, parsed: int, random: int
) -> None:
    found = _put(how, [{"source": ["s"]}], [_entry(number) for number in range(10)])

    assert found["asked"].get("parse_arn", 0) == parsed
    assert found["asked"].get("urandom", 0) == random
    assert len({json.loads(body)["id"] for body in found["delivered"][0]}) == 10


@pytest.mark.parametrize(("how", "delivered"), [("plain", r'"input": ["\u00e6", 1]'), ("patched", '"input":["æ",1]')])
def test_a_rule_delivers_an_input_with_as_many_bytes_as_it_was_given_only_if_patched(how: str, delivered: str) -> None:
    found = _put(how, [{"source": ["s"]}], [_entry(Detail='{"input":["æ",1]}')])

    assert delivered in found["delivered"][0][0]


@pytest.mark.parametrize(("how", "at_once"), [("plain", True), ("patched", False), ("patched mapped", True)])
def test_mappings_are_polled_at_once_for_an_event_that_one_of_them_reads_and_for_others_only_if_not_patched(
    how: str, at_once: bool
) -> None:
    found = _put(how, [{"source": ["s"]}], [_entry()])

    assert len(found["delivered"][0]) == 1
    assert found["polled at once"] is at_once


#: Entries that AWS rejects, with its codes.
_REJECTED: list[tuple[dict[str, Any], str]] = [
    (_entry(Source=""), "InvalidArgument"),
    (_entry(DetailType=None), "InvalidArgument"),
    (_entry(Source=1), "InvalidArgument"),
    (_entry(Detail="{"), "MalformedDetail"),
    (_entry(Detail="[]"), "MalformedDetail"),
    (_entry(Detail='{"a":' + 9_999 * "["), "MalformedDetail"),
]
#: Those that ministack rejects too.
_REJECTED_ANYHOW: list[tuple[dict[str, Any], str]] = [
    (_entry(Source="aws.s3"), "NotAuthorizedForSourceException"),
    (_entry(EventBusName="arn:aws:events:us-east-1:000000000000:rule/x"), "ValidationException"),
]


@pytest.mark.parametrize("how", ["plain", "patched"])
def test_what_aws_rejects_is_rejected_alone_only_if_patched(how: str) -> None:
    entries = [_entry(), *(entry for entry, _ in _REJECTED + _REJECTED_ANYHOW), _entry()]

    [[status, answer]] = _put(how, [{"version": ["0"]}], entries)["answers"]

    codes = [code for _, code in _REJECTED] if how == "patched" else [None] * len(_REJECTED)
    expected = [None, *codes, *(code for _, code in _REJECTED_ANYHOW), None]
    assert status == 200
    assert [result.get("ErrorCode") for result in answer["Entries"]] == expected
    assert answer["FailedEntryCount"] == sum(code is not None for code in expected)
    assert all("EventId" in result for result in answer["Entries"] if "ErrorCode" not in result)


@pytest.mark.parametrize("how", ["plain", "patched"])
def test_more_than_ten_entries_are_rejected_whole(how: str) -> None:
    found = _put(how, [{"source": ["s"]}], [_entry()] * 11)

    assert [found["answers"][0][0], found["answers"][0][1]["__type"]] == [400, "ValidationException"]
    assert found["delivered"] == [[]]


@pytest.mark.parametrize(("how", "kept"), [("plain", False), ("patched", True)])
def test_an_event_has_the_time_of_its_entry_only_if_patched(how: str, kept: bool) -> None:
    entries = [_entry(Time=time) for time in (1_790_000_000, 1_790_000_001.9, "2026-09-21T14:13:22Z")]

    found = _put(how, [{"source": ["s"]}], entries)

    times = [json.loads(body)["time"] for body in found["delivered"][0]]
    assert (times == ["2026-09-21T14:13:20Z", "2026-09-21T14:13:21Z", "2026-09-21T14:13:22Z"]) is kept


@pytest.mark.parametrize(
    "text", ['{"a": 1e400}', "[NaN]", r'"\ud800"', "1" * 40, "18446744073709551616", '{"a": 1, "a": 2}', "-0.0"]
)
def test_json_is_read_and_written_as_by_python_whatever_msgspec_refuses(text: str) -> None:
    expected = json.loads(text)

    assert repr(_decoded(text)) == repr(expected)
    if text not in {'{"a": 1e400}', "[NaN]"}:  # Python writes what is no JSON for those
        assert json.loads(_encoded(expected)) == expected


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[1,]"])
def test_what_is_no_json_is_the_error_that_ministack_handles(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|decode|Illegal"):
        _decoded(text)
