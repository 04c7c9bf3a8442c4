"""Turns YAML into JSON text, entry by entry, so that a schedule means the same in both and meets the same decoder.

Only what JSON can say gets a type: ``true``, ``null`` and numbers as JSON writes them. Dates, ``on``, ``yes``, ``0x1F``
and everything in quotes stay text. Tags are rejected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from eventcron.errors import EventcronError
from eventcron.wire.strict_json import MAX_DEPTH

#: Characters that aliases may add to a file: plenty for shared defaults, and a bound on "billion laughs".
MAX_ALIASED_CHARS = 1_000_000

#: Null and booleans as in YAML 1.2's core schema, numbers as in JSON.
_WORDS = {
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), "null"),
    **dict.fromkeys(("true", "True", "TRUE"), "true"),
    **dict.fromkeys(("false", "False", "FALSE"), "false"),
}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")

#: libyaml's parser where PyYAML has it: ten times faster. Neither builds objects here.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(EventcronError):
    """A text that is no YAML of schedules. ``line`` is where it breaks, from 1, or None if no line is at fault."""

    def __init__(self, line: int | None, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(reason)


def yaml_entries(text: str) -> Iterator[tuple[int, str]]:
    """Each entry's line and JSON text: the items of every document that is a list, and every other document.

    Raises:
        YamlError: *text* is not YAML, is empty, nests too deep, or uses a tag, a key that is not text, or aliases
            beyond bounds.
    """
    documents = compose(text)
    entries = [entry for document in documents for entry in _items(document)]
    if not entries:
        raise YamlError(None, "empty: it holds no schedule")
    writer = _Writer()
    for entry in entries:
        yield _line(entry), writer.write(entry)


def compose(text: str, *, tags: bool = False) -> list[Any]:
    """Return the root node of each document of *text*. Nothing is constructed. *tags*: those of the text are kept.

    Raises:
        YamlError: *text* is not YAML, nests too deep, or uses a tag that it may not.
    """
    try:
        _check(text, tags=tags)
        return list(yaml.compose_all(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        # libyaml reads ahead, and may come to the end of its own depth before ``_check`` comes to that of a schedule.
        too_deep = "maximum nesting depth" in str(error.problem)
        reason = f"nested more than {MAX_DEPTH} deep" if too_deep else f"not YAML: {error.problem}"
        raise YamlError(mark.line + 1 if mark else None, reason) from error
    except yaml.YAMLError as error:
        raise YamlError(None, f"not YAML: {error}") from error


def _check(text: str, *, tags: bool) -> None:
    """Reject tags and deep nesting before anything is composed: libyaml's composer has a stack without a bound."""
    depth = 0
    event: Any
    for event in yaml.parse(text, Loader=_LOADER):
        if not tags and getattr(event, "tag", None) is not None:
            raise YamlError(_line(event), f"tag {event.tag!r}: a schedule needs none, and eventcron reads none")
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH + 1:  # the list of schedules is around them
                raise YamlError(_line(event), f"nested more than {MAX_DEPTH} deep")


def _items(document: Any) -> list[Any]:
    if isinstance(document, yaml.SequenceNode):
        return list(document.value)
    if isinstance(document, yaml.ScalarNode):
        if document.value:
            raise YamlError(_line(document), "neither a list of schedules nor a schedule")
        return []
    return [document]


class _Writer:
    """Writes nodes as JSON text. A node that aliases refer to is the same object each time."""

    def __init__(self) -> None:
        #: By identity; None while the node is being written.
        self._written: dict[int, str | None] = {}
        self._aliased = 0

    def write(self, node: Any) -> str:
        if id(node) in self._written:
            return self._again(node)
        self._written[id(node)] = None
        if isinstance(node, yaml.ScalarNode):
            text = scalar_json(node)
        elif isinstance(node, yaml.SequenceNode):
            text = f"[{','.join(map(self.write, node.value))}]"
        else:
            text = f"{{{','.join(self._pair(key, value) for key, value in node.value)}}}"
        self._written[id(node)] = text
        return text

    def _pair(self, key: Any, value: Any) -> str:
        if not isinstance(key, yaml.ScalarNode):
            raise YamlError(_line(key), "a key that is not text")
        return f"{json.dumps(key.value)}:{self.write(value)}"

    def _again(self, node: Any) -> str:
        text = self._written[id(node)]
        if text is None:
            raise YamlError(_line(node), "an alias within its own anchor")
        self._aliased += len(text)
        if self._aliased > MAX_ALIASED_CHARS:
            raise YamlError(_line(node), f"aliases add more than {MAX_ALIASED_CHARS:,} characters")
        return text


def scalar_json(node: Any) -> str:
    """Return the JSON text of a scalar node."""
    plain = not node.style  # else the sign that opened it: a quote, | or >
    if plain and node.value in _WORDS:
        return _WORDS[node.value]
    if plain and _NUMBER.match(node.value):
        return str(node.value)
    return json.dumps(node.value)


def _line(place: Any) -> int:
    return int(place.start_mark.line) + 1
