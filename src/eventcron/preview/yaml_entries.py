"""YAML → JSON text, entry by entry: safe, with lines, and nothing silently becomes another type.

Only what JSON can say gets a type: ``true``, ``null`` and numbers as JSON writes them. Dates, ``on``, ``yes``, ``0x1F``
and everything in quotes stay text; tags are refused. So a schedule means the same in YAML as in JSON, and goes through
the same strict decoder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from eventcron.preview.source import Source, UnreadableFile
from eventcron.wire.strict_json import MAX_DEPTH

#: Characters that aliases may add to a file: plenty for shared defaults, and the end of "billion laughs".
MAX_ALIASED_CHARS = 1_000_000

#: YAML 1.2's core schema for null and booleans; numbers as in JSON.
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_TRUE = re.compile(r"(?:true|True|TRUE)\Z")
_FALSE = re.compile(r"(?:false|False|FALSE)\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")

#: libyaml's parser where PyYAML has it: ten times faster. Both only emit events here; neither builds objects.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def yaml_entries(source: Source) -> Iterator[tuple[int, str]]:
    """Each entry's line and JSON text: the items of every document that is a list, and every other document.

    Raises:
        UnreadableFile: not YAML; uses a tag, a key that is not text, or aliases beyond bounds; nests too deep.
    """
    reader = _Reader(source)
    found = False
    for event in reader:
        if isinstance(event, yaml.SequenceStartEvent):
            reader.check(event)
            for item in reader.until(yaml.SequenceEndEvent):
                found = True
                yield _line(item), reader.value(item, depth=1)
        elif isinstance(event, yaml.MappingStartEvent):
            found = True
            yield _line(event), reader.value(event, depth=1)
        elif isinstance(event, yaml.ScalarEvent) and event.value:
            raise reader.error(event, "neither a list of schedules nor a schedule")
    if not found:
        raise UnreadableFile(source.path, None, "empty: it holds no schedule")


class _Reader:
    """Walks a file's events and turns each node into JSON text."""

    def __init__(self, source: Source) -> None:
        self._path = source.path
        self._events = yaml.parse(source.text, Loader=_LOADER)
        self._anchors: dict[str, str] = {}
        self._aliased = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            event = next(self._events)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            raise UnreadableFile(self._path, mark.line + 1 if mark else None, f"not YAML: {error.problem}") from error
        except yaml.YAMLError as error:
            raise UnreadableFile(self._path, None, f"not YAML: {error}") from error
        if isinstance(event, yaml.DocumentStartEvent):
            self._anchors.clear()
        return event

    def until(self, end: type[yaml.Event]) -> Iterator[Any]:
        """The first event of each node up to *end*."""
        while not isinstance(event := next(self), end):
            yield event

    def error(self, event: Any, reason: str) -> UnreadableFile:
        return UnreadableFile(self._path, _line(event), reason)

    def check(self, event: Any) -> None:
        if event.tag is not None:
            raise self.error(event, f"tag {event.tag!r}: a schedule needs none, and eventcron reads none")

    def value(self, event: Any, *, depth: int) -> str:
        """The node that starts with *event*, as JSON text."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self.check(event)
        if depth > MAX_DEPTH:
            raise self.error(event, f"nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.ScalarEvent):
            text = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            items = [self.value(item, depth=depth + 1) for item in self.until(yaml.SequenceEndEvent)]
            text = f"[{','.join(items)}]"
        else:
            pairs = [self._pair(key, depth) for key in self.until(yaml.MappingEndEvent)]
            text = f"{{{','.join(pairs)}}}"
        if event.anchor is not None:
            self._anchors[event.anchor] = text
        return text

    def _pair(self, key: Any, depth: int) -> str:
        if not isinstance(key, yaml.ScalarEvent):
            raise self.error(key, "a key that is not text")
        self.check(key)
        return f"{json.dumps(key.value)}:{self.value(next(self), depth=depth + 1)}"

    def _alias(self, event: Any) -> str:
        text = self._anchors.get(event.anchor)
        if text is None:
            raise self.error(event, f"alias *{event.anchor} stands before its anchor, or within it")
        self._aliased += len(text)
        if self._aliased > MAX_ALIASED_CHARS:
            raise self.error(event, f"aliases add more than {MAX_ALIASED_CHARS:,} characters")
        return text


def _scalar(event: yaml.ScalarEvent) -> str:
    plain = not event.style  # else it is the sign that opened it: a quote, | or >
    if plain and _NULL.match(event.value):
        return "null"
    if plain and _TRUE.match(event.value):
        return "true"
    if plain and _FALSE.match(event.value):
        return "false"
    if plain and _NUMBER.match(event.value):
        return str(event.value)
    return json.dumps(event.value)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
