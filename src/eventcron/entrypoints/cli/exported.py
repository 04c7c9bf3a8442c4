"""The lines of an export: each has a command, as `eventcron export` writes and `restore` and `apply` read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from eventcron.app.restore import kind_of
from eventcron.errors import EventcronError
from eventcron.rules.export import Exported
from eventcron.wire.decode import decode_detail


class Line(msgspec.Struct, rename={"detail_type": "detail-type"}):
    """A line of the file."""

    detail_type: str
    detail: msgspec.Raw


class NoExport(EventcronError):
    """The file is not one that ``eventcron export`` wrote: says which line, and why."""


_line = msgspec.json.Decoder(Line)


def is_export(text: str) -> bool:
    """Whether *text* begins as an export does."""
    try:
        _line.decode(text.lstrip().partition("\n")[0])
    except msgspec.DecodeError:
        return False
    return True


def exported(file: Path, lines: Iterable[bytes]) -> Iterator[Exported]:
    """The commands in the *lines* of *file*.

    Raises:
        NoExport: a line is none of an export.
    """
    for number, text in enumerate(lines, 1):
        try:
            line = _line.decode(text)
            kind = kind_of(line.detail_type)
            if kind is None:
                raise NoExport(f"{file}:{number}: {line.detail_type!r} is no command of an export")
            command = decode_detail(bytes(line.detail), kind)
        except (msgspec.DecodeError, EventcronError) as error:
            raise error if isinstance(error, NoExport) else NoExport(f"{file}:{number}: {error}") from error
        yield command
