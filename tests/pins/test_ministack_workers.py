"""Workers of functions in ministack: as ``eventcron.local.worker_patches`` finds them, and as it leaves them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_INVOKE = """
import io, json, sys, zipfile
from ministack.core.lambda_runtime import Worker
from eventcron.local import worker_patches

def package(source):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", source)
        archive.writestr("part.py", "")
    return buffer.getvalue()

if sys.argv[1] == "patched":
    worker_patches.apply()
answers = []
for config, source in json.loads(sys.argv[2]):
    arn = "arn:aws:lambda:us-east-1:000000000000:function:any"
    common = {"Runtime": "python3.13", "Handler": "main.handler", "FunctionArn": arn}
    worker = Worker("any", common | config, package(source))
    answers.append(worker.invoke({}, "id"))
    worker.kill()
print(json.dumps([answer["result"] for answer in answers]))
"""

#: Where its code is, and whether an earlier worker has compiled it.
_PLACE = """
import importlib.util, os
compiled = os.path.exists(importlib.util.cache_from_source(os.path.abspath("part.py")))
import part
def handler(event, context):
    return [os.path.realpath("."), compiled]
"""


def _results(how: str, directory: Path, *workers: tuple[dict[str, Any], str]) -> list[Any]:
    """What workers with these settings and sources answer, one after the other."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", _INVOKE, how, json.dumps(workers)],
        env={**kept, "TMPDIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results: list[Any] = json.loads(done.stdout)
    return results


@pytest.mark.parametrize(
    ("how", "folders", "compiled"), [("plain", 4, [False] * 4), ("patched", 3, [False, True, False, False])]
)
def test_a_package_is_unpacked_and_compiled_once_only_if_patched(
    tmp_path: Path, how: str, folders: int, compiled: list[bool]
) -> None:
    """Another package has a folder of its own, and so has a worker with layers, whose modules ministack adds to it."""
    layers = {"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:none:1"]}
    found = _results(how, tmp_path, ({}, _PLACE), ({}, _PLACE), ({}, _PLACE + "# new"), (layers, _PLACE))

    assert len({folder for folder, _ in found}) == folders
    assert [compiled for _, compiled in found] == compiled


_NAMES = """
import sys
{imports}
def handler(event, context):
    handlers = sys.modules.get("botocore.handlers")
    if handlers is None:
        return None
    names = [getattr(handler, "__name__", "") for _, handler, *_ in handlers.BUILTIN_HANDLERS]
    return [name for name in names if "depth" in name]
"""


@pytest.mark.parametrize(("how", "without"), [("plain", ["_ms_add_invoke_depth"]), ("patched", None)])
def test_a_worker_imports_botocore_for_a_function_that_does_not_only_unless_patched(
    tmp_path: Path, how: str, without: list[str] | None
) -> None:
    """Nested invocations of one that imports it are counted either way."""
    functions: list[tuple[dict[str, Any], str]] = [
        ({}, _NAMES.format(imports=line)) for line in ("", "import boto3", "import botocore.handlers")
    ]

    assert _results(how, tmp_path, *functions) == [without, ["_ms_add_invoke_depth"], ["_ms_add_invoke_depth"]]
