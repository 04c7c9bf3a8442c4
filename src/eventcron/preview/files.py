"""Files of schedules: JSON Lines, a JSON array, or YAML. Each entry is exactly the detail of ``Put Schedule``."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from eventcron.app.restore import Line, decode_line
from eventcron.errors import EventcronError, InvalidSchedule
from eventcron.model.codes import RejectionCode, RequestCode
from eventcron.model.commands import Schedule, detail_type_of
from eventcron.model.names import CalendarKey, Key
from eventcron.preview.mistaken import CRONTAB, crontab_line, mistaken
from eventcron.preview.yaml_json import YamlError, yaml_entries
from eventcron.rules.export import Exported
from eventcron.wire.decode import decode_schedule
from eventcron.wire.strict_json import end_of_value

_BLANK = " \t\r\n"
#: The path that stands for standard input.
STDIN = Path("-")

_envelope = msgspec.json.Decoder(Line)


class UnreadableFile(EventcronError):
    """A file that cannot be read as a whole. ``line`` is where it breaks, from 1, or None if no line is at fault."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        super().__init__(f"{path}:{line}: {reason}" if line is not None else f"{path}: {reason}")


class Entry(NamedTuple):
    """One entry of a file: the schedule, or the error in it. Exactly one of the two is set."""

    file: Path
    #: Where the entry starts, from 1.
    line: int
    schedule: Schedule | None
    error: InvalidSchedule | None

    def __str__(self) -> str:
        """``FILE:LINE: FIELD: got …; allowed: …``, or the schedule's name."""
        return f"{self.file}:{self.line}: {self.error or (self.schedule and self.schedule.key)}"


def read_schedules(paths: Iterable[Path | str]) -> Iterator[Entry]:
    """Every entry of the files at *paths*, in order; ``-`` is standard input. A wrong entry does not stop the rest.

    A name that ends in ``.yaml`` or ``.yml`` is YAML, one in ``.jsonl`` or ``.ndjson`` is JSON Lines. Otherwise the
    first character decides: ``[`` a JSON array, ``{`` JSON Lines (or one object over several lines), else YAML.
    A schedule that appears a second time is an error there.

    Raises:
        UnreadableFile: a file is missing, a folder, empty, not UTF-8, a crontab, or broken as a whole.
    """
    places: dict[Key, str] = {}
    for path in paths:
        source = _open(Path(path))
        for line, text in _entries(source):
            yield _once(_entry(source.path, line, text), places)


class Declared(NamedTuple):
    """One entry of a file that declares: the command that makes it, or the error in it. One of the two is set."""

    file: Path
    line: int
    command: Exported | None
    error: InvalidSchedule | None


def read_declared(paths: Iterable[Path | str]) -> Iterator[Declared]:
    """Every entry of the files at *paths*, as ``read_schedules``; an entry may also be a line of an export.

    Raises:
        UnreadableFile: as ``read_schedules``.
    """
    places: dict[tuple[str, Key | CalendarKey], str] = {}
    for path in paths:
        source = _open(Path(path))
        for line, text in _entries(source):
            yield _declared(source.path, line, text, places)


def _declared(path: Path, line: int, text: str, places: dict[tuple[str, Key | CalendarKey], str]) -> Declared:
    command: Exported | None = None
    if _is_line(text):
        try:
            command = decode_line(text.encode())
        except InvalidSchedule as error:
            return Declared(path, line, None, error)
    else:
        entry = _entry(path, line, text)
        if entry.schedule is None:
            return Declared(path, line, None, entry.error)
        command = entry.schedule
    here = f"{path}:{line}"
    first = places.setdefault((detail_type_of(command), command.key), here)
    return Declared(path, line, command, None) if first == here else Declared(path, line, None, _twice(command, first))


def _is_line(text: str) -> bool:
    """Whether an entry is a line of an export: a schedule has no such fields."""
    try:
        _envelope.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _twice(command: Exported, first: str) -> InvalidSchedule:
    allowed = f"each name once; {first} has it already"
    return InvalidSchedule(RequestCode.DUPLICATE, field="name", given=repr(str(command.key)), allowed=allowed)


class _Source(NamedTuple):
    path: Path
    text: str
    #: Positions of the line ends.
    ends: list[int]

    def error(self, at: int, reason: str) -> UnreadableFile:
        return UnreadableFile(self.path, self.line(at), reason)

    def line(self, at: int) -> int:
        """The line, from 1, of the character at *at*."""
        return bisect_left(self.ends, at) + 1


def _open(path: Path) -> _Source:
    text = read_text(path)
    line = crontab_line(text)
    if line is not None:
        raise UnreadableFile(path, line, CRONTAB)
    return _Source(path, text, [at for at, character in enumerate(text) if character == "\n"])


def read_text(path: Path) -> str:
    """Return the text of the file at *path*; ``-`` is standard input.

    Raises:
        UnreadableFile: the file is missing, a folder, empty or not UTF-8.
    """
    try:
        raw = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except OSError as error:
        raise UnreadableFile(path, None, (error.strerror or str(error)).lower()) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts from behind the byte order mark, if there is one.
        at = error.start + len(raw) - len(error.object)
        line = raw.count(b"\n", 0, at) + 1
        raise UnreadableFile(path, line, f"not UTF-8: byte 0x{raw[at]:02x}") from error
    if not text.strip():
        raise UnreadableFile(path, None, "empty: it holds no schedule")
    return text


def _entries(source: _Source) -> Iterator[tuple[int, str]]:
    """Each entry's line and JSON text."""
    return _format(source)(source)


def _entry(path: Path, line: int, text: str) -> Entry:
    try:
        return Entry(path, line, decode_schedule(text.encode()), None)
    except InvalidSchedule as error:
        other = mistaken(text)
        if other is None:
            return Entry(path, line, None, error)
        named = InvalidSchedule(RejectionCode.WRONG_TYPE, field="schedule", given=other.given, allowed=other.allowed)
        return Entry(path, line, None, named)


def _once(entry: Entry, places: dict[Key, str]) -> Entry:
    if entry.schedule is None:
        return entry
    key = entry.schedule.key
    here = f"{entry.file}:{entry.line}"
    first = places.setdefault(key, here)
    if first == here:
        return entry
    allowed = f"each schedule once; {first} has it already"
    return entry._replace(
        schedule=None, error=InvalidSchedule(RequestCode.DUPLICATE, field="name", given=repr(str(key)), allowed=allowed)
    )


def _format(source: _Source) -> Callable[[_Source], Iterator[tuple[int, str]]]:
    suffix = source.path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return _yaml
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines
    first = source.text.lstrip(_BLANK)[0]
    if first == "[":
        return _json_array
    if first != "{":
        return _yaml
    return _json_object if _is_one_value(source.text) else _json_lines


def _yaml(source: _Source) -> Iterator[tuple[int, str]]:
    try:
        yield from yaml_entries(source.text)
    except YamlError as error:
        raise UnreadableFile(source.path, error.line, error.reason) from error


def _is_one_value(text: str) -> bool:
    try:
        return not text[end_of_value(text, _skip_blank(text, 0)) :].strip(_BLANK)
    except ValueError:
        return False


def _json_lines(source: _Source) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(source.text.split("\n"), 1):
        if line.strip(_BLANK):
            yield number, line


def _json_object(source: _Source) -> Iterator[tuple[int, str]]:
    yield source.line(_skip_blank(source.text, 0)), source.text


def _json_array(source: _Source) -> Iterator[tuple[int, str]]:
    """Each element and its line. Between two elements must stand one comma."""
    text = source.text
    at = _skip_blank(text, text.index("[") + 1)
    while text[at : at + 1] != "]":
        end = _end_of_element(source, at)
        yield source.line(at), text[at:end]
        at = _skip_blank(text, end)
        if text[at : at + 1] == ",":
            at = _skip_blank(text, at + 1)
            if text[at : at + 1] == "]":
                raise source.error(at, "not JSON: a comma before the closing bracket")
        elif text[at : at + 1] != "]":
            raise source.error(at, "not JSON: a comma or a closing bracket is missing")
    rest = _skip_blank(text, at + 1)
    if rest < len(text):
        raise source.error(rest, "not JSON: something follows the array")


def _end_of_element(source: _Source, at: int) -> int:
    try:
        return end_of_value(source.text, at)
    except ValueError as error:
        raise source.error(at, f"not JSON: {error}") from error


def _skip_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at
