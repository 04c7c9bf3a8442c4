"""Every struct survives being written and read; types are checked where text comes in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from eventcron.model import commands, events, messages, names, records
from eventcron.model.commands import COMMANDS, Schedule
from eventcron.model.events import EVENT_DETAILS
from eventcron.model.names import Key
from eventcron.model.records import Backfill

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAME = st.text(st.sampled_from("abcXYZ019._-"), min_size=1, max_size=20).filter(lambda name: name not in {".", ".."})
HEX = st.text("0123456789abcdef", min_size=32, max_size=32)
RAW = st.sampled_from([b"null", b'{"a": [1.10]}', b'"x"', b"1e999"]).map(msgspec.Raw)
MOMENT = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # bounds

PLAIN: dict[type[inspect.Type], st.SearchStrategy[Any]] = {
    inspect.AnyType: st.none() | st.integers(-100, 100) | st.text(max_size=5),
    inspect.BoolType: st.booleans(),
    inspect.BytesType: st.binary(max_size=20),
    inspect.DateTimeType: MOMENT,
    inspect.RawType: RAW,
}


def _text(type_: inspect.StrType) -> st.SearchStrategy[str]:
    if type_.pattern is None:
        return TEXT.map(lambda text: text.ljust(type_.min_length or 0, "x"))
    return HEX if type_.pattern.startswith("^[0-9a-f]{32}") else NAME


def _whole(type_: inspect.IntType) -> st.SearchStrategy[int]:
    return st.integers(-1 if type_.ge is None else type_.ge, 2**53 - 1 if type_.le is None else type_.le)


MADE: dict[type[inspect.Type], Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.Metadata: lambda type_: values(type_.type),
    inspect.UnionType: lambda type_: st.one_of(
        *(values(one) for one in type_.types if not isinstance(one, inspect.NoneType))
    ),
    inspect.StructType: lambda type_: structs(type_.cls),
    inspect.StrType: _text,
    inspect.IntType: _whole,
    inspect.LiteralType: lambda type_: st.sampled_from(type_.values),
    inspect.EnumType: lambda type_: st.sampled_from(list(type_.cls)),
    inspect.ListType: lambda type_: st.lists(values(type_.item_type), min_size=type_.min_length or 0, max_size=3),
    inspect.VarTupleType: lambda type_: st.lists(values(type_.item_type), max_size=3).map(tuple),
    inspect.NamedTupleType: lambda type_: st.builds(type_.cls, *(values(field.type) for field in type_.fields)),
    inspect.DictType: lambda type_: st.dictionaries(values(type_.key_type), values(type_.value_type), max_size=3),
}


def values(type_: inspect.Type) -> st.SearchStrategy[Any]:
    """Values of a type, from what msgspec itself checks."""
    return PLAIN[type(type_)] if type(type_) in PLAIN else MADE[type(type_)](type_)


def structs(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Structs of *kind*, each optional field sometimes left out."""
    fields = inspect.type_info(kind).fields  # type: ignore[attr-defined]
    return st.fixed_dictionaries(
        {field.name: values(field.type) for field in fields if field.required},
        optional={field.name: values(field.type) for field in fields if not field.required},
    ).map(lambda given: kind(**given))


STRUCTS = sorted(
    {
        kind
        for module in (commands, events, messages, names, records)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
    },
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", STRUCTS)
@settings(max_examples=settings().max_examples // 5)  # for each of 40 structs
@given(data=st.data())
def test_a_struct_survives_being_written_and_read(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    value = data.draw(structs(kind))

    assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value


@pytest.mark.parametrize("kind", STRUCTS)
def test_structs_do_not_change(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen


@pytest.mark.parametrize("kind", [*COMMANDS.values(), commands.Misfire, commands.DaylightSaving])
def test_commands_are_strict(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize(
    "kind", [*EVENT_DETAILS.values(), messages.Pack, messages.Fire, records.Record, records.IndexEntry]
)
def test_what_we_write_ourselves_may_grow(kind: type[msgspec.Struct]) -> None:
    """The release before reads what the next one writes, while both run."""
    assert not kind.__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize("kind", STRUCTS)
def test_every_struct_says_what_it_is(kind: type[msgspec.Struct]) -> None:
    assert kind.__doc__


@pytest.mark.parametrize(
    "pattern",
    [
        field.type.type.pattern
        for kind in COMMANDS.values()
        for field in inspect.type_info(kind).fields  # type: ignore[attr-defined]
        if isinstance(field.type, inspect.Metadata) and isinstance(field.type.type, inspect.StrType)
        and field.type.type.pattern
    ],
)  # fmt: skip
def test_patterns_take_whole_names(pattern: str) -> None:
    r"""``$`` would let a line end through: acme and acme\n would be two tenants with one name."""
    assert pattern.startswith("^")
    assert pattern.endswith(r"\Z")


def test_a_schedule_has_one_expression_or_several() -> None:
    one = Schedule(tenant="acme", name="tea", expression="@daily")
    several = Schedule(tenant="acme", name="tea", expression=["@daily", "@hourly"])

    assert (one.expressions, several.expressions) == (["@daily"], ["@daily", "@hourly"])


@pytest.mark.parametrize(
    "kind", [kind for kind in STRUCTS if {"tenant", "key"} <= {*kind.__struct_fields__, *vars(kind)}]
)
@settings(max_examples=settings().max_examples // 10)
@given(data=st.data())
def test_keys_are_tenant_and_name(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    value = data.draw(structs(kind))

    assert value.key[:2] == Key(value.tenant, value.name)
    assert value.key[2:] == ((value.id,) if kind is Backfill else ())
