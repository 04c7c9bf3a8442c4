"""Finds cron expressions in Java's configuration: .properties files, and YAML with nested keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from eventcron.migrate.model import WrongFormat
from eventcron.migrate.trees import Table, documents

_LINE = re.compile(r"\s*(?P<key>[^\s=:#!][^\s=:]*)\s*[=:]\s*(?P<value>.*?)\s*")
#: What stands where a field of cron does.
_FIELD = re.compile(r"[0-9*?][0-9A-Za-z*?,/#-]*|[A-Za-z]{3}(?:[-,/#][0-9A-Za-z]+)*|L[0-9W-]*")
_REFERENCE = re.compile(r"\$\{(?P<key>[^}:]+)(?::(?P<default>[^}]*))?\}")
_FEWEST, _MOST = 5, 7
#: How often a value may refer to another one: a bound on circles.
_MAX_REFERENCES = 10


class Property(NamedTuple):
    """A key with its value, and the line of the value."""

    key: str
    value: str
    line: int | None


def cron_properties(text: str) -> list[Property]:
    """Return the properties in *text* that are cron expressions, or whose key says that they are.

    Raises:
        WrongFormat: *text* has no properties at all.
    """
    found = list(_flat(text))
    if not found:
        raise WrongFormat("it has no properties: key = value, or YAML", 1)
    values = {one.key: one.value for one in found}
    resolved = (one._replace(value=resolve(one.value, values)) for one in found)
    return [one for one in resolved if is_cron(one.value) or (_says_cron(one.key) and _is_meant(one.value))]


def resolve(value: str, values: dict[str, str]) -> str:
    """Replace ``${key}`` and ``${key:default}`` by what *values* say, or by the default."""

    def of(found: re.Match[str]) -> str:
        key, default = found["key"].strip(), found["default"]
        return values.get(key, found[0] if default is None else default)

    for _ in range(_MAX_REFERENCES):
        replaced = _REFERENCE.sub(of, value)
        if replaced == value:
            break
        value = replaced
    return value.strip()


def is_cron(value: str) -> bool:
    """Whether *value* looks like a cron expression with seconds."""
    fields = value.split()
    return _FEWEST < len(fields) <= _MOST and all(map(_FIELD.fullmatch, fields))


def _says_cron(key: str) -> bool:
    return bool(re.search(r"(?:cron|cronexpression|schedule)$", key.replace("-", "").replace("_", ""), re.IGNORECASE))


def _is_meant(value: str) -> bool:
    """Whether *value* is meant as an expression: some fields, a macro, off, or a reference to elsewhere."""
    return value.startswith(("@", "${", "#{")) or value == "-" or len(value.split()) >= _FEWEST


def _flat(text: str) -> Iterator[Property]:
    lines = re.sub(r"\\\r?\n[ \t]*", "", text).splitlines() if "\\\n" in text else text.splitlines()
    if not any("=" in line for line in lines if not line.lstrip().startswith("#")):
        for document in documents(text):
            yield from _nested("", document, None)
        return
    for number, line in enumerate(lines, 1):
        if matched := _LINE.fullmatch(line):
            yield Property(matched["key"], matched["value"], number)


def _nested(prefix: str, value: object, line: int | None) -> Iterator[Property]:
    if isinstance(value, Table):
        for key, item in value.items():
            yield from _nested(f"{prefix}.{key}" if prefix else key, item, value.line_of(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _nested(f"{prefix}[{number}]", item, item.line if isinstance(item, Table) else line)
    elif isinstance(value, str) and prefix:
        yield Property(prefix, value, line)
