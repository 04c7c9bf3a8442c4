"""What there is, is documented: commands, settings, fields, events, codes, terms."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from msgspec import NODEFAULT, inspect

from eventcron.config import PREFIX
from eventcron.entrypoints.cli.main import COMMANDS as SUBCOMMANDS
from eventcron.model import events
from eventcron.model.codes import RejectionCode, SkipReason
from eventcron.model.commands import COMMANDS, DaylightSaving, Misfire, Schedule
from eventcron.settings import Settings
from tests.docs.pages import ROOT, codes, read, rows

SETTINGS = {field.name: field for field in msgspec.structs.fields(Settings)}


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
    for name in vars(events):
        if name.startswith(("Schedule", "Calendar")):
            yield re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


@pytest.mark.parametrize("detail_type", sorted(_detail_types()))
def test_every_command_and_event_is_documented(detail_type: str) -> None:
    headings = re.findall(r"^## (.+)$", read("docs/reference/schedules.md"), re.MULTILINE)
    documented = [code for page in ("schedules", "events") for code in _first_codes(f"docs/reference/{page}.md")]

    assert detail_type in [*documented, *headings]


def test_every_code_of_a_rejection_is_documented_and_no_other() -> None:
    documented = [
        codes(row[0])[0]
        for row in rows("docs/reference/errors.md")
        if codes(row[0]) and codes(row[0])[0] not in _rejected()
    ]

    assert sorted(documented) == documented
    assert set(documented) == set(RejectionCode)


def test_every_reason_of_a_skip_is_documented_and_no_other() -> None:
    documented = [code for row in rows("docs/reference/events.md", "Skips") for code in codes(row[0])]

    assert len(set(documented)) == len(documented)
    assert set(documented) == set(SkipReason)


def _rejected() -> set[str]:
    return _fields(events.ScheduleRejected)


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
