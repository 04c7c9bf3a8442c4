"""YAML and JSON as plain values that know their lines. Tags of CloudFormation become its functions, others are dropped.

Nothing of the text is executed or constructed: mappings, lists, text, numbers, true, false and null are all there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from eventcron.migrate.model import WrongFormat
from eventcron.preview.yaml_json import YamlError, compose, scalar_json

#: What a template of Helm, ERB or Jinja has in place of values.
_TEMPLATES = {"{{": "a template that is not rendered", "<%": "an ERB template that is not rendered"}


class Table(dict[str, Any]):
    """A mapping. ``line`` is where it starts, ``lines`` where each of its values does; both from 1."""

    line: int | None = None

    def __init__(self, values: Mapping[str, Any] | None = None, lines: Mapping[str, int] | None = None) -> None:
        super().__init__(values or {})
        self.lines = dict(lines or {})

    def line_of(self, name: str) -> int | None:
        """Where the value *name* starts, or else the mapping."""
        return self.lines.get(name, self.line)


def documents(text: str) -> list[Any]:
    """Return the value of each document of *text*, which is YAML or JSON.

    Raises:
        WrongFormat: *text* is neither, or nests deeper than a schedule may.
    """
    if text.lstrip()[:1] in {"{", "["} and (value := _json(text)) is not None:
        return [value]
    try:
        return [_Reader().read(document) for document in compose(text, tags=True)]
    except YamlError as error:
        found = next((name for sign, name in _TEMPLATES.items() if sign in text), None)
        raise WrongFormat(f"{error.reason}; it is {found}" if found else error.reason, error.line) from error


def walk(value: Any) -> Iterator[Table]:
    """Yield every mapping in *value*, outermost first, each once."""
    seen = set[int]()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or not isinstance(one, dict | list):
            continue
        seen.add(id(one))
        if isinstance(one, Table):
            yield one
        waiting += reversed(list(one.values()) if isinstance(one, dict) else one)


def table(value: Any) -> Table:
    """Return *value* if it is a mapping, else an empty one."""
    return value if isinstance(value, Table) else Table()


def items(value: Any) -> list[Any]:
    """Return *value* if it is a list, an empty list for nothing, else a list of it."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _json(text: str) -> Any:
    """Return the value of *text*, or None if it is no JSON, as YAML in braces is.

    Raises:
        WrongFormat: a text in it has half a character.
    """
    try:
        value = json.loads(text, object_pairs_hook=lambda pairs: Table(dict(pairs)))
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise WrongFormat(f"half a character, {error.object[error.start]!r}, is no text") from error
    except (ValueError, RecursionError):
        return None
    return value


class _Reader:
    """Turns nodes into values. What aliases refer to is the same object each time, so they cannot multiply."""

    def __init__(self) -> None:
        self._read: dict[int, Any] = {}

    def read(self, node: Any) -> Any:
        if node is None:
            return None
        if id(node) in self._read:
            return self._read[id(node)]
        if node.id == "scalar":
            value: Any = json.loads(scalar_json(node))
        elif node.id == "sequence":
            value = self._read[id(node)] = []
            value += [self.read(item) for item in node.value]
        else:
            value = self._read[id(node)] = Table()
            self._fill(value, node)
        value = _tagged(node, value)
        self._read[id(node)] = value
        return value

    def _fill(self, value: Table, node: Any) -> None:
        value.line = _line(node)
        merged = [self.read(item) for key, item in node.value if key.value == "<<"]
        for one in (one for mapping in merged for one in items(mapping) if isinstance(one, Table)):
            value.update({name: item for name, item in one.items() if name not in value})
        for key, item in node.value:
            if key.id != "scalar":
                raise YamlError(_line(key), "a key that is not text")
            if key.value != "<<":
                value[key.value] = self.read(item)
                value.lines[key.value] = _line(item)


def _tagged(node: Any, value: Any) -> Any:
    """Write ``!Ref X`` as ``{"Ref": X}``, and ``!GetAtt X.Y`` as ``{"Fn::GetAtt": [X, Y]}``, as JSON has them."""
    tag = str(node.tag)
    if not tag.startswith("!") or tag == "!":
        return value
    name = tag[1:]
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return Table({name if name in {"Ref", "Condition"} else f"Fn::{name}": value})


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1
