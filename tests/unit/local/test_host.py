"""How the process of the embedded AWS ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: ministack makes the directories that it stores files in whenever it needs one.
HOST = """
import os, sys, threading
from eventcron.local import host

def make():
    while True:
        os.makedirs(sys.argv[1] + "/state", exist_ok=True)

threading.Thread(target=make, daemon=True).start()
host._end_with_parent(sys.argv[1], None)
"""


def test_nothing_makes_the_directory_again_that_the_host_removes(tmp_path: Path) -> None:
    directory = tmp_path / "eventcron-abc"

    host = subprocess.Popen(
        [sys.executable, "-P", "-c", HOST, str(directory)], stdin=subprocess.DEVNULL, process_group=0
    )
    host.wait(timeout=60)

    assert list(tmp_path.iterdir()) == []
