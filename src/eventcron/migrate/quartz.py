"""Reads the triggers of Quartz: its own XML, Spring beans with cron triggers, and properties with expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from eventcron.migrate.model import Found, Imported, Origin, Timing, Unsaid, WrongFormat
from eventcron.migrate.properties import cron_properties, is_cron
from eventcron.migrate.xml_trees import Element, parse
from eventcron.timing.notation import Notation

#: Quartz's misfire instructions → a policy.
_MISFIRES = {
    "MISFIRE_INSTRUCTION_FIRE_ONCE_NOW": "fire_once",
    "MISFIRE_INSTRUCTION_DO_NOTHING": "skip",
    "MISFIRE_INSTRUCTION_IGNORE_MISFIRE_POLICY": "fire_all",
    "MISFIRE_INSTRUCTION_FIRE_NOW": "fire_once",
    "MISFIRE_INSTRUCTION_SMART_POLICY": "fire_once",
}
#: Quartz's default priority is 5 too.
_PRIORITIES = range(10)
_FOREVER = "-1"
#: A line of Java or Kotlin.
_SOURCE = re.compile(r"^\s*(?:package|import)\s+[\w.]+(?:\.\*)?;?\s*$", re.MULTILINE)
#: Fires that ``max_fires`` can count.
_MAX_FIRES = 10_000


def read(text: str, _origin: Origin) -> Found:
    """Return the triggers in *text*.

    Raises:
        WrongFormat: *text* has neither Quartz's XML, nor beans, nor properties.
    """
    if text.lstrip().startswith("<"):
        return _xml(parse(text))
    if _SOURCE.search(text):
        raise WrongFormat("source code; give its expressions as properties: key = 0 0 12 * * ?", 1)
    return [
        Imported(one.key, (Timing(one.value, Notation.QUARTZ),), one.line, f"{one.key}={one.value}")
        for one in cron_properties(text)
    ]


def _xml(root: Element) -> Found:
    elements = list(root.walk())
    kinds = {"job-scheduling-data", "quartz", "beans", "blueprint"}
    if root.name not in kinds and not any(element.name == "trigger" for element in elements):
        raise WrongFormat(f"the XML is a <{root.name}>", root.line)
    found: Found = []
    for element in elements:
        if element.name == "trigger" and element.children:
            for trigger in element.children:
                found += _trigger(trigger)
        elif element.name == "bean":
            found += _bean(element)
    return found


def _trigger(trigger: Element) -> Found:
    name, group = trigger.value("name"), trigger.value("group")
    job = {"job": trigger.value("job-name"), "group": trigger.value("job-group"), "data": _data(trigger)}
    unsaid: list[Unsaid] = []
    fields: dict[str, Any] = {
        "description": trigger.value("description") or None,
        "start": trigger.value("start-time") or None,
        "end": trigger.value("end-time") or None,
        "labels": {"group": group} if group else {},
        "input": {key: value for key, value in job.items() if value} or None,
    }
    if calendar := trigger.value("calendar-name"):
        reason = "the days of a Quartz calendar are in its own code or database"
        nearest = f"Put Calendar with its days, and exclude: [calendar:{calendar}]"
        unsaid.append(Unsaid(name, f"calendar-name: {calendar}", reason, nearest, trigger.line, whole=False))
    unsaid += _priority(trigger, name, fields) + _misfire(trigger, name, fields)
    line, text = trigger.line, f"trigger {group}.{name}: " if group else f"trigger {name}: "
    if trigger.name == "cron":
        expression = trigger.value("cron-expression")
        zone = trigger.value("time-zone") or None
        timing = Timing(expression, Notation.QUARTZ)
        return [Imported(name, (timing,), line, text + expression, zone, fields, group), *unsaid]
    if trigger.name == "simple":
        return [*_simple(trigger, name, fields, text, group), *unsaid]
    given = " ".join(f"{child.name}={child.text.strip()}" for child in trigger.children if child.text.strip())
    reason = f"a <{trigger.name}> trigger counts calendar units from its start"
    return [Unsaid(name, given, reason, "rate(), in elapsed time, or a cron expression", line)]


def _simple(trigger: Element, name: str, fields: dict[str, Any], text: str, group: str) -> Found:
    """Fires at its start, then every repeat-interval milliseconds, repeat-count times more."""
    interval, count = trigger.value("repeat-interval"), trigger.value("repeat-count") or "0"
    given = f"repeat-interval: {interval}, repeat-count: {count}"
    if count == "0" or not interval.isdigit():
        nearest = "at() with the time of the first fire"
        return [Unsaid(name, given, "it fires once, when its scheduler starts", nearest, trigger.line)]
    if int(interval) % 1000 or interval == "0":
        nearest = f"rate({max(1, round(int(interval) / 1000))} seconds)"
        return [Unsaid(name, given, "rate() has whole seconds", nearest, trigger.line)]
    unsaid: list[Unsaid] = []
    if count != _FOREVER:
        fires = int(count) + 1
        if fires > _MAX_FIRES:
            reason = f"max_fires is at most {_MAX_FIRES}"
            unsaid.append(Unsaid(name, given, reason, "an end", trigger.line, whole=False))
        else:
            fields["max_fires"] = fires
    timing = Timing(f"rate({int(interval) // 1000} seconds)", Notation.EVENTCRON)
    return [Imported(name, (timing,), trigger.line, text + given, None, fields, group), *unsaid]


def _priority(trigger: Element, name: str, fields: dict[str, Any]) -> list[Unsaid]:
    priority = trigger.value("priority")
    if not priority:
        return []
    if priority.isdigit() and int(priority) in _PRIORITIES:
        fields["priority"] = int(priority)
        return []
    return [Unsaid(name, f"priority: {priority}", "a priority is 0 to 9", "priority: 9", trigger.line, whole=False)]


def _misfire(trigger: Element, name: str, fields: dict[str, Any]) -> list[Unsaid]:
    instruction = trigger.value("misfire-instruction")
    if not instruction:
        return []
    policy = _MISFIRES.get(instruction)
    if policy is None:
        reason, nearest = "eventcron has no such instruction", "misfire.policy: fire_once, fire_all or skip"
        given = f"misfire-instruction: {instruction}"
        return [Unsaid(name, given, reason, nearest, trigger.line, whole=False)]
    fields["misfire"] = {"policy": policy}
    return []


def _data(trigger: Element) -> Mapping[str, str]:
    data = trigger.child("job-data-map")
    entries = [] if data is None else [child for child in data.children if child.name == "entry"]
    return {entry.value("key"): entry.value("value") for entry in entries}


def _bean(bean: Element) -> Found:
    """A Spring bean that is a cron trigger, which has a property cronExpression."""
    properties = {one.attributes.get("name", ""): one for one in bean.children if one.name == "property"}
    for argument in bean.children:
        if argument.name == "constructor-arg" and is_cron(_of(argument)):
            properties["cronExpression"] = argument
    given = properties.get("cronExpression")
    if given is None:
        return []
    name = bean.attributes.get("id") or bean.attributes.get("name") or "cronTrigger"
    expression = _of(given)
    if "${" in expression:
        reason = "its value is in another file"
        return [Unsaid(name, expression, reason, "its .properties file: eventcron import quartz", given.line)]
    zone = _of(properties["timeZone"]) if "timeZone" in properties else ""
    fields: dict[str, Any] = {}
    if "jobDetail" in properties:
        fields["input"] = {"job": properties["jobDetail"].attributes.get("ref") or _of(properties["jobDetail"])}
    text = f"bean {name}: {expression}"
    return [Imported(name, (Timing(expression, Notation.QUARTZ),), given.line, text, zone or None, fields)]


def _of(element: Element) -> str:
    """The value of a property: its attribute, its <value>, or the <value> of a bean in it."""
    if "value" in element.attributes:
        return element.attributes["value"].strip()
    return next((one.text.strip() for one in element.walk() if one.text.strip()), "")
