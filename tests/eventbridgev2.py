"""A stand-in for EventBridge's newer bus on loopback, as no emulator has one.

It speaks the wire format of botocore's service model, checks each request against all that the model demands, its
lengths and patterns too, which botocore itself does not, and suppresses repetitions as AWS's page "Ordering and
deduplicating events on a Custom Event Bus" says. That is what the model and the page say, not what AWS was seen to do.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import botocore.session
from botocore.model import ServiceModel
from botocore.parsers import RpcV2CBORParser
from botocore.serialize import RpcV2CBORSerializer

ARN = "arn:aws:events:eu-north-1:123456789012:event-busv2/eventcron/exampleid0123456789abcdef"
PATH = "/service/AWSEventsV2/operation/PutEvents"


@cache
def model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("eventbridgev2")


@cache
def put_events() -> Any:
    """The operation's model."""
    return model().operation_model("PutEvents")


_KINDS: dict[str, Any] = {
    "structure": (dict,),
    "list": (list, tuple),
    "string": (str,),
    "timestamp": (datetime,),
}


def violations(value: Any, shape: Any, path: str = "") -> list[str]:
    """What in *value* the model forbids: members, requirements, types, lengths, patterns, enumerations."""
    if not isinstance(value, _KINDS[shape.type_name]):
        return [f"{path}: a {shape.type_name} is {value!r}"]
    if shape.type_name == "structure":
        found = [f"{path}.{name} is missing" for name in shape.required_members if name not in value]
        found += [f"{path}.{name} is unknown" for name in value if name not in shape.members]
        members = [(name, member) for name, member in shape.members.items() if name in value]
        return found + [text for name, member in members for text in violations(value[name], member, f"{path}.{name}")]
    found = _of_length(value, shape, path) if shape.type_name != "timestamp" else []
    if shape.type_name == "list":
        return found + [text for item in value for text in violations(item, shape.member, f"{path}[]")]
    pattern = shape.metadata.get("pattern")
    if pattern is not None and not re.fullmatch(pattern, value):
        found.append(f"{path} {value!r} does not match {pattern}")
    if shape.type_name == "string" and shape.enum and value not in shape.enum:
        found.append(f"{path} {value!r} is none of {shape.enum}")
    return found


def _of_length(value: Any, shape: Any, path: str) -> list[str]:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", len(value))
    return [] if least <= len(value) <= most else [f"{path} has {len(value)}, not {least} to {most}"]


class Refused(NamedTuple):
    """How a call, or an entry of one, is answered."""

    code: str
    message: str = "as told"
    #: Of a call.
    status: int = 400


class FakeBus:
    """One bus, ACTIVE, and every event published on it."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        #: Entries taken and not yet asked for, in order.
        self.taken: list[dict[str, Any]] = []
        #: Entries suppressed as repetitions.
        self.suppressed: list[dict[str, Any]] = []
        self.refuse_entry: Callable[[dict[str, Any]], Refused | None] = lambda _entry: None
        self.refuse_call: Callable[[dict[str, Any]], Refused | None] = lambda _request: None
        #: Set by the next call: its events are taken, and its connection breaks before the answer.
        self.lose_an_answer = False
        self._seen: set[tuple[str | None, str]] = set()
        self._lock = threading.Lock()

    def five_minutes_pass(self) -> None:
        """From here on an earlier event is no longer known as one."""
        self._seen.clear()

    def answer(self, request: dict[str, Any]) -> dict[str, Any] | Refused:
        """The output of PutEvents, or how it fails."""
        with self._lock:
            self.calls.append(request)
            wrong = violations(request, put_events().input_shape)
            if wrong:
                return Refused("InvalidInputException", wrong[0])
            if request["EventBusArn"] != ARN:
                return Refused("ResourceNotFoundException", status=404)
            refusal = self.refuse_call(request)
            if refusal is not None:
                return refusal
            results = [self._take(entry) for entry in request["Entries"]]
            return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}

    def _take(self, entry: dict[str, Any]) -> dict[str, Any]:
        refusal = self.refuse_entry(entry)
        if refusal is not None:
            return {"ErrorCode": refusal.code, "ErrorMessage": refusal.message}
        metadata = entry["SystemMetadata"]
        key = (metadata.get("EventGroupId"), metadata["DeduplicationId"])
        if key in self._seen:
            self.suppressed.append(entry)
            return {"SuccessCode": "DEDUPLICATED"}
        self._seen.add(key)
        self.taken.append(entry)
        return {"EventId": f"event-{len(self._seen)}", "SuccessCode": "PUBLISHED"}

    def delivered(self) -> list[dict[str, Any]]:
        """The envelopes that a subscriber without a transformer received since the last call."""
        with self._lock:
            entries, self.taken = self.taken, []
        return [
            {
                "source": entry["Source"],
                "detail-type": entry["DetailType"],
                "resources": entry["Resources"],
                "detail": json.loads(entry["Detail"]),
            }
            for entry in entries
        ]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bus: FakeBus

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert (self.path, self.headers["smithy-protocol"]) == (PATH, "rpc-v2-cbor")
        parser = RpcV2CBORParser()
        request = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body))
        answer = self.bus.answer(request)
        if self.bus.lose_an_answer:
            self.bus.lose_an_answer = False
            self.close_connection = True
            return
        if isinstance(answer, Refused):
            name = f"com.amazonaws.eventbridgev2#{answer.code}"
            error = model().shape_for(answer.code) if answer.code in model().shape_names else None
            if error is None:  # not of this service: what stands before it, a load balancer, answers in its own way
                self._reply(answer.status, b"<html></html>", "text/html")
                return
            self._reply(answer.status, _map(__type=name, Message=answer.message), "application/cbor")
            return
        self._reply(200, _cbor(answer, put_events().output_shape), "application/cbor")

    def _reply(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("smithy-protocol", "rpc-v2-cbor")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _cbor(value: Any, shape: Any) -> bytes:
    """*value* as botocore would send it; no public function of it does that for an answer."""
    serializer: Any = RpcV2CBORSerializer()
    content = bytearray()
    serializer._serialize_data_item(content, value, shape)
    return bytes(content)


def _map(**texts: str) -> bytes:
    """A CBOR map of texts: of which kind the error is stands beside its members, and so in no shape."""
    text = model().shape_for("String")
    items = [_cbor(name, text) + _cbor(value, text) for name, value in texts.items()]
    return bytes([0xA0 | len(items)]) + b"".join(items)


@contextmanager
def fake_bus() -> Iterator[tuple[FakeBus, str]]:
    """A bus and its endpoint, served by a thread of this process."""
    bus = FakeBus()
    handler = type("Handler", (_Handler,), {"bus": bus})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield bus, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
