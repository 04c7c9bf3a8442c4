"""A schema says what its struct takes, in terms that readers other than Python understand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventcron.model.commands import COMMANDS, ResumeSchedule, Schedule
from eventcron.model.events import EVENT_DETAILS
from eventcron.wire import schemas


def struct_of(title: str) -> dict[str, Any]:
    """The object that the schema of *title* describes."""
    document = schemas.schema(title)
    (name,) = [document["$ref"].removeprefix("#/$defs/")]
    found: dict[str, Any] = document["$defs"][name]
    return found


def test_there_is_a_schema_of_each_command_each_event_and_each_message_of_a_queue() -> None:
    assert {*schemas.SCHEMAS} == {*COMMANDS, *EVENT_DETAILS, "Pack", "Segment Range"}


@pytest.mark.parametrize(
    ("title", "name"), [("Put Schedule", "put-schedule.schema.json"), ("Pack", "pack.schema.json")]
)
def test_a_title_names_its_file_and_the_file_names_itself(title: str, name: str) -> None:
    document = schemas.schema(title)

    assert schemas.file_name(title) == document["$id"] == name
    assert (document["title"], document["$schema"]) == (title, schemas.DIALECT)


@pytest.mark.parametrize("title", schemas.SCHEMAS)
def test_a_schema_has_the_fields_of_its_struct_by_the_names_on_the_wire(title: str) -> None:
    kind, described = schemas.SCHEMAS[title], struct_of(title)
    fields = msgspec.structs.fields(kind)

    assert [*described["properties"]] == [field.encode_name for field in fields]
    assert sorted(described["required"]) == sorted(field.encode_name for field in fields if field.required)
    assert described.get("additionalProperties", True) is not kind.__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize("title", schemas.SCHEMAS)
def test_nothing_in_a_schema_is_about_python(title: str) -> None:
    def leaves(node: Any, key: str = "") -> list[tuple[str, str]]:
        if isinstance(node, dict):
            return [leaf for name, value in node.items() for leaf in leaves(value, name)]
        if isinstance(node, list):
            return [leaf for value in node for leaf in leaves(value)]
        return [(key, node)] if isinstance(node, str) else []

    found = leaves(schemas.schema(title))

    assert [text for _, text in found if r"\Z" in text or "``" in text or "Raw" in text] == []
    assert [text for key, text in found if key == "description" and text != " ".join(text.split())] == []


def test_any_json_may_stand_where_a_struct_keeps_it_unread() -> None:
    given = struct_of("Put Schedule")["properties"]["input"]

    assert "type" not in given
    assert given["default"] is None
    assert given["description"].startswith("Any JSON.")


def test_a_field_of_the_name_of_a_keyword_is_a_field() -> None:
    assert struct_of("Put Schedule")["properties"]["description"]["type"] == "string"


def test_a_pattern_ends_where_its_text_does() -> None:
    """Python's ``$`` would match before a line break too, and ``\\Z`` is unknown elsewhere."""
    assert struct_of("Report Run")["properties"]["fire_id"]["pattern"] == "^[0-9a-f]{32}$"


def test_components_refer_to_each_other_by_the_given_template() -> None:
    found = schemas.components([Schedule, ResumeSchedule], ref_template="#/components/schemas/{name}")

    assert {"Schedule", "ResumeSchedule", "Misfire", "Runs"} <= {*found}
    assert found["Schedule"]["properties"]["misfire"]["$ref"] == "#/components/schemas/Misfire"
    assert "$defs" not in json.dumps(found)


def test_what_is_written_over_is_as_new(tmp_path: Path) -> None:
    stale = tmp_path / "put-schedule.schema.json"
    stale.write_text("stale" * 10_000)

    schemas.write_all(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {schemas.file_name(title) for title in schemas.SCHEMAS}
    assert json.loads(stale.read_text(encoding="utf-8")) == schemas.schema("Put Schedule")
    assert stale.read_text(encoding="utf-8").endswith("}\n")
