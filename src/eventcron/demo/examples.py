"""The schedules that ship with eventcron: where they lie."""

from __future__ import annotations

from pathlib import Path

from eventcron.local.embedded import LocalError

_PACKAGE = Path(__file__).parents[1]
_NAME = "prow-periodics.jsonl"
#: In an installed wheel, then in a clone.
PLACES = (_PACKAGE / "_examples" / _NAME, _PACKAGE.parents[1] / "examples" / _NAME)


def find() -> Path:
    """The 1,307 real schedules.

    Raises:
        LocalError: they are missing.
    """
    for place in PLACES:
        if place.is_file():
            return place
    raise LocalError(f"the example schedules are missing; looked for {' and '.join(map(str, PLACES))}")
