"""IAM's decisions by ``@cloud-copilot/iam-simulate``, which shares no code with this project.

It runs on node and is installed into ``build/tools`` once. Without node, its tests are skipped; in CI they fail.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.infra.stack import ROOT

_HERE = Path(__file__).parent
_INSTALLED = ROOT / "build" / "tools" / "iam-simulate"
_LISTS = ("package.json", "package-lock.json")


def decisions(simulations: list[dict[str, Any]]) -> list[str]:
    """``Allowed``, ``ImplicitlyDenied`` or ``ExplicitlyDenied`` for each of *simulations*, in order."""
    command = [_tool("node"), str(_HERE / "evaluate.mjs"), str(_installed())]
    done = subprocess.run(command, input=json.dumps(simulations), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    decided: list[str] = json.loads(done.stdout)
    return decided


def _installed() -> Path:
    """The folder with the evaluator, in the versions of the lock file. npm checks their hashes."""
    wanted = [(_HERE / name).read_text(encoding="utf-8") for name in _LISTS]
    if (_INSTALLED / "node_modules" / ".package-lock.json").exists():
        have = [(_INSTALLED / name).read_text(encoding="utf-8") for name in _LISTS]
        if have == wanted:
            return _INSTALLED
    npm = _tool("npm")
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    for name in _LISTS:
        shutil.copyfile(_HERE / name, _INSTALLED / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    done = subprocess.run(command, cwd=_INSTALLED, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        _cannot(f"npm ci failed: {done.stderr.strip()[-300:]}")
    return _INSTALLED


def _tool(name: str) -> str:
    found = shutil.which(name)
    return found or _cannot(f"there is no {name}; on Debian and Ubuntu: apt-get install nodejs npm")


def _cannot(reason: str) -> str:
    if os.environ.get("CI"):
        pytest.fail(f"the policy evaluator cannot run: {reason}")
    pytest.skip(f"the policy evaluator cannot run: {reason}")
