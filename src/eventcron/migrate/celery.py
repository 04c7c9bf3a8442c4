"""Reads Celery beat's schedules in Python source code, which is parsed and never run, or in JSON."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from eventcron.migrate.model import Found, Imported, Origin, Timing, Unsaid, WrongFormat
from eventcron.migrate.python_code import Computed, constants, module, name_of, value
from eventcron.migrate.trees import Table, documents, table
from eventcron.timing.notation import Notation

_SETTINGS = frozenset({"beat_schedule", "CELERYBEAT_SCHEDULE", "CELERY_BEAT_SCHEDULE"})
_ZONES = frozenset({"timezone", "CELERY_TIMEZONE"})
_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
#: The first two positional arguments of crontab(). Celery 5.3 changed the order of those after them.
_POSITIONAL = _FIELDS[:2]
#: Seconds of timedelta's arguments, in their order.
_SPANS = {
    "days": 86_400.0,
    "seconds": 1.0,
    "microseconds": 1e-6,
    "milliseconds": 1e-3,
    "minutes": 60.0,
    "hours": 3_600.0,
    "weeks": 604_800.0,
}
_PASSED = ("task", "args", "kwargs", "options")


class _Wrong(Exception):
    """A schedule that eventcron cannot say: the reason, and what comes nearest."""

    def __init__(self, reason: str, nearest: str) -> None:
        self.reason = reason
        self.nearest = nearest
        super().__init__(reason)


class _Entry(NamedTuple):
    """An entry of beat's schedule, each part as it stands in the code."""

    name: str
    parts: Mapping[str, ast.expr]
    line: int
    text: str


def read(text: str, _origin: Origin) -> Found:
    """Return a schedule for each entry of beat_schedule in *text*, and for each add_periodic_task.

    Raises:
        WrongFormat: *text* is neither Python nor JSON with such a schedule.
    """
    if text.lstrip()[:1] == "{" and (read_json := _json(text)) is not None:
        return read_json
    tree = module(text)
    known = constants(tree)
    zone = _zone(tree, known)
    entries = list(_entries(tree))
    if not entries and not any(name in text for name in (*_SETTINGS, "add_periodic_task")):
        raise WrongFormat("it has neither beat_schedule nor add_periodic_task", 1)
    return [one for entry in entries for one in _entry(entry, known, zone)]


def _zone(tree: ast.Module, known: Mapping[str, Any]) -> str:
    """Celery's own zone, which is UTC unless it is set."""
    for node in ast.walk(tree):
        named: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.Assign):
            named = [(name_of(target), node.value) for target in node.targets]
        elif isinstance(node, ast.keyword):
            named = [(node.arg or "", node.value)]
        for name, given in named:
            if name in _ZONES and given is not None:
                try:
                    return str(value(given, known))
                except Computed:
                    continue
    return "UTC"


def _entries(tree: ast.Module) -> Iterator[_Entry]:
    for node in ast.walk(tree):
        yield from _of_node(node)
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Dict):
        yield from _of_dict(tree.body[0].value)


def _of_node(node: ast.AST) -> Iterator[_Entry]:
    if isinstance(node, ast.Assign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from _assigned(target, node.value)
    elif isinstance(node, ast.keyword) and node.arg in _SETTINGS:
        yield from _of_dict(node.value)
    elif isinstance(node, ast.Dict):
        for key, item in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in _SETTINGS:
                yield from _of_dict(item)
    elif isinstance(node, ast.AugAssign) and name_of(node.target) in _SETTINGS:
        yield from _of_dict(node.value)
    elif isinstance(node, ast.Call) and node.args:
        yield from _called(node)


def _called(call: ast.Call) -> Iterator[_Entry]:
    """``add_periodic_task(…)``, and ``beat_schedule.update({…})``."""
    if name_of(call.func) == "add_periodic_task":
        yield _added(call)
    elif isinstance(call.func, ast.Attribute) and call.func.attr == "update" and name_of(call.func.value) in _SETTINGS:
        yield from _of_dict(call.args[0])


def _assigned(target: ast.expr, given: ast.expr | None) -> Iterator[_Entry]:
    if name_of(target) in _SETTINGS and given is not None:
        yield from _of_dict(given)
    elif isinstance(target, ast.Subscript) and name_of(target.value) in _SETTINGS and isinstance(given, ast.Dict):
        yield from _of_dict(ast.Dict(keys=[target.slice], values=[given]))


def _of_dict(node: ast.expr) -> Iterator[_Entry]:
    if not isinstance(node, ast.Dict):
        yield _Entry("", {}, node.lineno, ast.unparse(node))
        return
    for key, item in zip(node.keys, node.values, strict=True):
        if key is None:
            yield _Entry("", {}, item.lineno, f"**{ast.unparse(item)}")
            continue
        name = str(key.value) if isinstance(key, ast.Constant) else ast.unparse(key)
        parts: dict[str, ast.expr] = {}
        if isinstance(item, ast.Dict):
            named = zip(item.keys, item.values, strict=True)
            parts = {str(part.value): given for part, given in named if isinstance(part, ast.Constant)}
        elif isinstance(item, ast.Call) and name_of(item.func) == "dict":
            parts = {keyword.arg: keyword.value for keyword in item.keywords if keyword.arg}
        yield _Entry(name, parts, item.lineno, ast.unparse(parts.get("schedule", item)))


def _added(call: ast.Call) -> _Entry:
    """``add_periodic_task(schedule, task.s(…), args, kwargs, name=…)``."""
    parts = {"schedule": call.args[0]}
    named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    parts |= dict(zip(("task", "args", "kwargs"), call.args[1:], strict=False))
    parts |= {name: node for name, node in named.items() if name in {"args", "kwargs"}}
    given = named.get("name")
    task = parts.get("task")
    if (
        isinstance(task, ast.Call)
        and name_of(task.func) in {"s", "si", "signature"}
        and isinstance(task.func, ast.Attribute)
    ):
        parts["task"] = ast.copy_location(ast.Constant(ast.unparse(task.func.value)), task)
        if task.args:
            parts["args"] = ast.copy_location(ast.List(elts=task.args, ctx=ast.Load()), task)
        if task.keywords:
            keys: list[ast.expr | None] = [ast.Constant(keyword.arg) for keyword in task.keywords]
            parts["kwargs"] = ast.Dict(keys=keys, values=[keyword.value for keyword in task.keywords])
    name = str(given.value) if isinstance(given, ast.Constant) else ast.unparse(task or call.args[0])
    return _Entry(name, parts, call.lineno, ast.unparse(call.args[0]))


def _entry(entry: _Entry, known: Mapping[str, Any], zone: str) -> Found:
    schedule = entry.parts.get("schedule")
    if schedule is None:
        reason = "it is computed when the code runs"
        return [
            Unsaid(entry.name, entry.text, reason, "its entries written as a dict, with task and schedule", entry.line)
        ]
    try:
        timing = _timing(schedule, known)
    except _Wrong as error:
        return [Unsaid(entry.name, entry.text, error.reason, error.nearest, entry.line)]
    except Computed as error:
        reason = f"{error.code} is computed when the code runs"
        return [Unsaid(entry.name, entry.text, reason, "the value put by hand", entry.line)]
    passed: dict[str, Any] = {}
    unsaid: list[Unsaid] = []
    for part in _PASSED:
        if part in entry.parts:
            try:
                passed[part] = _jsonable(entry.parts[part], known)
            except Computed as error:
                reason = f"{error.code} is computed when the code runs"
                nearest = "the value put by hand into input"
                unsaid.append(Unsaid(entry.name, f"{part}: {error.code}", reason, nearest, entry.line, whole=False))
    unsaid += _relative(entry)
    text = f"{entry.name}: {entry.text}"
    return [Imported(entry.name, (timing,), entry.line, text, zone, {"input": passed}), *unsaid]


def _jsonable(node: ast.expr, known: Mapping[str, Any]) -> Any:
    found = value(node, known)
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError):
        raise Computed(node) from None
    return found


def _relative(entry: _Entry) -> list[Unsaid]:
    given = entry.parts.get("relative")
    if given is None or (isinstance(given, ast.Constant) and not given.value):
        return []
    reason = "beat rounds the interval to the clock; eventcron counts it from start, or from the creation"
    return [
        Unsaid(entry.name, f"relative: {ast.unparse(given)}", reason, "start: a full hour", entry.line, whole=False)
    ]


def _timing(node: ast.expr, known: Mapping[str, Any]) -> Timing:
    if not isinstance(node, ast.Call) or name_of(node.func) == "range":
        return _given(value(node, known))
    kind = name_of(node.func)
    if kind == "crontab":
        return _crontab(node, known)
    if kind == "timedelta":
        return _every(_timedelta(node, known))
    if kind == "schedule":
        inner = next((one.value for one in node.keywords if one.arg == "run_every"), None) or next(
            iter(node.args), None
        )
        if inner is not None:
            return _timing(inner, known)
    if kind == "solar":
        raise _Wrong("eventcron does not know where the sun stands", "a time of day, such as 0 6 * * *")
    raise Computed(node)


def _given(found: Any) -> Timing:
    """The schedule in a value: seconds, ``crontab(…)`` as text, or the fields of a crontab."""
    if isinstance(found, bool) or not isinstance(found, int | float | str | dict):
        raise _Wrong(f"{found!r} is no schedule", "crontab(…) or seconds")
    if isinstance(found, int | float):
        return _every(float(found))
    if isinstance(found, str):
        return Timing(found, Notation.CELERY)
    return _fields({str(name): _component(given) for name, given in found.items()})


def _crontab(call: ast.Call, known: Mapping[str, Any]) -> Timing:
    if len(call.args) > len(_POSITIONAL):
        reason = "Celery 5.3 changed the order of positional arguments after minute and hour"
        raise _Wrong(reason, f"keywords: {', '.join(_FIELDS)}")
    given = {name: _component(value(node, known)) for name, node in zip(_POSITIONAL, call.args, strict=False)}
    for keyword in call.keywords:
        if keyword.arg == "app":
            continue
        if keyword.arg not in _FIELDS:
            raise _Wrong(f"{keyword.arg}: the clock is code of its own", f"crontab() with {', '.join(_FIELDS)}")
        given[keyword.arg] = _component(value(keyword.value, known))
    return _fields(given)


def _fields(given: Mapping[str, str]) -> Timing:
    unknown = sorted(set(given) - set(_FIELDS))
    if unknown:
        raise _Wrong(f"crontab() has no {unknown[0]}", f"crontab() with {', '.join(_FIELDS)}")
    # Celery reads a missing argument as every value, and allows spaces inside a field.
    return Timing(" ".join(given.get(name, "*").replace(" ", "") or "*" for name in _FIELDS), Notation.CELERY)


def _component(given: Any) -> str:
    """A field as text. Celery takes numbers, lists of them, and names of any length by their first three characters."""
    parts = given if isinstance(given, list) else [given]
    text = ",".join(str(part) for part in parts)
    return re.sub(r"[A-Za-z]{4,}", lambda name: name[0][:3], text)


def _timedelta(call: ast.Call, known: Mapping[str, Any]) -> float:
    given = dict(zip(_SPANS, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    if not set(given) <= _SPANS.keys():
        raise Computed(call)
    seconds = 0.0
    for name, node in given.items():
        number = value(node, known)
        if not isinstance(number, int | float):
            raise Computed(node)
        seconds += number * _SPANS[name]
    return seconds


def _every(seconds: float) -> Timing:
    if seconds < 1 or seconds != int(seconds):
        raise _Wrong(f"an interval of {seconds:g} seconds", f"whole seconds: rate({max(1, round(seconds))} seconds)")
    return Timing(f"rate({int(seconds)} seconds)", Notation.EVENTCRON)


def _json(text: str) -> Found | None:
    """The schedule in a JSON object; None if *text* is none, as a dict of Python is none."""
    try:
        json.loads(text)
    except ValueError:
        return None
    whole = table(documents(text)[0])
    schedule = next((table(whole[name]) for name in whole if name in _SETTINGS), whole)
    if not schedule or not all(isinstance(entry, Table) and "schedule" in entry for entry in schedule.values()):
        raise WrongFormat("not every entry of the JSON has a schedule", 1)
    zone = next((str(whole[name]) for name in whole if name in _ZONES), "UTC")
    return [_json_entry(name, entry, zone) for name, entry in schedule.items()]


def _json_entry(name: str, entry: Table, zone: str) -> Imported | Unsaid:
    given = entry["schedule"]
    if isinstance(given, Table) and given.keys() == {"crontab"}:
        given = given["crontab"]
    fields: dict[str, Any] = {"input": {part: entry[part] for part in _PASSED if part in entry}}
    if "enabled" in entry and entry["enabled"] is False:
        fields["state"] = "PAUSED"
    try:
        timing = _given(dict(given) if isinstance(given, dict) else given)
    except _Wrong as error:
        return Unsaid(name, f"{name}: {json.dumps(entry['schedule'])}", error.reason, error.nearest)
    return Imported(name, (timing,), None, f"{name}: {json.dumps(entry['schedule'])}", zone, fields)
