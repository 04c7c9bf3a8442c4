"""JSON Schemas of what crosses the bus, the fire queue and the segment queue, generated from the structs.

``python -m eventcron.wire.schemas FOLDER`` (``make schemas``) writes them; a test fails when they are stale.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import msgspec

from eventcron.model.commands import COMMANDS
from eventcron.model.events import EVENT_DETAILS
from eventcron.model.messages import Pack, SegmentRange

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: Title → struct.
SCHEMAS: dict[str, type[msgspec.Struct]] = {**COMMANDS, **EVENT_DETAILS, "Pack": Pack, "Segment Range": SegmentRange}


def file_name(title: str) -> str:
    """``Put Schedule`` → ``put-schedule.schema.json``."""
    return f"{title.lower().replace(' ', '-')}.schema.json"


def schema(title: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a command's or event's ``detail``, of a pack, or of a segment range."""
    generated = msgspec.json.schema(_writable(SCHEMAS[title]))
    document = {"$schema": DIALECT, "$id": file_name(title), "title": title, **generated}
    portable: dict[str, Any] = _portable(document)
    return portable


def components(kinds: Iterable[type[msgspec.Struct]], *, ref_template: str) -> dict[str, Any]:
    """The schemas of *kinds* and of the structs in them, by name. ``{name}`` in *ref_template* stands for a name."""
    _, generated = msgspec.json.schema_components(map(_writable, kinds), ref_template=ref_template)
    portable: dict[str, Any] = _portable(generated)
    return portable


def write_all(folder: Path) -> None:
    """Write every schema into *folder*; create the folder if there is none."""
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
    kind, *metadata = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
    if kind is msgspec.Raw:
        return field.name, Annotated[Any, *metadata], None
    if field.required:
        return field.name, field.type
    if field.default is msgspec.NODEFAULT:
        return field.name, field.type, msgspec.field(default_factory=field.default_factory)
    return field.name, field.type, field.default


def _portable(node: Any) -> Any:
    r"""*node* for readers other than Python: a pattern ends with ``$`` in place of ``\Z``, prose has no code quotes."""
    if isinstance(node, dict):
        return {key: _portable_text(key, value) for key, value in node.items()}
    return [_portable(item) for item in node] if isinstance(node, list) else node


def _portable_text(key: str, value: Any) -> Any:
    if key == "pattern" and isinstance(value, str):
        return value.replace(r"\Z", "$")
    if key == "description" and isinstance(value, str):
        return " ".join(value.replace("``", "").split())
    return _portable(value)


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
