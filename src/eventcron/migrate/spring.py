"""Reads Spring's schedules: ``@Scheduled`` in Java and Kotlin, ``<task:scheduled>`` in XML, and properties."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod

from eventcron.migrate.model import Found, Imported, Origin, Timing, Unsaid, WrongFormat
from eventcron.migrate.properties import cron_properties, resolve
from eventcron.migrate.xml_trees import Element, parse
from eventcron.timing.expression import Manual
from eventcron.timing.notation import Notation

#: A text, or a comment.
_SKIPPED = re.compile(r'"""(?:.|\n)*?"""|"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*(?:.|\n)*?\*/')
_ANNOTATION = re.compile(r"@(?:[\w.]+\.)?Scheduled\s*\(")
_ARGUMENT = re.compile(r"""(?P<name>\w+)\s*=\s*(?P<value>(?:"(?:\\.|[^"\\])*"|[^,"])+)(?:,|$)""")
#: A constant of Java or Kotlin whose value is written in one line.
_CONSTANT = re.compile(
    r"""\b(?:final|val)\s[^=;\n]*?(?P<name>\w+)\s*(?::\s*\w+\s*)?=(?P<value>(?:"(?:\\.|[^"\\\n])*"|[^";}\n])+)"""
)
_STRING = re.compile(r'"((?:\\.|[^"\\])*)"')
_CLASS = re.compile(r"\b(?:class|interface|object)\s+(?P<name>\w+)")
_METHOD = re.compile(r"(?:\bfun\s+|[\w\]>?]\s+)(?P<name>\w+)\s*\([^()]*\)\s*(?:throws [\w., ]+)?\s*[{:=;]")
_ISO = re.compile(
    r"P(?:(?P<d>[0-9]+)D)?(?:T(?:(?P<h>[0-9]+)H)?(?:(?P<m>[0-9]+)M)?(?:(?P<s>[0-9]+(?:\.[0-9]+)?)S)?)?", re.IGNORECASE
)
_SIMPLE = re.compile(r"(?P<count>[0-9]+)\s*(?P<unit>ms|s|m|h|d)?")
#: Milliseconds.
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_TIME_UNITS = {"MILLISECONDS": "ms", "SECONDS": "s", "MINUTES": "m", "HOURS": "h", "DAYS": "d"}
#: Spring's word for a schedule that is switched off, and the constants that are this word.
_OFF = "-"
_DISABLED = {"Scheduled.CRON_DISABLED", "ScheduledTaskRegistrar.CRON_DISABLED", "CRON_DISABLED"}
_AFTER_THE_RUN = "it counts from the end of the run before, which eventcron does not know"


def read(text: str, _origin: Origin) -> Found:
    """Return the schedules in *text*.

    Raises:
        WrongFormat: *text* is neither source code with ``@Scheduled``, nor XML with tasks, nor properties.
    """
    if text.lstrip().startswith("<"):
        return _xml(parse(text))
    code = _SKIPPED.sub(lambda found: found[0] if found[0][0] == '"' else re.sub(r"[^\n]", " ", found[0]), text)
    if _ANNOTATION.search(code):
        return _code(code)
    if re.search(r"^\s*(?:package|import)\s+[\w.]+;?\s*$", text, re.MULTILINE):
        return []
    return [
        _cron(Imported(one.key, (), one.line, f"{one.key}={one.value}"), one.value) for one in cron_properties(text)
    ]


def _code(code: str) -> Found:
    found: Found = []
    constants = _constants(code)
    for annotation in _ANNOTATION.finditer(code):
        end = _closing(code, annotation.end())
        line = code.count("\n", 0, annotation.start()) + 1
        classes = [one["name"] for one in _CLASS.finditer(code, 0, annotation.start())]
        method = _METHOD.search(code, end)
        name = ".".join([*classes[-1:], method["name"] if method else "scheduled"])
        inside = code[annotation.end() : end - 1]
        arguments = {one["name"]: _inserted(one["value"], constants) for one in _ARGUMENT.finditer(inside)}
        found += _annotated(name, arguments, line, " ".join(f"@Scheduled({inside})".split()))
    return found


def _constants(code: str) -> dict[str, str]:
    """The constants in *code*, by name and by class and name; one of another file is not among them."""
    constants = dict.fromkeys(_DISABLED, f'"{_OFF}"')
    for one in _CONSTANT.finditer(code):
        classes = [found["name"] for found in _CLASS.finditer(code, 0, one.start())]
        value = _inserted(one["value"], constants)
        constants |= dict.fromkeys((one["name"], *(f"{name}.{one['name']}" for name in classes)), value)
    return constants


def _inserted(value: str, constants: Mapping[str, str]) -> str:
    """*value* with its constants' values. Texts that are added are one text, and numbers that are multiplied one."""
    parts = [constants.get(part, part) for part in (one.strip() for one in _outside_texts(value, "+"))]
    if len(parts) > 1 and all(map(_STRING.fullmatch, parts)):
        return '"' + "".join(part[1:-1] for part in parts) + '"'
    factors = [constants.get(part, part).replace("_", "").rstrip("Ll") for part in re.split(r"\s*\*\s*", value.strip())]
    if len(factors) > 1 and all(map(str.isdecimal, factors)):
        return str(prod(map(int, factors)))
    return parts[0] if len(parts) == 1 else value.strip()


def _outside_texts(value: str, sign: str) -> list[str]:
    """*value* split at *sign*, but not within a text."""
    pieces = re.findall(rf'(?:"(?:\\.|[^"\\])*"|[^"{re.escape(sign)}])+', value)
    return pieces or [value]


def _closing(code: str, start: int) -> int:
    """Return where the bracket that opened before *start* closes."""
    depth, at = 1, start
    while at < len(code) and depth:
        text = _SKIPPED.match(code, at)
        if text is not None:
            at = text.end()
            continue
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        at += 1
    return at


def _annotated(name: str, arguments: dict[str, str], line: int, text: str) -> Found:
    base = Imported(name, (), line, text, None, {"input": {"method": name}})
    if "cron" in arguments:
        zone = arguments.get("zone")
        expression, place = _literal(arguments["cron"]), "" if zone is None else _literal(zone)
        if expression is None or place is None:
            return [Unsaid(name, text, "its value is not written here", "the schedule put by hand", line)]
        return [_cron(base._replace(timezone=resolve(place, {}) or None), resolve(expression, {}))]
    unit = _TIME_UNITS.get(arguments.get("timeUnit", "MILLISECONDS").rsplit(".", 1)[-1], "ms")
    for kind in ("fixedRate", "fixedRateString", "fixedDelay", "fixedDelayString"):
        if kind in arguments:
            given = arguments[kind].rstrip("Ll") if '"' not in arguments[kind] else _literal(arguments[kind]) or ""
            period = _milliseconds(resolve(given.replace("_", ""), {}), unit)
            return [_interval(base, period, after="Delay" in kind), *_initial_delay(name, arguments, line)]
    return [Unsaid(name, text, "it has neither cron, fixedRate nor fixedDelay", "manual", line)]


def _literal(value: str) -> str | None:
    """The text of a Java literal, or None for what is computed."""
    if not re.fullmatch(r'"(?:\\.|[^"\\])*"', value):
        return None
    return re.sub(r"\\(.)", r"\1", value[1:-1])


def _initial_delay(name: str, arguments: dict[str, str], line: int) -> list[Unsaid]:
    given = arguments.get("initialDelay") or arguments.get("initialDelayString")
    if given is None:
        return []
    reason, nearest = "it counts from the start of the application", "start: an instant of the first fire"
    return [Unsaid(name, f"initialDelay: {given}", reason, nearest, line, whole=False)]


def _cron(base: Imported, expression: str) -> Imported | Unsaid:
    if expression == _OFF:
        return base._replace(timings=(Timing(expression, Notation.SPRING, Manual()),))
    if "${" in expression or "#{" in expression or "${" in (base.timezone or ""):
        nearest = "its properties file: eventcron import spring application.properties"
        return Unsaid(base.name, base.text, "its value is in another file", nearest, base.line)
    return base._replace(timings=(Timing(expression, Notation.SPRING),))


def _interval(base: Imported, period: int | None, *, after: bool) -> Imported | Unsaid:
    """A schedule each *period* milliseconds. *after*: from the end of a run on."""
    if period is None:
        return Unsaid(base.name, base.text, "no duration is written here", "rate(5 minutes)", base.line)
    nearest = f"rate({max(1, round(period / 1000))} seconds)"
    if after:
        return Unsaid(base.name, base.text, _AFTER_THE_RUN, nearest, base.line)
    if period % 1000 or not period:
        return Unsaid(base.name, base.text, "rate() has whole seconds", nearest, base.line)
    return base._replace(timings=(Timing(f"rate({period // 1000} seconds)", Notation.EVENTCRON),))


def _milliseconds(given: str, unit: str) -> int | None:
    simple, iso = _SIMPLE.fullmatch(given.strip()), _ISO.fullmatch(given.strip())
    if simple is not None:
        return int(simple["count"]) * _UNITS[simple["unit"] or unit]
    if iso is None or not any(iso.groups()):
        return None
    hours = int(iso["d"] or 0) * 24 + int(iso["h"] or 0)
    return hours * 3_600_000 + int(iso["m"] or 0) * 60_000 + round(float(iso["s"] or 0) * 1_000)


def _xml(root: Element) -> Found:
    found: Found = []
    tasks = [element for element in root.walk() if element.name == "scheduled"]
    if not tasks and root.name != "beans":
        raise WrongFormat(f"the XML is a <{root.name}>", root.line)
    for task in tasks:
        given = task.attributes
        name = ".".join(filter(None, [given.get("ref", ""), given.get("method", "")])) or "scheduled"
        text = " ".join(f"{key}={value}" for key, value in given.items())
        base = Imported(name, (), task.line, text, None, {"input": {"method": name}})
        if "cron" in given:
            found.append(_cron(base, resolve(given["cron"], {})))
        else:
            period = _milliseconds(resolve(given.get("fixed-rate") or given.get("fixed-delay", ""), {}), "ms")
            found.append(_interval(base, period, after="fixed-rate" not in given))
    return found
