"""The package of the local functions: the source of this process, and bytecode that spares each worker the compiler."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from eventcron.local import stack


def test_a_function_runs_the_bytecode_of_its_package(tmp_path: Path) -> None:
    """It is good for a copy that is newer than its source, whatever is in that."""
    with zipfile.ZipFile(io.BytesIO(stack.bundle())) as package:
        package.extractall(tmp_path)
    for source in (tmp_path / "eventcron").rglob("*.py"):
        source.write_text("raise AssertionError('it was compiled')")
    code = "import eventcron.entrypoints.planner_lambda as function; print(function.__file__)"

    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.strip()) == tmp_path / "eventcron" / "entrypoints" / "planner_lambda.py"
