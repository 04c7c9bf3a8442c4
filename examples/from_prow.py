"""Turns Prow periodics, one JSON object a line, into ``Put Schedule`` details: see README.md beside this file.

python examples/from_prow.py SOURCE >examples/prow-periodics.jsonl
"""

# ruff: noqa: INP001  # a script, run by its path
from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

#: What a tenant and a schedule may be called.
_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
#: Go's ``time.Duration``, as far as whole seconds go.
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
#: Seconds of each unit of ``rate()`` but the day: a source that says 24h means 24 hours, not a date.
_UNITS = (("hour", 3600), ("minute", 60), ("second", 1))


def rate(duration: str) -> str:
    """``rate(…)`` for a Go duration, in the largest unit that says it in a whole number.

    >>> rate("30m"), rate("1h"), rate("4h30m"), rate("168h")
    ('rate(30 minutes)', 'rate(1 hour)', 'rate(270 minutes)', 'rate(168 hours)')
    """
    match = _DURATION.fullmatch(duration)
    seconds = (
        sum(int(part or 0) * size for part, size in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0
    )
    if not seconds:
        raise ValueError(f"interval {duration!r} is not a Go duration of whole seconds, more than 0")
    unit, size = next(unit for unit in _UNITS if seconds % unit[1] == 0)
    count = seconds // size
    return f"rate({count} {unit}{'s' if count > 1 else ''})"


def schedule(job: dict[str, Any]) -> dict[str, Any]:
    """The ``Put Schedule`` detail of one periodic."""
    if not _TENANT.fullmatch(job["tenant"]) or not _NAME.fullmatch(job["name"]):
        raise ValueError(f"{job['tenant']}/{job['name']} cannot be the name of a schedule")
    handed_on = {field: job[field] for field in ("timeout", "max_concurrency") if field in job}
    return {
        "tenant": job["tenant"],
        "name": job["name"],
        "expression": job["cron"] if "cron" in job else rate(job["interval"]),
        **({"labels": {"cluster": job["cluster"]}} if "cluster" in job else {}),
        **({"input": handed_on} if handed_on else {}),
    }


def main(source: Path) -> None:
    """Print the schedule of every line of *source*, in order; each may be there once."""
    seen: set[tuple[str, str]] = set()
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
        detail = schedule(json.loads(line))
        key = (detail["tenant"], detail["name"])
        if key in seen:
            raise ValueError(f"{source}:{number}: {'/'.join(key)} is there already")
        seen.add(key)
        sys.stdout.write(json.dumps(detail) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
