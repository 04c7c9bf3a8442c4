"""Writes imported schedules as files that ``simulate`` and ``Put Schedule`` take."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from eventcron.migrate.assemble import Import, Listed, Written
from eventcron.model.commands import Schedule
from eventcron.model.events import EVENT_SOURCE

#: The detail-type of fires, where a schedule names none.
FIRE_DETAIL_TYPE = Schedule(tenant="t", name="n", expression="manual").detail_type
#: Text that every YAML reader takes for text without quotes.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
#: What some reader of YAML takes for something else.
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
#: Characters that YAML does not allow as they are, or takes for line ends.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def as_yaml(result: Import) -> Iterator[str]:
    """Yield the lines of a YAML file. Comments say where each schedule came from, and what is missing."""
    for written in result.schedules:
        yield from _comment(f"{written.origin}: {written.text}" if written.text else written.origin)
        for subscription in subscriptions_of(written):
            yield from _comment(f"subscription: {json.dumps(subscription, ensure_ascii=False)}")
        lead = "- "
        for name, value in written.detail.items():
            yield f"{lead}{name}: {_value(value)}"
            lead = "  "
    if not result.schedules:
        yield "[]"
    for listed in result.unsaid:
        yield from _comment(f"{missing(listed)}: {sentence(listed)}")


def as_json_lines(result: Import) -> Iterator[str]:
    """Yield each schedule as a line of JSON."""
    for written in result.schedules:
        yield json.dumps(written.detail)


def as_json(result: Import) -> str:
    """Return one JSON object with everything that the import came to."""
    whole = {
        "schedules": [
            {"origin": written.origin, "source": written.text, "schedule": written.detail}
            for written in result.schedules
        ],
        "subscriptions": [one for written in result.schedules for one in subscriptions_of(written)],
        "unsaid": [
            {
                "origin": listed.origin,
                "name": listed.unsaid.name,
                "given": listed.unsaid.given,
                "reason": listed.unsaid.reason,
                "nearest": listed.unsaid.nearest,
                "imported_without_it": not listed.unsaid.whole,
            }
            for listed in result.unsaid
        ],
    }
    return json.dumps(whole, indent=2)


def subscriptions_of(written: Written) -> list[dict[str, Any]]:
    """Return the rules that call what the schedule called: their patterns and targets, as the API takes them."""
    key = written.key
    detail = {"tenant": [key.tenant], "name": [key.name]}
    pattern = {"source": [EVENT_SOURCE], "detail-type": [FIRE_DETAIL_TYPE], "detail": detail}
    return [
        {"schedule": str(key), "event_pattern": pattern, "target": dict(one.target)} for one in written.subscriptions
    ]


def missing(listed: Listed) -> str:
    """Say whether nothing of what is unsaid was imported, or the rest of its schedule was."""
    return "not imported" if listed.unsaid.whole else "imported without"


def sentence(listed: Listed) -> str:
    """Return in one line what is unsaid, why, and what comes nearest."""
    unsaid = listed.unsaid
    named = f"{unsaid.name}: " if unsaid.name and unsaid.name not in unsaid.given else ""
    whole = f"{listed.origin}: {named}{unsaid.given}: {unsaid.reason}; nearest: {unsaid.nearest}"
    return _printable(" ".join(whole.split()))


def _comment(text: str) -> Iterator[str]:
    for line in _printable(text).splitlines():
        yield f"# {line}".rstrip()


def _value(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    return _printable(json.dumps(value, ensure_ascii=False))


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
