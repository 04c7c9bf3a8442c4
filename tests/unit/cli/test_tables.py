"""Tables of the command line: plain in a pipe, and never cut."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from eventcron.entrypoints.cli import tables
from eventcron.entrypoints.cli.tables import columns, counted, table


def test_columns_stand_in_line_and_lines_end_without_spaces() -> None:
    assert table(["name", "count"], [("a", "1"), ("longer", "1,000")], right={"count"}).splitlines() == [
        "name    count",
        "a           1",
        "longer  1,000",
    ]
    assert columns([("1", "a", ""), ("1,000", "b", "c")], right={0}).splitlines() == ["    1  a", "1,000  b  c"]


def test_no_value_is_cut_wrapped_or_read_as_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    long = "acme/" + "x y" * 500

    assert columns([(long, "[red]b[/red] :smile:")]) == f"{long}  [red]b[/red] :smile:"


def test_no_stored_text_commands_a_terminal_or_shifts_a_column() -> None:
    assert columns([("\x1b[31mred\rx\x9b", "b"), ("two\nlines", "c"), ("東京", "d"), ("x", "e\n\tf")]).splitlines() == [
        r"\x1b[31mred\rx\x9b  b",
        "two                 c",
        "lines",
        "東京                d",
        "x                   e",
        r"                    \tf",
    ]


def test_nothing_gives_no_line() -> None:
    assert columns([]) == ""
    assert table(["a", "b"], []) == "a  b"


def test_only_a_terminal_gets_a_bold_head(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in table(["a"], [("1",)])

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")

    assert table(["a"], [("1",)]) == "\x1b[1ma\x1b[0m\n1"

    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b" not in table(["a"], [("1",)])


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 schedules"), (1, "1 schedule"), (2, "2 schedules"), (1_300, "1,300 schedules")]
)
def test_one_is_no_plural(number: int, text: str) -> None:
    assert counted(number, "schedule") == text


def test_no_command_writes_a_plural_behind_any_number() -> None:
    """A number that can be 1 goes through ``counted``."""
    folder = Path(tables.__file__).parent
    found = [line for file in folder.glob("*.py") for line in re.findall(r".*:,\} [a-z]+s\b.*", file.read_text())]

    assert found == []
