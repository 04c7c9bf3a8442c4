"""Names what stands in a file in place of a schedule, and says what to do: a crontab, an event, a manifest."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from eventcron.timing.fields import shorten

#: A line of crontab(5): five fields or a nickname, and what follows. No line of YAML or JSON begins so.
_CRON_LINE = re.compile(r"(@[a-z]+|[0-9*][^\s:#]*([ \t]+[0-9A-Za-z*?][^\s:]*){4})([ \t]|$)")
#: A variable of a crontab.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*[ \t]*=")


class Mistaken(NamedTuple):
    """What was given in place of a schedule, and what to give."""

    given: str
    allowed: str


def crontab_line(text: str) -> int | None:
    """The line, from 1, where *text* shows that it is a crontab; None if it is none."""
    for number, line in enumerate(text.splitlines(), 1):
        written = line.strip()
        if written and not written.startswith("#") and not _VARIABLE.match(written):
            return number if _CRON_LINE.match(written) else None
    return None


#: What to do with a crontab.
CRONTAB = "a crontab; `eventcron import crontab` writes its lines as schedules (how-to: Migrate)"


def mistaken(text: str) -> Mistaken | None:
    """What the JSON value *text* is, if it is known not to be a schedule."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if not isinstance(value, dict):
        return None
    return next((name(value) for marks, name in _KINDS if marks <= value.keys()), None)


def _request(_: Mapping[str, Any]) -> Mistaken:
    return Mistaken("a request of PutEvents", "the Detail of each of its Entries alone, as an object")


def _entry(entry: Mapping[str, Any]) -> Mistaken:
    return Mistaken(f"an entry of PutEvents{_of(entry, 'DetailType')}", "its Detail alone, as an object")


def _event(event: Mapping[str, Any]) -> Mistaken:
    if "source" not in event:
        allowed = "its detail alone; `eventcron restore` puts the whole file on a deployment's bus"
        return Mistaken(f"a line of eventcron export{_of(event, 'detail-type')}", allowed)
    return Mistaken(f"an EventBridge event{_of(event, 'detail-type')}", "its detail alone")


def _manifest(manifest: Mapping[str, Any]) -> Mistaken:
    allowed = "a schedule"
    if manifest.get("kind") == "CronJob":
        allowed += ", as `eventcron import kubernetes` writes it"
    return Mistaken(f"a Kubernetes manifest{_of(manifest, 'kind')}", allowed)


def _scheduler(_: Mapping[str, Any]) -> Mistaken:
    return Mistaken("a schedule or rule of EventBridge", "a schedule, as `eventcron import eventbridge` writes it")


def _template(_: Mapping[str, Any]) -> Mistaken:
    return Mistaken(
        "a CloudFormation template", "schedules, as `eventcron import eventbridge` writes the template's own"
    )


def _of(value: Mapping[str, Any], name: str) -> str:
    return f", {name} {shorten(value[name])}" if isinstance(value.get(name), str) else ""


#: Names of fields that no schedule has together → what has them. The first that fits names it.
_KINDS: list[tuple[set[str], Callable[[Mapping[str, Any]], Mistaken]]] = [
    ({"Entries"}, _request),
    ({"Detail"}, _entry),
    ({"DetailType"}, _entry),
    ({"detail", "detail-type"}, _event),
    ({"detail", "source"}, _event),
    ({"apiVersion", "kind"}, _manifest),
    ({"ScheduleExpression"}, _scheduler),
    ({"AWSTemplateFormatVersion"}, _template),
    ({"Resources"}, _template),
]
