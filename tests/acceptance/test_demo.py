"""``eventcron demo`` from the command line, with eventcron as it is and with faults in it that the demo must find."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from eventcron.demo import samples
from eventcron.local.runtime import LocalSettings
from eventcron.model.names import Key
from eventcron.timing.hashing import segment_of
from tests.acceptance.broken import PUBLISHES_NOTHING_EVERY_SEVENTH_SECOND, SKIPS_THE_FIRST_SEGMENT, broken
from tests.waiting import HANG_SECONDS

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes by /proc"),
]

#: Seconds within which a demo of 10 to 40 seconds has ended, whatever else the machine does: it waits for its start,
#: for answers and for what arrives late.
PATIENCE = 40 + 4 * HANG_SECONDS

#: Two schedules instead of the 1,307, to save time: one that fires, and one that never can.
FILE = """
- {tenant: etcd, name: busy, expression: "*/3 * * * * *", labels: {cluster: one}}
- {tenant: etcd, name: never, expression: "0 0 30 2 *"}
"""


@contextmanager
def demo(
    directory: Path, *arguments: str, files: Sequence[str] = ("schedules.yaml",), source: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start the command in *directory* with the eventcron in *source*. Kill it at the end."""
    (directory / "schedules.yaml").write_text(FILE, encoding="utf-8")
    environment = os.environ | ({"PYTHONPATH": str(source)} if source is not None else {})
    process = subprocess.Popen(
        [sys.executable, "-m", "eventcron", "demo", *files, *arguments],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def alive(session: int) -> list[str]:
    """The live processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # it has ended meanwhile
        state, _, _, of_session = text.rpartition(")")[2].split()[:4]
        if int(of_session) == session and state != "Z":
            found.append(text)
    return found


def assert_nothing_is_left(session: int) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while left := alive(session):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)  # only a parent is told when a process ends


def missing(report: dict[str, Any], key: Key) -> list[int]:
    """Seconds since 1970 of the fires of *key* that the report names as not published."""
    pattern = re.compile(rf"missing: {re.escape(str(key))} due (\S+) was not published")
    found = [match[1] for fault in report["faults"] if (match := pattern.fullmatch(fault))]
    return [round(from_rfc3339(text)) for text in found]


def from_rfc3339(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_run_of_real_schedules_without_a_fault_passes(tmp_path: Path) -> None:
    """Of the 1,307 about 60 fire within 10 seconds, at one of the busiest hours of their day."""
    with demo(tmp_path, "--seconds", "10", "--json", "report.json", files=()) as process:
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stdout + stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    real = report["from_files"]

    assert_nothing_is_left(process.pid)
    assert (report["emitted"], real["emitted"]) == (1_337, 1_307)
    assert report["published"] == report["due"] == report["received"]["api_destination"]
    assert report["received"]["lambda"] > 30
    assert report["received"]["step_functions"] > 30
    assert real["fired"] > 40
    assert real["fired"] <= real["due"] == real["published"] == real["received"]["api_destination"]
    assert real["received"]["lambda"] > 5
    assert real["received"]["step_functions"] > 5
    assert real["published"] < report["published"] - 100  # what the demo made up fires too
    assert [report[name] for name in ("early", "missing", "duplicates", "after_delete", "unexpected")] == [0] * 5
    assert report["faults"] == []
    assert "PASS: " in stdout
    assert re.search(r"from files, schedules fired +\d+ of 1,307\n  fires due +\d+\n", stdout)
    assert re.search(r"^ +\d+ of 10 s: ", stderr, re.MULTILINE)


def test_ctrl_c_ends_the_demo_and_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path, "--seconds", "60") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("firing"):
                break
        assert len(alive(process.pid)) > 4  # itself, the embedded AWS, a worker for each function
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert stdout == ""
    assert "Traceback" not in stderr
    assert_nothing_is_left(process.pid)


def test_the_demo_notices_an_executor_that_loses_fires_and_a_planner_that_skips_a_segment(tmp_path: Path) -> None:
    source = broken(tmp_path, PUBLISHES_NOTHING_EVERY_SEVENTH_SECOND, SKIPS_THE_FIRST_SEGMENT)
    settings = LocalSettings()
    # The registrar packs the fires that are due earlier.
    planned_from = settings.horizon_seconds + settings.guard_seconds
    with demo(tmp_path, "--seconds", str(planned_from + 10), "--json", "report.json", source=source) as process:
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, stdout + stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    each_second = [Key(tenant, "every-second") for tenant in (samples.ACME, samples.GLOBEX, samples.INITECH)]
    each_second.append(Key(samples.ACME, "every-second-in-oslo"))
    skipped = [key for key in each_second if segment_of(key, settings.segments) == 0]
    planned = [key for key in each_second if key not in skipped]

    assert_nothing_is_left(process.pid)
    # The registrar has no fault. The files' schedules are put beside those that the demo made up.
    assert (report["emitted"], report["accepted"], report["rejected"]) == (32, 28, 4)
    assert {one["schedule"]: one["code"] for one in report["rejections"]} == {
        "etcd/never": "never_matches",
        "acme/second-61": "invalid_expression",
        "globex/zone-misspelt": "unknown_timezone",
        "initech/field-unknown": "unknown_field",
    }
    assert (report["from_files"]["emitted"], report["from_files"]["fired"]) == (2, 1)
    assert report["missing"] == report["due"] - report["published"] - sum(report["skipped"].values()) > 0
    assert "missing: " in stdout
    assert skipped
    assert planned
    for key in planned:  # the planner sent these, and only the executor lost some
        lost = missing(report, key)
        assert len(lost) >= planned_from // 7
        assert all(second % 7 == 0 for second in lost)
    for key in skipped:  # the planner sent none of these
        lost = missing(report, key)
        assert lost[-8:] == list(range(lost[-1] - 7, lost[-1] + 1))
