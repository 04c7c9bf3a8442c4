"""Dead letters as documents, and the file that keeps those that were dropped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from eventcron.ports import DeadLetter
from eventcron.timing.instant import rfc3339

#: The name of that file, unless another is given.
DROPPED = "dropped-dead-letters.jsonl"


def as_object(dead_letter: DeadLetter) -> dict[str, Any]:
    """*dead_letter* as JSON."""
    return {
        "id": dead_letter.id,
        "sent": rfc3339(dead_letter.sent),
        "code": dead_letter.code,
        "reason": dead_letter.reason,
        **({"target": dead_letter.target} if dead_letter.target else {}),
        **({"rule": dead_letter.rule} if dead_letter.rule else {}),
        "body": payload(dead_letter.body),
    }


def payload(body: str) -> Any:
    """*body* as a JSON value if it is JSON, else as text."""
    try:
        return json.loads(body)
    except ValueError:
        return body


def text_of(dead_letter: DeadLetter) -> str:
    """The body of *dead_letter*, on several lines if it is JSON."""
    body = payload(dead_letter.body)
    return body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False)


def append(file: Path, queue: str, dead_letter: DeadLetter) -> None:
    """Append *dead_letter* of *queue* to *file*, flushed to disk, so that it survives a power cut."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"queue": queue, **as_object(dead_letter)}) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
