"""AWS's JSON protocol: finds what a request is for, checks it, does it, counts it."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, field

from benchmarks.rig import checks, signatures
from benchmarks.rig.dynamo import Dynamo
from benchmarks.rig.faults import Faults
from benchmarks.rig.http import Reply, Request, crc32_of
from benchmarks.rig.refused import Refused

#: Requests of each operation of which every one is checked, and of the later ones one in so many.
CHECKED_FIRST, CHECKED_EVERY = 20, 50
#: Faults that are remembered.
MAX_FAULTS = 20


class _Service(NamedTuple):
    name: str
    content_type: str
    throttled: tuple[str, int]


#: By the prefix of the header ``X-Amz-Target``.
SERVICES = {
    "DynamoDB_20120810": _Service(
        "dynamodb", "application/x-amz-json-1.0", ("ProvisionedThroughputExceededException", 400)
    ),
    "AmazonSQS": _Service("sqs", "application/x-amz-json-1.0", ("RequestThrottled", 403)),
    "AWSEvents": _Service("events", "application/x-amz-json-1.1", ("ThrottlingException", 400)),
}


class Arrival(NamedTuple):
    """When an event arrived, in milliseconds since 1970, its first resource, and its detail."""

    at: float
    resource: str
    detail: str


class Observed(Struct):
    """What the rig has seen since the run began."""

    requests: Counter[str] = field(default_factory=Counter)
    checked: int = 0
    #: What was wrong with requests; a run with faults does not count.
    faults: list[str] = field(default_factory=list)
    throttled: int = 0
    messages: int = 0
    message_bytes: int = 0
    #: Fires in the messages: a pack has several, any other message is one.
    fires: int = 0
    #: SQS charges by 64 KB.
    message_chunks: int = 0
    events: int = 0
    event_bytes: int = 0
    bodies: list[str] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    read_units: float = 0.0
    write_units: int = 0
    #: Processor seconds of the rig itself.
    cpu: float = 0.0


class Watch(Struct):
    """What is remembered besides the counts, and how many requests are checked."""

    keep_bodies: bool = False
    keep_arrivals: bool = False
    check_every: int = CHECKED_EVERY


class _Pack(Struct):
    fires: list[msgspec.Raw]


_pack = msgspec.json.Decoder(_Pack)
_json = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


class Service:
    """Answers requests."""

    def __init__(self) -> None:
        self.dynamo = Dynamo()
        self.observed = Observed()
        self.watch = Watch()
        self.faults = Faults()
        self._began = time.process_time()

    def begin(self, watch: Watch, faults: Faults) -> None:
        """Begin a run: all counts are 0."""
        self.observed, self.watch, self.faults = Observed(), watch, faults
        self.dynamo.units.read = self.dynamo.units.written = 0
        self._began = time.process_time()

    def answer(self, request: Request) -> Reply:
        """The reply to *request*, an error if it is wrong."""
        prefix, _, operation = request.headers.get("x-amz-target", "").partition(".")
        service = SERVICES.get(prefix)
        content_type = request.headers.get("content-type", "").encode()
        try:
            return self._answer(service, operation, request)
        except Refused as error:
            if error.is_fault and len(self.observed.faults) < MAX_FAULTS:
                self.observed.faults.append(f"{operation}: {error}")
            return self._error(error, content_type, is_dynamo=prefix.startswith("Dynamo"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # a body that the rig cannot read
            refused = Refused("SerializationException", f"{operation}: {error!r}")
            self.observed.faults.append(str(refused))
            return self._error(refused, content_type, is_dynamo=prefix.startswith("Dynamo"))

    def _answer(self, service: _Service | None, operation: str, request: Request) -> Reply:
        given = request.headers.get("content-type")
        if service is None or given != service.content_type:
            raise Refused("UnknownOperationException", f"{operation} as {given!r}")
        seen = self.observed.requests
        seen[operation] += 1
        body: dict[str, Any] = _json.decode(request.body)
        if seen[operation] <= CHECKED_FIRST or seen[operation] % self.watch.check_every == 0:
            signatures.verify(request, service=service.name)
            checks.check(service.name, operation, body)
            self.observed.checked += 1
        if self.faults.throttles():
            code, status = service.throttled
            self.observed.throttled += 1
            raise Refused(code, "Rate exceeded", status=status, is_fault=False)
        delay = self.faults.delay()
        if service.name == "dynamodb":
            do = self.dynamo.operations.get(operation)
            if do is None:
                raise Refused("UnknownOperationException", f"the rig does not know {operation}")
            parts, crc32 = do(body, self.faults)
            return Reply(200, parts, service.content_type.encode(), crc32, delay=delay)
        return Reply(200, [self._other(operation, body)], service.content_type.encode(), delay=delay)

    def _other(self, operation: str, body: dict[str, Any]) -> bytes:
        if operation == "SendMessage":
            taken = self._message(body["MessageBody"])
            return _encode(taken)
        if operation == "SendMessageBatch":
            return self._messages(body["Entries"])
        if operation == "PutEvents":
            return self._events(body["Entries"])
        raise Refused("UnknownOperationException", f"the rig does not know {operation}")

    def _messages(self, entries: list[dict[str, Any]]) -> bytes:
        checks.check_count("SendMessageBatch", entries)
        refused = 1 if self.faults.partial() else 0
        taken = entries[: len(entries) - refused]
        answers = [{"Id": entry["Id"], **self._message(entry["MessageBody"])} for entry in taken]
        failed = [
            {"Id": entry["Id"], "Code": "InternalError", "SenderFault": False, "Message": "on demand"}
            for entry in entries[len(taken) :]
        ]
        chunks = -(-sum(len(entry["MessageBody"]) for entry in taken) // 65_536)
        self.observed.message_chunks += max(1, chunks)
        return _encode({"Successful": answers, **({"Failed": failed} if failed else {})})

    def _message(self, text: str) -> dict[str, str]:
        seen, raw = self.observed, text.encode()
        seen.messages += 1
        seen.message_bytes += len(raw)
        try:
            seen.fires += len(_pack.decode(raw).fires)
        except msgspec.DecodeError:
            seen.fires += 1
        if self.watch.keep_bodies:
            seen.bodies.append(text)
        md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
        return {"MD5OfMessageBody": md5, "MessageId": f"00000000-0000-4000-8000-{seen.messages:012x}"}

    def _events(self, entries: list[dict[str, Any]]) -> bytes:
        checks.check_count("PutEvents", entries)
        refused = 1 if self.faults.partial() else 0
        taken = entries[: len(entries) - refused]
        seen = self.observed
        seen.events += len(taken)
        seen.event_bytes += sum(len(entry["Detail"]) for entry in taken)
        if self.watch.keep_arrivals:
            now = time.time() * 1000
            seen.arrivals += [Arrival(now, [*entry.get("Resources", ()), ""][0], entry["Detail"]) for entry in taken]
        answers = [{"EventId": f"00000000-0000-4000-8000-{seen.events + n:012x}"} for n in range(len(taken))]
        answers += [{"ErrorCode": "ThrottlingException", "ErrorMessage": "on demand"}] * refused
        return _encode({"FailedEntryCount": refused, "Entries": answers})

    def report(self) -> Observed:
        """What was seen so far."""
        units = self.dynamo.units
        self.observed.read_units, self.observed.write_units = units.read, units.written
        self.observed.cpu = time.process_time() - self._began
        return self.observed

    @staticmethod
    def _error(error: Refused, content_type: bytes, *, is_dynamo: bool) -> Reply:
        body = _encode({"__type": f"com.amazonaws#{error.code}", "message": error.message})
        parts = [body[:-1] + b',"Item":%b}' % error.item if error.item else body]
        return Reply(error.status, parts, content_type, crc32_of(parts) if is_dynamo else None)
