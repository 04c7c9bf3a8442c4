"""Functions are short and files hold one idea: the sizes that a reader may rely on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from eventcron.model.records import Record

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("src/eventcron", "tools") for path in (ROOT / folder).rglob("*.py"))
MAX_LINES_OF_A_FILE = 450
MAX_LINES_OF_A_FUNCTION = 55


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def test_there_are_sources() -> None:
    assert len(SOURCES) > 150


@pytest.mark.parametrize("folder", ["src/eventcron", "tools"])
def test_no_file_and_no_function_is_long(folder: str) -> None:
    here = [path for path in SOURCES if path.is_relative_to(ROOT / folder)]
    long_files = [str(path) for path in here if path.read_text(encoding="utf-8").count("\n") > MAX_LINES_OF_A_FILE]
    long_functions = [
        f"{path}: {name}" for path in here for name, lines in _functions(path) if lines > MAX_LINES_OF_A_FUNCTION
    ]

    assert long_files == []
    assert long_functions == []


def test_a_schedule_s_record_has_few_fields() -> None:
    """Each field beside a schedule is a state that every change has to keep right."""
    assert len(msgspec.structs.fields(Record)) <= 16
