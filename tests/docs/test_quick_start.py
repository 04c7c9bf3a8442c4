"""The quick start does what it says when it is typed: it starts the stack, and ends with a fire that arrived."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

PAGE = "docs/quick-start.md"
START, POINT, SUBSCRIBE, PUT, RECEIVE, DELETE = blocks(PAGE, "sh")
#: Fields that differ from one run to the next.
VARYING = {"fire_id", "due", "local_time", "revision"}


@contextmanager
def _started(directory: Path) -> Iterator[str]:
    """What ``make dev`` runs, on a free port; what it prints until it is ready. In *directory* it says that it runs."""
    command = [sys.executable, "-m", "eventcron", "dev", "--port", "0"]
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            printed = ""
            while "Ctrl-C" not in printed:
                line = process.stdout.readline()
                assert line, "it ended"
                printed += line
            yield printed
        finally:
            process.send_signal(signal.SIGINT)


def _type(script: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_begins_with_make_dev_which_runs_eventcron_dev() -> None:
    assert START == "make dev\n"
    assert re.search(r"^dev:.*\n\t@\$\(BIN\)/eventcron dev ", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.embedded
@pytest.mark.skipif(sys.platform != "linux", reason="the commands are typed into bash")
def test_a_fire_arrives(tmp_path: Path) -> None:
    with _started(tmp_path) as printed:
        exports = "".join(re.findall(r"^export .+\n", printed, re.MULTILINE))
        assert re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:4566", exports) == POINT

        values = dict(word.split("=", 1) for line in exports.splitlines() for word in shlex.split(line)[1:])
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, **values, "PATH": path, "HOME": str(tmp_path)}
        _type(SUBSCRIBE, environment)
        _type(PUT, environment)
        # The page waits for 20 seconds; a machine that is busy may take longer.
        while (received := _type(RECEIVE, environment).strip()) == "None":
            pass
        deleted = json.loads(_type(DELETE, environment))

    [page] = [json.loads(text) for text in blocks(PAGE, "json")]
    event = json.loads(received)
    assert event["detail-type"] == page["detail-type"]
    assert (event["source"], event["resources"]) == (page["source"], page["resources"])
    assert event["detail"].keys() == page["detail"].keys()
    for name in page["detail"].keys() - VARYING:
        assert event["detail"][name] == page["detail"][name]
    assert deleted["FailedEntryCount"] == 0
