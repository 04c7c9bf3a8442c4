"""Runs what a ``console`` block of a page says was typed, and compares what it says came out."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sybil import Example

from tests import commands

ROOT = Path(__file__).parents[2]
PROMPT = "$ "
#: An expected line that stands for any number of lines.
GAP = "…"


class Typed(NamedTuple):
    """A command after a prompt, and the lines the page shows below it."""

    command: str
    shown: list[str]


def check(example: Example) -> str | None:
    """What differs between the page and what happens; None if nothing does."""
    for command, shown in sessions(example.parsed):
        actual = run(command).splitlines()
        if not matches(shown, actual):
            diff = difflib.unified_diff(shown, actual, "the page", "what happens", lineterm="")
            return f"$ {command}\n" + "\n".join(diff)
    return None


def sessions(block: str) -> Iterator[Typed]:
    """The commands of a block, in order."""
    lines = [line.rstrip() for line in block.strip().splitlines()]
    if not lines[0].startswith(PROMPT):
        raise ValueError(f"a console block starts with a prompt, not with {lines[0]!r}")
    starts = [number for number, line in enumerate(lines) if line.startswith(PROMPT)]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        shown = lines[start + 1 : end]
        while shown and not shown[-1]:
            shown.pop()
        yield Typed(lines[start].removeprefix(PROMPT), shown)


def run(command: str) -> str:
    """What *command*, one of ``eventcron``, writes to stdout and then to stderr."""
    program, *arguments = shlex.split(command)
    if program != "eventcron":
        raise ValueError(f"only eventcron is run from pages; show {program!r} in a block of another language")
    done = commands.run(*arguments, cwd=ROOT, env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1"})
    return done.out + done.err


def matches(shown: list[str], actual: list[str]) -> bool:
    """Whether *actual* is what *shown* says, line by line."""
    if not shown or not actual:
        return not actual and all(line == GAP for line in shown)
    if shown[0] == GAP:
        return matches(shown[1:], actual) or matches(shown, actual[1:])
    return shown[0] == actual[0].rstrip() and matches(shown[1:], actual[1:])
