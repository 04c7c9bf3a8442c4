"""Files of schedules: JSON Lines, a JSON array, or YAML. Each entry is exactly the detail of ``Put Schedule``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RequestCode
from eventcron.model.commands import Schedule
from eventcron.model.names import Key
from eventcron.preview.source import Source, UnreadableFile, open_source
from eventcron.preview.yaml_entries import yaml_entries
from eventcron.wire.decode import decode_schedule
from eventcron.wire.strict_json import end_of_value

__all__ = ["Entry", "UnreadableFile", "read_schedules"]

_BLANK = " \t\r\n"


class Entry(NamedTuple):
    """One entry of a file: the schedule, or what is wrong with it. Exactly one of the two is set."""

    file: Path
    #: Where it starts, from 1.
    line: int
    schedule: Schedule | None
    error: InvalidSchedule | None

    def __str__(self) -> str:
        """``FILE:LINE: FIELD: got …; allowed: …``, or the schedule's name."""
        return f"{self.file}:{self.line}: {self.error or (self.schedule and self.schedule.key)}"


def read_schedules(paths: Iterable[Path | str]) -> Iterator[Entry]:
    """Every entry of the files at *paths*, in order; a wrong one does not stop the rest.

    A name that ends in ``.yaml`` or ``.yml`` is YAML, one in ``.jsonl`` or ``.ndjson`` is JSON Lines; otherwise the
    first character decides: ``[`` a JSON array, ``{`` JSON Lines (or one object over several lines), else YAML.
    A schedule that appears twice is an error where it appears again.

    Raises:
        UnreadableFile: a file is missing, a folder, empty, not UTF-8, or breaks off as a whole.
    """
    seen: dict[Key, str] = {}
    for path in paths:
        source = open_source(Path(path))
        for line, text in _format(source)(source):
            entry = _entry(source.path, line, text)
            yield _once(entry, seen)


def _entry(path: Path, line: int, text: str) -> Entry:
    try:
        return Entry(path, line, decode_schedule(text.encode()), None)
    except InvalidSchedule as error:
        return Entry(path, line, None, error)


def _once(entry: Entry, seen: dict[Key, str]) -> Entry:
    if entry.schedule is None:
        return entry
    key = entry.schedule.key
    here = f"{entry.file}:{entry.line}"
    first = seen.setdefault(key, here)
    if first == here:
        return entry
    allowed = f"each schedule once; {first} has it already"
    return entry._replace(
        schedule=None, error=InvalidSchedule(RequestCode.DUPLICATE, field="name", given=repr(str(key)), allowed=allowed)
    )


def _format(source: Source) -> Callable[[Source], Iterator[tuple[int, str]]]:
    suffix = source.path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return yaml_entries
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines
    first = source.text.lstrip(_BLANK)[0]
    if first == "[":
        return _json_array
    if first != "{":
        return yaml_entries
    return _json_object if _is_one_value(source.text) else _json_lines


def _is_one_value(text: str) -> bool:
    start = len(text) - len(text.lstrip(_BLANK))
    try:
        return not text[end_of_value(text, start) :].strip(_BLANK)
    except ValueError:
        return False


def _json_lines(source: Source) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(source.text.split("\n"), 1):
        if line.strip(_BLANK):
            yield number, line


def _json_object(source: Source) -> Iterator[tuple[int, str]]:
    start = len(source.text) - len(source.text.lstrip(_BLANK))
    yield source.line(start), source.text


def _json_array(source: Source) -> Iterator[tuple[int, str]]:
    """Each element with the line it starts on. What is between them must be one comma."""
    text = source.text
    at = _skip_blank(text, text.index("[") + 1)
    while text[at : at + 1] != "]":
        end = _element(source, at)
        yield source.line(at), text[at:end]
        at = _skip_blank(text, end)
        if text[at : at + 1] == ",":
            at = _skip_blank(text, at + 1)
            if text[at : at + 1] == "]":
                raise UnreadableFile(source.path, source.line(at), "not JSON: a comma before the closing bracket")
        elif text[at : at + 1] != "]":
            raise UnreadableFile(source.path, source.line(at), "not JSON: a comma or a closing bracket is missing")
    rest = _skip_blank(text, at + 1)
    if rest < len(text):
        raise UnreadableFile(source.path, source.line(rest), "not JSON: something follows the array")


def _element(source: Source, at: int) -> int:
    try:
        return end_of_value(source.text, at)
    except ValueError as error:
        raise UnreadableFile(source.path, source.line(at), f"not JSON: {error}") from error


def _skip_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at
