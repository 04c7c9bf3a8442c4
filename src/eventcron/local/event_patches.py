"""Patches of ministack 1.5.33, in its process, that make its event buses stricter, and quicker.

See ``ministack_patches``, which applies them.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

import msgspec

#: Answers to whether a pattern matches that are remembered: dozens of rules times dozens of detail types.
MAX_MATCHES = 4_096
#: ARNs that are remembered, parsed.
MAX_NAMES = 4_096
#: PutEvents: "Array Members: Maximum number of 10 items".
MAX_ENTRIES = 10
#: The fields of an event in which many are alike.
_SHARED = frozenset({"version", "source", "account", "region", "detail-type", "replay-name"})

#: An event, and what a rule or an entry says, as ministack has them.
Fields = dict[str, Any]


def apply() -> None:
    """Apply every patch of this module. Called once, before the server starts."""
    from ministack.services import eventbridge  # noqa: PLC0415

    _put_events_checks_entries_and_keeps_their_time(eventbridge)
    _events_are_numbered_without_the_system(eventbridge)
    _events_are_compact_utf8(eventbridge)
    _names_are_parsed_once(eventbridge)
    _only_what_is_mapped_is_polled_at_once(eventbridge)


def _put_events_checks_entries_and_keeps_their_time(eventbridge: Any) -> None:
    """Reject each entry that AWS rejects, and give events the ``Time`` of their entry.

    ministack accepts an entry without source, detail type or valid detail, and gives each event its own time. It looks
    at every rule of the Region for each event, though most events of eventcron differ only in what few patterns name.
    """
    from ministack.core.responses import get_account_id, get_region, json_response  # noqa: PLC0415

    refuse_all = eventbridge._put_events

    def put_events(data: Fields, allow_aws_source: bool = False) -> Any:  # noqa: FBT001, FBT002  # ministack's
        entries = data.get("Entries", [])
        if len(entries) > MAX_ENTRIES:
            return refuse_all(data, allow_aws_source=allow_aws_source)
        rules = Rules(eventbridge)
        results = [put_event(entry, rules, allow_aws_source=allow_aws_source) for entry in entries]
        failed = sum("ErrorCode" in result for result in results)
        return json_response({"FailedEntryCount": failed, "Entries": results})

    def put_event(entry: Fields, rules: Rules, *, allow_aws_source: bool) -> dict[str, str]:
        bus, error = eventbridge._event_bus_name_from_ref(entry.get("EventBusName", "default"))
        if error:
            return dict(zip(("ErrorCode", "ErrorMessage"), error, strict=True))
        detail, refusal = _checked(entry, allow_aws_source=allow_aws_source)
        if refusal:
            return refusal
        given = entry.get("Time")
        event = {
            "EventId": eventbridge.new_uuid(),
            "Source": entry["Source"],
            "DetailType": entry["DetailType"],
            "Detail": entry["Detail"],
            "EventBusName": bus,
            "Time": int(eventbridge._coerce_timestamp(given) if given else time.time()),
            "Resources": entry.get("Resources", []),
            "Account": get_account_id(),
            "Region": get_region(),
        }
        eventbridge._events_log_list().append(event)
        rules.deliver(event, detail)
        return {"EventId": event["EventId"]}

    eventbridge._put_events = put_events


def _checked(entry: Fields, *, allow_aws_source: bool) -> tuple[Any, dict[str, str] | None]:
    """The decoded detail of *entry*, and the error with which EventBridge rejects it, or None."""
    for field in ("Source", "DetailType", "Detail"):
        if not isinstance(entry.get(field), str) or not entry[field]:
            return None, {
                "ErrorCode": "InvalidArgument",
                "ErrorMessage": f"Parameter {field} is not valid. Reason: {field} is a required argument.",
            }
    if entry["Source"].startswith("aws.") and not allow_aws_source:
        return None, {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
    try:
        detail = _decoded(entry["Detail"])
    except (ValueError, RecursionError):
        detail = None
    if not isinstance(detail, dict):
        return None, {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    return detail, None


class Rules:
    """The rules and archives that the events of one call may match.

    What a pattern says of fields that many events share is asked once for all events that are alike in those.
    """

    def __init__(self, eventbridge: Any) -> None:
        self._eventbridge = eventbridge
        self._matches_all_like = _matcher(eventbridge)
        self._rules = eventbridge._rules.items()
        self._has_archives = bool(eventbridge._archives)
        #: Rules that may match, with their targets, and whether they surely do: by bus, source and detail type.
        self._candidates: dict[tuple[str, str, str], list[tuple[Fields, list[Fields], bool]]] = {}

    def deliver(self, event: Fields, detail: Fields) -> None:
        """Send *event* to the targets of the rules that match it, and to archives. *detail* is its detail, decoded."""
        view = self._eventbridge._pattern_event_view(event)
        view._raw_detail = detail  # or the first rule that matches would decode it again
        alike = event["EventBusName"], event["Source"], event["DetailType"]
        if alike not in self._candidates:
            self._candidates[alike] = self._of(event["EventBusName"], view.envelope())
        for rule, targets, matches in self._candidates[alike]:
            if matches or self._eventbridge._matches_pattern_view(rule["EventPattern"], view, f"rule {rule['Name']}"):
                for target in targets:
                    self._eventbridge._invoke_target(target, event, rule, view)
        if self._has_archives:
            self._eventbridge._archive_event(event, view)

    def _of(self, bus: str, envelope: Fields) -> list[tuple[Fields, list[Fields], bool]]:
        fields = tuple([(name, value) for name, value in envelope.items() if name in _SHARED])
        found = []
        for key, rule in self._rules:
            pattern = rule.get("EventPattern")
            if rule.get("EventBusName", "default") != bus or rule.get("State") != "ENABLED" or not pattern:
                continue
            matches = self._matches_all_like(pattern, fields) if isinstance(pattern, str) else None
            if matches is not False:
                found.append((rule, self._eventbridge._targets.get(key, []), matches is True))
        return found


@lru_cache(maxsize=1)
def _matcher(eventbridge: Any) -> Callable[[str, tuple[tuple[str, str], ...]], bool | None]:
    """The function that says what a pattern says of fields that events share."""

    @lru_cache(maxsize=MAX_MATCHES)
    def matches_all_like(pattern: str, fields: tuple[tuple[str, str], ...]) -> bool | None:
        """Whether *pattern* matches all events with those *fields*; None if that depends on their other fields."""
        view = eventbridge._EventView(dict(fields), "{}")
        found: bool | None = False
        for alternative in eventbridge._compiled_pattern(pattern) or ():
            shared = {name: wanted for name, wanted in alternative.items() if name in _SHARED}
            if not shared or eventbridge._matches_alternative(view, shared):
                if len(shared) == len(alternative):
                    return True
                found = None
        return found

    return matches_all_like


def _events_are_numbered_without_the_system(eventbridge: Any) -> None:
    """Make the ids of events and of their messages from Python's own random numbers, which need not be secret.

    ministack asks the system twice for each delivered event. Each time, its event loop hands the interpreter to another
    thread, and may wait for ``host.SWITCH_SECONDS`` to get it back.
    """
    eventbridge.new_uuid = _new_uuid


def _new_uuid() -> str:
    """A random UUID of version 4. The class ``UUID`` takes five times as long to make and write it."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _events_are_compact_utf8(eventbridge: Any) -> None:
    """Deliver events as compact UTF-8, so that an input has as many bytes as its sender gave it.

    ministack writes each character beyond ASCII as an escape, up to three times as long, and adds spaces. Its parser
    and its encoder take five times as long as those here.
    """
    eventbridge.json = SimpleNamespace(**{**vars(json), "loads": _decoded, "dumps": _encoded})


def _names_are_parsed_once(eventbridge: Any) -> None:
    """Parse the ARN of a target once. ministack parses it twice for each event that it delivers."""
    from ministack.services import sqs  # noqa: PLC0415

    eventbridge.parse_arn = sqs.parse_arn = lru_cache(maxsize=MAX_NAMES)(eventbridge.parse_arn)


def _only_what_is_mapped_is_polled_at_once(eventbridge: Any) -> None:
    """Have event source mappings polled at once for an event in a queue that one of them reads, and for no other.

    ministack wakes the thread that polls for each event. While a call's other events wait, it looks at every mapping.
    """
    from ministack.core.concurrency import esm_wake  # noqa: PLC0415
    from ministack.services import lambda_svc  # noqa: PLC0415

    send = eventbridge._dispatch_to_sqs

    def send_and_wake(queue: Any, *args: object) -> None:
        send(queue, *args)
        arn = str(queue)
        if any(mapping.get("EventSourceArn") == arn for mapping in lambda_svc._esms.all_values()):
            esm_wake.set()

    eventbridge.esm_wake = SimpleNamespace(set=lambda: None)
    eventbridge._dispatch_to_sqs = send_and_wake


_plain = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def _decoded(text: bytes | str, **options: Any) -> Any:
    """As ``json.loads``, which decides about what msgspec refuses."""
    if not options:
        try:
            return _decode(text)
        except msgspec.MsgspecError:
            pass
    return json.loads(text, **options)


def _encoded(value: object, **options: Any) -> str:
    """As ``json.dumps`` for compact UTF-8, which decides about what msgspec refuses."""
    if not options:
        try:
            return _encode(value).decode()
        except (msgspec.MsgspecError, TypeError, ValueError):
            pass
    return _plain(value, **options)
