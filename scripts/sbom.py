"""A CycloneDX bill of materials of a folder with installed packages. ``package_lambda`` writes one into each function.

    python3 scripts/sbom.py DIRECTORY

https://cyclonedx.org/docs/1.6/json/ has the format. It contains neither a time nor a random number, so that the same
packages make the same file.
"""

# ruff: noqa: INP001  # a script

from __future__ import annotations

import json
import re
import sys
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NAME = "sbom.cdx.json"


def document(directory: Path) -> dict[str, Any]:
    """The bill of materials of the packages in *directory* and of eventcron itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    itself = _component(project["name"], project["version"], project["license"], kind="application")
    found = sorted(distributions(path=[str(directory)]), key=_name)
    refs = {_name(one): _purl(_name(one), one.version) for one in found}
    direct = [refs[name] for name in map(_required, project["dependencies"]) if name in refs]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": itself},
        "components": [_component(_name(one), one.version, _licence(one)) for one in found],
        "dependencies": [
            {"ref": itself["bom-ref"], "dependsOn": sorted(direct)},
            *({"ref": refs[_name(one)], "dependsOn": _depends(one, refs)} for one in found),
        ],
    }


def write(directory: Path) -> None:
    """Write the bill of materials of *directory* into it."""
    (directory / NAME).write_text(json.dumps(document(directory), indent=1) + "\n", encoding="utf-8")


def _component(name: str, version: str, licence: str | None, *, kind: str = "library") -> dict[str, Any]:
    purl = _purl(name, version)
    component = {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return component if licence is None else component | {"licenses": [{"license": {"name": licence}}]}


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _name(one: Distribution) -> str:
    return _normal(one.metadata["Name"])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _required(requirement: str) -> str:
    return _normal(re.split(r"[^A-Za-z0-9_.-]", requirement)[0])


def _licence(one: Distribution) -> str | None:
    given = one.metadata.get("License-Expression") or one.metadata.get("License")
    return given.splitlines()[0] if given else None


def _depends(one: Distribution, refs: dict[str, str]) -> list[str]:
    """The packages in the folder that *one* requires without an extra."""
    names = {_required(text) for text in one.requires or [] if "extra ==" not in text}
    return sorted(refs[name] for name in names if name in refs)


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004  # the directory
        sys.exit(__doc__)
    write(Path(sys.argv[1]).resolve())
