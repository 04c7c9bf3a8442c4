"""Find out whether a rule's pattern can match anything that is published on the bus of a deployment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from eventcron.model.commands import COMMANDS
from eventcron.model.events import EVENT_DETAILS, is_reserved, plainly

#: What every event has besides ``detail``. EventBridge, event structure; "replay-name" is that of replayed ones.
_ENVELOPE = frozenset(
    {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "replay-name"}
)
_DETAIL_TYPES = COMMANDS.keys() | EVENT_DETAILS.keys()
_BY_PLAIN = {plainly(name): name for name in _DETAIL_TYPES}


class OnBus(Struct, frozen=True, kw_only=True):
    """What the events on a bus have in common."""

    #: Sources that occur, and what other sources begin with.
    sources: tuple[str, ...]
    prefixes: tuple[str, ...]
    #: Sources whose events have a ``detail`` of their own, such as those of AWS: patterns for them are not judged.
    others: tuple[str, ...] = ()
    account: str
    region: str


def why_nothing(pattern: str, bus: OnBus) -> str | None:
    """Why *pattern* matches nothing on the bus; None: it may match something.

    Judged are the envelope and the names of fields of ``detail``; a ``None`` is no promise.

    >>> bus = OnBus(sources=("eventcron",), prefixes=("eventcron.tenant.",), account="1", region="eu-north-1")
    >>> why_nothing('{"source": ["eventcorn"]}', bus)
    'no event has source "eventcorn"; it is "eventcron" or begins with "eventcron.tenant."'
    >>> why_nothing('{"detail-type": ["Schedule fired"]}', bus)
    'no event has detail-type "Schedule fired"; it is spelt "Schedule Fired"'
    """
    try:
        selected = json.loads(pattern)
    except ValueError:
        return "the pattern is not JSON"
    if not isinstance(selected, dict):
        return "the pattern is no object"
    return _whole(selected, bus)


def _whole(selected: Mapping[str, Any], bus: OnBus) -> str | None:
    sources = selected.get("source")
    if isinstance(sources, list) and any(one in bus.others for one in sources):
        return None
    for field, conditions in selected.items():
        if field == "$or":
            reasons = [_whole(one, bus) for one in conditions if isinstance(one, dict)]
            reason = reasons[0] if reasons and all(reasons) else None
        elif field == "detail":
            reason = _detail(conditions) if isinstance(conditions, dict) else None
        elif field not in _ENVELOPE:
            reason = None if _is_absent(conditions) else f"no event has a field {_quoted(field)}"
        else:
            reason = _envelope(field, conditions, bus)
        if reason:
            return reason
    return None


def _envelope(field: str, conditions: Any, bus: OnBus) -> str | None:
    if not isinstance(conditions, list):
        return None
    if field == "source":
        if any(_may_be(one, bus.sources, bus.prefixes) for one in conditions):
            return None
        known = " or ".join([_quoted(bus.sources[0]), *(f"begins with {_quoted(one)}" for one in bus.prefixes)])
        return f"no event has source {_shown(conditions)}; it is {known}"
    if field == "detail-type":
        misspelt = [_misspelt(one) for one in conditions]
        return (
            None if not all(misspelt) else f"no event has detail-type {_shown(conditions)}; it is spelt {misspelt[0]}"
        )
    if field in {"account", "region"}:
        given = bus.account if field == "account" else bus.region
        if not any(_may_be(one, (given,), ()) for one in conditions):
            return f"no event has {field} {_shown(conditions)}; this bus is in {given}"
    return None


def _may_be(condition: Any, known: Iterable[str], prefixes: Iterable[str]) -> bool:
    """Whether a text that is *known*, or begins with one of *prefixes*, may fulfil *condition*."""
    if isinstance(condition, str):
        return condition in known or any(condition.startswith(prefix) for prefix in prefixes)
    if not isinstance(condition, dict):
        return False  # numbers and null: these fields are texts
    if isinstance(given := condition.get("prefix"), str):
        return any(one.startswith(given) for one in known) or any(
            one.startswith(given) or given.startswith(one) for one in prefixes
        )
    return condition.get("exists") is not False


def _misspelt(condition: Any) -> str | None:
    """How *condition* is spelt right if it is nearly a detail-type. A fire may have any other detail-type."""
    if not isinstance(condition, str) or condition in _DETAIL_TYPES:
        return None
    right = _BY_PLAIN.get(plainly(condition))
    return (
        _quoted(right)
        if right and (is_reserved(condition) or plainly(condition) == plainly("Schedule Fired"))
        else None
    )


def _detail(selected: Mapping[str, Any]) -> str | None:
    for field, conditions in selected.items():
        if field != "$or" and field not in _fields() and not _is_absent(conditions):
            return f"no event has a field {_quoted('detail.' + field)}; what a schedule carries is in detail.input"
    return None


def _fields() -> frozenset[str]:
    structs: Sequence[type[Struct]] = [*EVENT_DETAILS.values(), *COMMANDS.values()]
    return frozenset(field.encode_name for struct in structs for field in msgspec.structs.fields(struct))


def _is_absent(conditions: Any) -> bool:
    """Whether *conditions* of a field may hold where the field is missing."""
    return isinstance(conditions, list) and any(
        isinstance(one, dict) and one.get("exists") is False for one in conditions
    )


def _shown(conditions: Sequence[Any]) -> str:
    return ", ".join(json.dumps(one, ensure_ascii=False) for one in conditions[:3])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
