"""Numbers and tables for people and for grep: a line for each row, columns parted by two spaces, no value ever cut."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from itertools import zip_longest

from rich.cells import cell_len

#: What a terminal would obey, or write over what stands there: everything that is stored is somebody's text.
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def counted(number: int, noun: str) -> str:
    """``1 schedule``, ``2 schedules``, ``1,300 schedules``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = ()) -> str:
    """*rows* below their *heads*, without a line end. Columns in *right* are set to the right, as numbers are."""
    numbers = {number for number, head in enumerate(heads) if head in right}
    head, *rest = _lines([heads, *rows], numbers)
    return "\n".join([f"{_BOLD}{head}{_PLAIN}" if _takes_styles() else head, *rest])


def columns(rows: Iterable[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """*rows* without heads. Columns in *right*, counted from 0, are set to the right."""
    return "\n".join(_lines(rows, right))


def _takes_styles() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def _lines(rows: Iterable[Sequence[str]], right: Collection[int]) -> list[str]:
    """The lines of a table. A text of several lines takes as many."""
    cells = [
        line for row in rows for line in zip_longest(*(_printable(text).split("\n") for text in row), fillvalue="")
    ]
    widths = [max(map(_width, column)) for column in zip_longest(*cells, fillvalue="")]
    return ["  ".join(_set(line, widths, right)).rstrip() for line in cells]


def _set(line: Sequence[str], widths: Sequence[int], right: Collection[int]) -> Iterable[str]:
    for number, (text, width) in enumerate(zip(line, widths, strict=False)):
        space = " " * (width - _width(text))
        yield space + text if number in right else text + space


def _printable(text: str) -> str:
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)
