"""Dependencies, their pinned versions, and the content of the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution, distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import eventcron

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]


def _locked(path: str) -> list[list[str]]:
    """Name with version, and hashes, of each package in a lock file."""
    lines = (ROOT / path).read_text().replace(" \\\n   ", "").splitlines()
    return [line.split(" ") for line in lines if not line.startswith("#")]


LOCK = _locked("constraints.txt")
PINS = [pin for pin, *_ in LOCK]
#: What a test or a tool needs, in addition to the dependencies of the package itself.
GROUPS = [*PROJECT["optional-dependencies"].values(), *PYPROJECT["dependency-groups"].values()]
REQUIREMENTS = [
    Requirement(text)
    for group in [PROJECT["dependencies"], PYPROJECT["build-system"]["requires"], *GROUPS]
    for text in group
    if isinstance(text, str) and not text.startswith("eventcron[")  # a table includes another group
]


def test_the_version_is_the_same_in_pyproject_and_package() -> None:
    assert PROJECT["version"] == eventcron.__version__


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_every_dependency_is_pinned_to_an_allowed_version(requirement: Requirement) -> None:
    pins = {canonicalize_name(name): Version(version) for name, version in (pin.split("==") for pin in PINS)}

    assert pins[canonicalize_name(requirement.name)] in requirement.specifier


def test_every_pinned_package_runs_on_the_first_python_that_is_supported() -> None:
    """Debian 12 has Python 3.11.2. A package that needs a later one would leave its users without any of them."""
    pinned = {canonicalize_name(pin.partition("==")[0]) for pin in PINS}
    installed = [found for found in distributions() if canonicalize_name(found.metadata["Name"]) in pinned]
    needs = {found.metadata["Name"]: SpecifierSet(found.metadata["Requires-Python"] or "") for found in installed}

    assert len(needs) > 100  # the test group is installed
    assert {name: str(asked) for name, asked in needs.items() if "3.11.0" not in asked} == {}


def test_pins_are_exact_and_sorted_and_name_no_source() -> None:
    assert [pin for pin in PINS if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", pin)] == []
    assert sorted(PINS, key=lambda pin: pin.partition("==")[0].lower()) == PINS


def test_every_pin_has_the_hashes_of_its_files() -> None:
    wrong = [pin for pin, *hashes in LOCK if not hashes]
    wrong += [text for _, *hashes in LOCK for text in hashes if not re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", text)]

    assert wrong == []


def test_the_functions_get_the_dependencies_and_theirs_as_they_are_locked() -> None:
    functions = _locked("src/requirements.txt")
    pins = dict(pin.split("==") for pin, *_ in functions)
    needed = {Requirement(text).name for text in PROJECT["dependencies"]}
    for name in list(needed):
        needed |= {canonicalize_name(part) for part in _needs(name, set())}

    assert [one for one in functions if one not in LOCK] == []
    assert pins.keys() == needed


def _needs(name: str, seen: set[str]) -> set[str]:
    """The distributions that *name* needs on the functions' Python, without extras."""
    for text in distribution(name).requires or []:
        requirement = Requirement(text)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": "", "python_version": "3.13"})
        if applies and canonicalize_name(requirement.name) not in seen:
            seen.add(canonicalize_name(requirement.name))
            _needs(requirement.name, seen)
    return seen


def test_every_setup_requires_hashes_and_installs_the_project_without_any_other_package() -> None:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    (locked,) = [line for line in lines if line.startswith("LOCKED")]
    installs = [line for line in lines if "$(PIP) install" in line]

    assert "--require-hashes --constraint constraints.txt" in locked
    assert all("$(LOCKED)" in line or "--require-hashes" in line or "--no-deps" in line for line in installs)


@pytest.mark.parametrize("name", ["local", "docs", "dev"])
def test_a_setup_asks_for_what_the_project_names(name: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "requirements"), name]
    asked = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    texts = {str(requirement) for requirement in REQUIREMENTS}

    assert {str(Requirement(text)) for text in asked} - {"editables"} <= texts
    assert set(PROJECT["dependencies"]) <= set(asked)
    if name == "dev":
        assert {str(Requirement(text)) for text in asked} == texts | {"editables"}


def test_the_forge_s_workflow_does_what_ci_run_does_on_every_python_and_names_actions_by_commit() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    (job,) = workflow["jobs"].values()
    actions = [step["uses"] for step in job["steps"] if "uses" in step]

    assert workflow["permissions"] == {"contents": "read"}
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert job["strategy"]["matrix"]["python"] == re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert [action for action in actions if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action)] == []


def test_the_security_policy_says_where_to_report_and_what_the_model_is() -> None:
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")

    assert "Report a vulnerability" in policy
    assert "docs/security.md" in policy


def test_the_installer_is_pinned_too() -> None:
    (pip,) = [Version(pin.removeprefix("pip==")) for pin in PINS if pin.startswith("pip==")]

    assert pip >= Version("25.3")  # dependency groups came with 25.1, build constraints with 25.3


def test_every_dependency_has_its_reason_in_a_comment() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    listed = dict(re.findall(r'^ +"([a-z0-9-]+)(?:\[[a-z,]+\])?[<>=][^"]*",?(.*)$', text, re.MULTILINE))

    assert set(listed) == {requirement.name for requirement in REQUIREMENTS}
    assert [name for name, comment in listed.items() if not comment.strip().startswith("# ")] == []


def test_lambda_functions_have_no_dependency_of_the_command_line_or_the_tests() -> None:
    installed = {Requirement(text).name for text in PROJECT["dependencies"]}

    assert installed == {"aiobotocore", "aws-lambda-powertools", "croniter", "httptools", "msgspec", "tzdata"}


@pytest.fixture(name="wheel", scope="module")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return zipfile.Path(path)


def _files(wheel: zipfile.Path) -> set[str]:
    return {name for name in wheel.root.namelist() if not name.endswith("/")}


def test_the_wheel_contains_the_package_and_its_data(wheel: zipfile.Path) -> None:
    source = ROOT / "src"
    modules = {str(path.relative_to(source)) for path in source.glob("eventcron/**/*.py")}
    data = {
        "eventcron/py.typed",
        "eventcron/_infra/template.yaml",
        "eventcron/_examples/prow-periodics.jsonl",
        "eventcron/entrypoints/rest/openapi.json",
        *(f"eventcron/console/static/{name}" for name in ("console.css", "console.js", "icon.svg")),
        *(str(path.relative_to(source)) for path in source.glob("eventcron/console/templates/*.html")),
    }
    information = {name for name in _files(wheel) if ".dist-info/" in name}

    assert _files(wheel) - information == modules | data


def test_the_wheel_contains_neither_simulator_nor_mutants(wheel: zipfile.Path) -> None:
    sources = "\n".join((wheel / name).read_text(encoding="utf-8") for name in _files(wheel) if name.endswith(".py"))

    assert [name for name in _files(wheel) if "faultsim" in name or "mutant" in name or name.startswith("tools/")] == []
    assert "faultsim" not in sources


def test_the_wheel_contains_the_deployed_template(wheel: zipfile.Path) -> None:
    shipped = wheel.joinpath("eventcron/_infra/template.yaml").read_bytes()

    assert shipped == (ROOT / "infra" / "template.yaml").read_bytes()


def test_the_wheel_contains_the_command_and_the_licence(wheel: zipfile.Path) -> None:
    (entry_points,) = [name for name in _files(wheel) if name.endswith("/entry_points.txt")]
    (licence,) = [name for name in _files(wheel) if name.endswith("/LICENSE")]

    assert "eventcron = eventcron.entrypoints.cli.start:main" in wheel.joinpath(entry_points).read_text()
    assert wheel.joinpath(licence).read_text().startswith("MIT License")


def test_every_extra_that_a_page_or_a_message_names_is_there() -> None:
    texts = [
        path for folder in ("docs", "src") for path in (ROOT / folder).rglob("*.*") if path.suffix in {".md", ".py"}
    ]
    named = {
        extra for path in texts for extra in re.findall(r"eventcron\[([a-z]+)\]'", path.read_text(encoding="utf-8"))
    }

    assert named == set(PROJECT["optional-dependencies"])


def test_every_list_of_supported_pythons_is_the_same() -> None:
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))

    assert classified == ["3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in (ROOT / "scripts" / "make-venv").read_text()
