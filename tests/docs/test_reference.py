"""What there is, is documented: commands, settings, fields, events, codes, terms."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from msgspec import NODEFAULT, inspect

from eventcron.config import PREFIX, Settings
from eventcron.core import facts
from eventcron.core.rejection import _CODES
from eventcron.entrypoints.cli.main import COMMANDS as SUBCOMMANDS
from eventcron.model import COMMANDS, DaylightSaving, Misfire, Schedule
from tests.docs.pages import ROOT, codes, read, rows

SETTINGS = {field.name: field for field in msgspec.structs.fields(Settings)}
#: Raised on the command line only, where its message says all there is.
NOT_REJECTIONS = {"cannot_convert"}


def _first_codes(page: str) -> list[str]:
    """What stands in backticks in the first column of a page's tables."""
    return [code for row in rows(page) for code in codes(row[0])]


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_every_subcommand_is_documented(command: str) -> None:
    assert f"eventcron {command}" in _first_codes("docs/reference/cli.md")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_as_documented(shell: str) -> None:
    environment = {**os.environ, "_EVENTCRON_COMPLETE": f"{shell}_source"}
    done = subprocess.run(
        [sys.executable, "-c", "from eventcron.entrypoints.cli.main import main; main()"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert f"{shell}_source" in read("docs/reference/cli.md")
    assert f"_EVENTCRON_COMPLETE={shell}_complete" in done.stdout


def test_completion_knows_the_subcommands() -> None:
    environment = {**os.environ, "_EVENTCRON_COMPLETE": "bash_complete", "COMP_WORDS": "eventcron s", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from eventcron.entrypoints.cli.main import main; main()"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.split() == [f"plain,{name}" for name in sorted(SUBCOMMANDS) if name.startswith("s")]


def _bounds(field: msgspec.structs.FieldInfo) -> str:
    kind = inspect.type_info(field.type)
    kind = kind.type if isinstance(kind, inspect.Metadata) else kind
    return f"{kind.ge}–{kind.le}" if isinstance(kind, inspect.IntType) else "–"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_documented_with_its_default_and_range(name: str) -> None:
    field = SETTINGS[name]
    (row,) = [row for row in rows("docs/reference/configuration.md") if codes(row[0]) == [f"{PREFIX}{name.upper()}"]]

    if field.required:
        assert len(row) == 3
        return
    _, _, _, default, bounds, meaning = row
    assert default == (str(field.default) if isinstance(field.default, int | str) and field.default != "" else "none")
    assert bounds == _bounds(field)
    assert meaning


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_can_be_set_in_a_deployment(name: str) -> None:
    assert f"{PREFIX}{name.upper()}:" in read("infra/template.yaml")


def _fields(*structs: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for struct in structs for field in msgspec.structs.fields(struct)}


def test_every_field_of_a_schedule_is_documented_with_its_default() -> None:
    documented = {
        codes(row[0])[0]: row[2]
        for row in rows("docs/reference/schedules.md", "Put Schedule")
        if len(row) == 4 and codes(row[0])
    }

    assert set(documented) == _fields(Schedule)
    for field in msgspec.structs.fields(Schedule):
        if isinstance(field.default, str | int) and field.default != "":
            assert str(field.default) in documented[field.name], field.name
        assert (field.default is NODEFAULT and field.default_factory is NODEFAULT) == (
            documented[field.name] == "required"
        )


@pytest.mark.parametrize("struct", [Misfire, DaylightSaving])
def test_the_fields_inside_a_schedules_fields_are_documented(struct: type[msgspec.Struct]) -> None:
    documented = {code for row in rows("docs/reference/schedules.md") if len(row) == 4 for code in codes(row[3])}

    assert _fields(struct) - documented == set()


def _detail_types() -> Iterator[str]:
    yield from COMMANDS
    for name in vars(facts):
        if name.startswith(("Schedule", "Calendar")):
            yield re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


@pytest.mark.parametrize("detail_type", sorted(_detail_types()))
def test_every_command_and_event_is_documented(detail_type: str) -> None:
    headings = re.findall(r"^## (.+)$", read("docs/reference/schedules.md"), re.MULTILINE)
    documented = [code for page in ("schedules", "events") for code in _first_codes(f"docs/reference/{page}.md")]

    assert detail_type in [*documented, *headings]


def _codes_raised() -> set[str]:
    """Every code that a rejection can carry, read from the source."""
    found = {code for _, code in _CODES}
    for package in ("core", "app"):
        for path in sorted((ROOT / "src" / "eventcron" / package).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                found.update(_codes_in(node))
    return found


def _codes_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(
            func=ast.Name(id="InvalidSchedule") | ast.Attribute(attr="__init__"),
            args=[ast.Constant(value=str(code)), *_],
        ):
            yield code
        case ast.Call(func=ast.Name(id="InvalidExpression"), keywords=keywords):
            given = [keyword.value for keyword in keywords if keyword.arg == "code"]
            yield from _constants(given[0]) if given else ["invalid_expression"]
        case ast.Assign(targets=[ast.Name(id="code")], value=value):
            yield from _constants(value)


def _constants(node: ast.AST) -> Iterator[str]:
    """The texts that an expression may come to; what it compares with is not among them."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _constants(body)
            yield from _constants(orelse)
        case ast.Call(func=ast.Name(id="next"), args=[_, default]):
            yield from _constants(default)


def test_every_code_of_a_rejection_is_documented_and_no_other() -> None:
    documented = [
        codes(row[0])[0]
        for row in rows("docs/reference/errors.md")
        if codes(row[0]) and codes(row[0])[0] not in _rejected()
    ]

    assert sorted(documented) == documented
    assert set(documented) == _codes_raised() - NOT_REJECTIONS


def _reasons() -> set[str]:
    """Every reason that a ``Schedule Skipped`` can have, read from the source."""
    return {
        reason
        for package in ("core", "app")
        for path in (ROOT / "src" / "eventcron" / package).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for reason in _reasons_in(node)
    }


def _reasons_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Name(id="SkipNotice" | "_unread"), keywords=keywords):
            for keyword in keywords:
                yield from _constants(keyword.value) if keyword.arg == "reason" else ()
        case ast.Tuple(elts=[ast.Attribute(attr="SKIP"), reason]):
            yield from _constants(reason)
        case ast.Tuple(elts=[_, ast.Constant(value=str(reason)), ast.Constant(value=None)]):
            yield reason
        case ast.Assign(targets=[ast.Name(id="GAP" | "EXCLUDED" | "QUOTA")], value=value):
            yield from _constants(value)
        case ast.FunctionDef(name="_stopped"):
            for part in ast.walk(node):
                if isinstance(part, ast.Return) and part.value is not None:
                    yield from filter(None, _constants(part.value))


def test_every_reason_of_a_skip_is_documented_and_no_other() -> None:
    documented = [code for row in rows("docs/reference/events.md", "Skips") for code in codes(row[0])]

    assert len(set(documented)) == len(documented)
    assert set(documented) == _reasons()


def _rejected() -> set[str]:
    return _fields(facts.ScheduleRejected)


#: The terms of the glossary.
TERMS = re.findall(r"^- \*\*([^*]+)\*\*:", read("docs/reference/glossary.md"), re.MULTILINE)
SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "src" / "eventcron").rglob("*.py")))


def test_the_glossary_is_short_and_sorted_and_explains_each_term_once() -> None:
    assert len(TERMS) <= 25
    assert sorted(set(TERMS)) == TERMS


@pytest.mark.parametrize("term", TERMS)
def test_the_code_uses_each_term_of_the_glossary(term: str) -> None:
    assert re.search(rf"(?<![a-z]){term.replace(' ', '[_ ]')}s?(?![a-z])", SOURCE)


def test_the_settings_page_names_every_function_variable_of_the_template() -> None:
    template = read("infra/template.yaml")
    named = set(re.findall(r"^ +([A-Z][A-Z_]+[A-Z]): ", template, re.MULTILINE))
    documented = set(_first_codes("docs/reference/configuration.md"))

    assert named - documented == {"POWERTOOLS_SERVICE_NAME"}  # the functions' own names
