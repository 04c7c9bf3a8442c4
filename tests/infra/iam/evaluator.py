"""IAM's decisions by ``@cloud-copilot/iam-simulate``, which shares no code with this project.

It runs on node and is installed into ``build/tools`` once. Without node, its tests are skipped, or fail where
``EVENTCRON_REQUIRE_TOOLS`` is set.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

from tests.infra.stack import ROOT
from tests.tools import missing

_HERE = Path(__file__).parent
_INSTALLED = ROOT / "build" / "tools" / "iam-simulate"
_LISTS = ("package.json", "package-lock.json")
#: Seconds. Half of what a test may take. npm alone would wait longer for a network that drops what it is sent.
_INSTALL_SECONDS = 300


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
    try:
        done = subprocess.run(
            command, cwd=_INSTALLED, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        _cannot(f"npm ci does not end within {_INSTALL_SECONDS} seconds")
    if done.returncode != 0:
        _cannot(f"npm ci failed: {done.stderr.strip()[-300:]}")
    return _INSTALLED


def _tool(name: str) -> str:
    found = shutil.which(name)
    return found or _cannot(f"there is no {name}; on Debian and Ubuntu: apt-get install nodejs npm")


def _cannot(reason: str) -> NoReturn:
    missing(f"the policy evaluator cannot run: {reason}")
