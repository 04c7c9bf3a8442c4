"""The project's pages: their text, headings, links, tables and blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("events/*.md"), *ROOT.glob("examples/*.md")])

_FENCE = re.compile(r"^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


def read(page: str) -> str:
    """The text of a page, by its path from the root."""
    return (ROOT / page).read_text()


def blocks(page: str, language: str) -> list[str]:
    """The texts of a page's fenced blocks of *language*, in order."""
    return [found["text"] for found in _FENCE.finditer(read(page)) if found["language"] == language]


def prose(page: Path) -> str:
    """A page's text without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def section(page: str, heading: str) -> str:
    """The text below a heading of the second level, up to the next one."""
    parts = re.split(r"^## (.+)\n", read(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links."""
    return (found["target"] for found in _LINK.finditer(prose(page)))


def anchors(page: Path) -> set[str]:
    """The fragments by which a page's headings are reached, as GitHub makes them."""
    headings = (found["text"].lower() for found in _HEADING.finditer(prose(page)))
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in headings}


def rows(page: str, heading: str | None = None) -> Iterator[list[str]]:
    """The cells of every table row of a page, or of one section of it, head and rule included."""
    text = read(page) if heading is None else section(page, heading)
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def codes(cell: str) -> list[str]:
    """What stands in backticks in a cell."""
    return _CODE.findall(cell)
