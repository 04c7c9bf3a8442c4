"""JSON Schemas of what crosses the bus, the fire queue and the plan queue, generated from the structs.

``python -m eventcron.wire.schemas FOLDER`` (``make schemas``) writes them; a test fails when they are stale.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from eventcron.model import commands, events, messages, names, records
from eventcron.model.commands import COMMANDS
from eventcron.model.events import EVENT_DETAILS
from eventcron.model.messages import Pack, SegmentRange

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: Title → struct.
SCHEMAS: dict[str, type[msgspec.Struct]] = {**COMMANDS, **EVENT_DETAILS, "Pack": Pack, "Segment Range": SegmentRange}

_DOC_COMMENT = re.compile(r"#: ?(.*)")
_FIELD = re.compile(r"(\w+):")


def file_name(title: str) -> str:
    """``Put Schedule`` → ``put-schedule.schema.json``."""
    return f"{title.lower().replace(' ', '-')}.schema.json"


def schema(title: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a command's or fact's ``detail``, of a pack, or of a range."""
    generated = msgspec.json.schema(_writable(SCHEMAS[title]))
    for name, definition in generated["$defs"].items():
        _describe_fields(definition, _STRUCTS.get(name))
    document = {"$schema": DIALECT, "$id": file_name(title), "title": title, **generated}
    portable: dict[str, Any] = _portable(document)
    return portable


def components(kinds: Iterable[type[msgspec.Struct]], *, ref_template: str) -> dict[str, Any]:
    """The schemas of *kinds* and of what they are made of, by name; ``{name}`` in *ref_template* is how they refer."""
    kinds = list(kinds)
    _, generated = msgspec.json.schema_components(map(_writable, kinds), ref_template=ref_template)
    structs = _STRUCTS | {kind.__name__: kind for kind in kinds}
    for name, definition in generated.items():
        _describe_fields(definition, structs.get(name))
    portable: dict[str, Any] = _portable(generated)
    return portable


def write_all(folder: Path) -> None:
    """Write every schema into *folder*, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for title in SCHEMAS:
        (folder / file_name(title)).write_text(text(title), encoding="utf-8")


def text(title: str) -> str:
    """The schema's file."""
    return json.dumps(schema(title), indent=2, ensure_ascii=False) + "\n"


def _writable(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """*kind* with any JSON in place of ``Raw``, whose default msgspec cannot write into a schema."""
    fields = msgspec.structs.fields(kind)
    if not any(isinstance(field.default, msgspec.Raw) for field in fields):
        return kind
    return msgspec.defstruct(
        kind.__name__,
        [_writable_field(field) for field in fields],
        namespace={"__doc__": kind.__doc__},
        kw_only=True,
        forbid_unknown_fields=kind.__struct_config__.forbid_unknown_fields,
    )


def _writable_field(field: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    if field.type is msgspec.Raw:
        return field.name, Any, None
    if field.required:
        return field.name, field.type
    if field.default is msgspec.NODEFAULT:
        return field.name, field.type, msgspec.field(default_factory=field.default_factory)
    return field.name, field.type, field.default


def _describe_fields(definition: dict[str, Any], kind: type[msgspec.Struct] | None) -> None:
    """Put the ``#:`` comment of each field, its documentation in the code, into the schema."""
    if kind is None or "properties" not in definition:
        return
    comments = _field_comments(kind)
    for field in msgspec.structs.fields(kind):
        words = comments.get(field.name)
        described = definition["properties"][field.encode_name]
        if words is not None:
            described["description"] = f"{words} ({described['description']})" if "description" in described else words


def _field_comments(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Field, by its name in the code → its comment."""
    comments: dict[str, str] = {}
    for base in [base for base in kind.__mro__ if issubclass(base, msgspec.Struct) and base is not msgspec.Struct]:
        words: list[str] = []
        for line in map(str.strip, inspect.getsource(base).splitlines()):
            if comment := _DOC_COMMENT.match(line):
                words.append(comment[1])
                continue
            if words and (field := _FIELD.match(line)):
                comments.setdefault(field[1], " ".join(words))
            words = []
    return comments


def _portable(node: Any) -> Any:
    r"""*node* for readers other than Python: ``$`` ends a pattern in place of ``\Z``, and no code quotes in prose."""
    if isinstance(node, dict):
        return {key: _portable_text(key, value) for key, value in node.items()}
    return [_portable(item) for item in node] if isinstance(node, list) else node


def _portable_text(key: str, value: Any) -> Any:
    if key == "pattern" and isinstance(value, str):
        return value.replace(r"\Z", "$")
    if key == "description" and isinstance(value, str):
        return " ".join(value.replace("``", "").split())
    return _portable(value)


_STRUCTS: dict[str, type[msgspec.Struct]] = {
    name: kind
    for module in (commands, events, messages, names, records)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
}

if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
