"""How the process of the embedded AWS ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Makes the directory whenever it is gone, as ministack does for its files and Python for its bytecode.
MAKE = """
import os
def make(directory):
    while True:
        os.makedirs(directory + "/state", exist_ok=True)
"""
HOSTS = {
    "a thread": """
import sys, threading
from eventcron.local import host
threading.Thread(target=make, args=sys.argv[1:], daemon=True).start()
host._end_with_parent(sys.argv[1], None)
""",
    "a worker": """
import sys
from eventcron.local import host
if not os.fork():
    make(sys.argv[1])
host._end_with_parent(sys.argv[1], None)
""",
}


@pytest.mark.parametrize("maker", HOSTS)
def test_nothing_makes_the_directory_again_that_the_host_removes(maker: str, tmp_path: Path) -> None:
    directory = tmp_path / "eventcron-abc"
    directory.mkdir()

    host = subprocess.Popen(
        [sys.executable, "-P", "-c", MAKE + HOSTS[maker], str(directory)], stdin=subprocess.DEVNULL, process_group=0
    )
    host.wait(timeout=60)

    assert list(tmp_path.iterdir()) == []
