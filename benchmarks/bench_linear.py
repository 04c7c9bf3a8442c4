"""What reads other people's text takes time by its length, not by the square of that.

Each text is read at one length and at ten times that. Exits with 1 if the longer one takes more than 50 times as long:
a linear reading takes 10 times, a quadratic one 100.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml

from eventcron.errors import EventcronError
from eventcron.preview.files import read_schedules
from eventcron.wire.decode import decode_command

#: Bytes of the longer message, a little less than SQS holds.
LONG = 900_000
#: As many as the real ones are.
SCHEDULES = 1_300
CEILING = 50

#: The detail of a command, of about so many bytes, that is slow to read for one reason or another.
DETAILS: dict[str, Callable[[int], str]] = {
    "brackets": lambda size: "[" * size,
    "brackets that close": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "escaped quotes without an end": lambda size: '"' + '\\"' * (size // 2),
    "escaped quotes in open lists": lambda size: "[" * 101 + '"' + '\\"' * (size // 2),
    "a number": lambda size: '{"revision":' + "9" * size + "}",
    "a name": lambda size: '{"' + "x" * size + '":1}',
    "unknown fields": lambda size: "{" + ",".join(f'"x{n}":1' for n in range(size // 12)) + "}",
    "expressions": lambda size: '{"expression":[' + '"x",' * (size // 4) + '"x"]}',
}


def seconds(work: Callable[[], object]) -> float:
    """Processor time of *work*, at best of five."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def decode(detail: str) -> None:
    event = '{"version":"0","id":"e","detail-type":"Put Schedule","source":"eventcron.tenant.acme","detail":'
    try:
        decode_command(event + detail + "}", trusted_sources=frozenset())
    except EventcronError:
        return  # refused is answered


def read_all(path: Path) -> int:
    return len(list(read_schedules([path])))


def schedules(directory: Path, count: int) -> list[Path]:
    """*count* schedules as a file of each format."""
    directory.mkdir()
    entries = [{"tenant": "t", "name": f"n{n}", "expression": "@daily", "input": {"n": n}} for n in range(count)]
    (directory / "a.json").write_text(json.dumps(entries, indent=1), encoding="utf-8")
    (directory / "b.yaml").write_text(yaml.safe_dump(entries), encoding="utf-8")
    return sorted(directory.iterdir())


def ratios() -> dict[str, float]:
    """By how much the longer text takes longer, by what it is."""
    found = {}
    for name, make in DETAILS.items():
        short, long = make(LONG // 10), make(LONG)
        found[f"decode {name}"] = seconds(partial(decode, long)) / seconds(partial(decode, short))
    with tempfile.TemporaryDirectory() as name:
        few, many = schedules(Path(name, "few"), SCHEDULES // 10), schedules(Path(name, "many"), SCHEDULES)
        for short_file, long_file in zip(few, many, strict=True):
            long_took = seconds(partial(read_all, long_file))
            short_took = seconds(partial(read_all, short_file))
            found[f"read {long_file.suffix} file"] = long_took / short_took
    return found


def main() -> None:
    found = ratios()
    for name, ratio in found.items():
        print(f"{name:<40} {ratio:6.1f} x for ten times the length   target {CEILING} x at most")
    if max(found.values()) > CEILING:
        sys.exit("a target is missed")


if __name__ == "__main__":
    main()
