"""Copies of eventcron with faults in them, for tests of what has to notice a fault."""

from __future__ import annotations

import shutil
from pathlib import Path

import eventcron
from eventcron.local import template

#: File, text, replacement.
Fault = tuple[str, str, str]


def broken(directory: Path, *faults: Fault) -> Path:
    """Copy eventcron into *directory*, plant *faults*, and return the folder to import it from."""
    source = directory / "src"
    package = Path(eventcron.__file__).parent
    shutil.copytree(package, source / "eventcron", ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "infra").mkdir()
    shutil.copy(template.find(), directory / "infra")
    for name, text, replacement in faults:
        file = source / "eventcron" / name
        before = file.read_text(encoding="utf-8")
        assert before.count(text) == 1, f"{name} is not what this test breaks any more"
        file.write_text(before.replace(text, replacement), encoding="utf-8")
    return source
