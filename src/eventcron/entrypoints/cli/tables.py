"""Numbers and tables for people and for grep: a line for each row, columns parted by two spaces, no value ever cut."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Characters. Wider than any row, so that rich neither wraps nor cuts; a terminal wraps long lines itself.
_WIDTH = 1_000_000
#: What a terminal would obey, or write over what stands there: everything that is stored is somebody's text.
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def counted(number: int, noun: str) -> str:
    """``1 schedule``, ``2 schedules``, ``1,300 schedules``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = ()) -> str:
    """*rows* below their *heads*, without a line end. Columns in *right* are set to the right, as numbers are."""
    built = _empty()
    for head in heads:
        built.add_column(head, justify="right" if head in right else "left", no_wrap=True, overflow="fold")
    built.show_header = True
    return _rendered(built, rows)


def columns(rows: Iterable[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """*rows* without heads. Columns in *right*, counted from 0, are set to the right."""
    rows = list(rows)
    built = _empty()
    for number in range(max(map(len, rows), default=0)):
        built.add_column(justify="right" if number in right else "left", no_wrap=True, overflow="fold")
    return _rendered(built, rows)


def _empty() -> Table:
    return Table(box=None, show_header=False, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))


def _rendered(built: Table, rows: Iterable[Sequence[str]]) -> str:
    for row in rows:
        built.add_row(*(Text(_printable(text)) for text in row))
    out = StringIO()
    console = Console(file=out, width=_WIDTH, force_terminal=_takes_styles(), markup=False, highlight=False)
    console.print(built, crop=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _takes_styles() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def one_line(text: str) -> str:
    """*text* as one line that a terminal only shows: what targets and tenants wrote may be anything.

    >>> one_line("done" + chr(27) + "[2J" + chr(10) + "forged")
    'done\\\\x1b[2J\\\\nforged'
    """
    return _printable(text).replace("\n", "\\n")


def _printable(text: str) -> str:
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)
