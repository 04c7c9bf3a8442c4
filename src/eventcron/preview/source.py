"""A text file as read: its path, its text, and which line a place in it is on."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path
from typing import NamedTuple

from eventcron.errors import EventcronError


class UnreadableFile(EventcronError):
    """A file that cannot be read as a whole. ``line`` is where it breaks, from 1; None = nowhere in particular."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        super().__init__(f"{path}:{line}: {reason}" if line is not None else f"{path}: {reason}")


class Source(NamedTuple):
    path: Path
    text: str
    #: Where lines end.
    ends: list[int]

    def line(self, at: int) -> int:
        """The line, from 1, of the character at *at*."""
        return bisect_left(self.ends, at) + 1


def open_source(path: Path) -> Source:
    """The file at *path*, which holds at least something. A byte order mark is not part of its text.

    Raises:
        UnreadableFile: it is missing, a folder, not readable, empty, or not UTF-8.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(path, None, (error.strerror or str(error)).lower()) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # the mark, if there is one, was cut off before the codec counted
        at = error.start + len(raw) - len(error.object)
        line = raw.count(b"\n", 0, at) + 1
        raise UnreadableFile(path, line, f"not UTF-8: byte 0x{raw[at]:02x}") from error
    if not text.strip():
        raise UnreadableFile(path, None, "empty: it holds no schedule")
    return Source(path, text, [at for at, character in enumerate(text) if character == "\n"])
