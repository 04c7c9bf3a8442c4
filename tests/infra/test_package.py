"""The package of the Lambda functions: small, with little to import and nothing to compile, and complete."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from eventcron.local import template
from scripts import package_lambda
from tests.eventbridgev2 import ARN
from tests.infra.stack import GLOBALS, ROOT, decided

#: It builds the package.
pytestmark = pytest.mark.slow

#: Bytes. The target is 8 MB for what is deployed; the compiled parts of the wheels differ a little between machines.
MAX_ZIPPED = 8_500_000
#: What a cold start imports, the standard library's included. Measured: 392.
MAX_MODULES = 450
STACK = decided(HasRestApi=True, KeepsHistory=True)
FUNCTIONS = template.of_type(STACK, "AWS::Serverless::Function")
HANDLERS = sorted(properties["Handler"].rpartition(".")[0] for properties in FUNCTIONS.values())


def _needed(name: str, seen: set[str]) -> list[Distribution]:
    """Return *name* and the distributions that it needs, without extras."""
    if name in seen:
        return []
    seen.add(name)
    found = distribution(name)
    needed = [found]
    for requirement in found.requires or []:
        if "extra ==" not in requirement and not re.search(r"python_version\s*<=?\s*['\"]3\.1[01]", requirement):
            needed += _needed(re.split(r"[^A-Za-z0-9_.-]", requirement)[0], seen)
    return needed


@pytest.fixture(scope="module", name="package")
def _package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build what ``sam build`` builds, from the installed packages instead of downloaded wheels."""
    directory = tmp_path_factory.mktemp("package")
    for part in _needed("eventcron", set())[1:]:
        for file in part.files or []:
            if ".." not in file.parts and file.suffix != ".pyc":
                target = directory / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), target)
    # Other workers write bytecode there meanwhile.
    shutil.copytree(ROOT / "src" / "eventcron", directory / "eventcron", ignore=shutil.ignore_patterns("__pycache__"))
    package_lambda.prune(directory)
    package_lambda.list_packages(directory)
    package_lambda.compile_all(directory, sys.executable)
    return directory


def _run(package: Path, code: str, **variables: str) -> str:
    """Return what *code* prints in a process that can import *package* only."""
    environment = {"PYTHONPATH": str(package), "PYTHONTZPATH": "", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nowhere"}
    resources = dict.fromkeys(("SCHEDULES_TABLE", "LEDGER_TABLE", "BUS_NAME"), "x")
    resources |= dict.fromkeys(
        ("REGISTRAR_QUEUE_URL", "FIRE_QUEUE_URL", "COMMAND_DLQ_URL", "FIRE_DLQ_URL"), "http://127.0.0.1:9/q"
    )
    environment |= {f"EVENTCRON_{name}": value for name, value in resources.items()}
    environment |= {"AWS_DEFAULT_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    environment |= variables
    # -S hides the packages of the test environment. Otherwise they would replace what the package lacks.
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=package)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_small(package: Path, tmp_path: Path) -> None:
    target = tmp_path / "package.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, _, files in os.walk(package):
            for file in files:
                archive.write(Path(folder, file), Path(folder, file).relative_to(package))

    assert target.stat().st_size < MAX_ZIPPED


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_cold_start_has_little_to_import_and_nothing_to_compile(package: Path, handler: str) -> None:
    """Compiling takes longer than all the rest; ``make bench`` measures the time."""
    code = f"""
import os, sys, {handler}
specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
ours = [spec for spec in specs if spec and spec.has_location and spec.origin.startswith({str(package)!r})]
ours = [spec for spec in ours if spec.origin.endswith(".py")]
print(len(sys.modules), len(ours), *[spec.name for spec in ours if not os.path.exists(spec.cached)])
"""
    modules, ours, *compiled = _run(package, code).split()

    assert compiled == []
    assert 100 < int(ours) < int(modules) <= MAX_MODULES


def test_nothing_that_is_used_was_left_out(package: Path) -> None:
    """Clients are opened, expressions parsed in every dialect, zones read, logs and metrics written.

    AWS's own addresses are worked out, which an ``AWS_ENDPOINT_URL`` would spare, and not found.
    """
    code = f"""
import asyncio, importlib, socket
asked = []
def nowhere(host, *_, **__):
    asked.append(host)
    raise socket.gaierror(socket.EAI_NONAME, "no such host")
socket.getaddrinfo = nowhere
for handler in {HANDLERS}: importlib.import_module(handler)
from eventcron.timing import trigger
from eventcron.entrypoints import executor_lambda, registrar_lambda
from eventcron.entrypoints.process import process
for text in ("*/5 9-17 * * MON-FRI", "cron(0 2 ? * 2#1 *)", "rate(5 minutes)", "at(2026-12-01T09:00:00)", "@daily"):
    trigger.parse(text, timezone="Europe/Oslo", anchor=0)
async def refused(cases):
    try:
        await cases.store.get([])
        await cases.leases.planned_through(0)
    except Exception as error:
        return type(error).__name__
print(process.run(refused), executor_lambda.handler({{"Records": []}}, None), *set(asked))
process.close()
"""

    answered = "Unavailable {'batchItemFailures': []} dynamodb.eu-north-1.amazonaws.com"
    assert _run(package, code).splitlines()[-1] == answered


def test_it_can_publish_on_either_kind_of_bus(package: Path) -> None:
    code = f"""
import asyncio
from eventcron.adapters.aws.clients import aws_clients
from eventcron.adapters.aws.event_bus_v2 import EventBridgeV2Bus
from eventcron.model.events import Event
event = Event(source="eventcron", detail_type="Fired", detail=b"{{}}", time=0)
async def refused():
    async with aws_clients(concurrency=1, bus="eventbridgev2") as clients:
        return await EventBridgeV2Bus(clients.events, "{ARN}").publish([event])
print(asyncio.run(refused())[0].code)
"""

    assert _run(package, code, AWS_ENDPOINT_URL="http://127.0.0.1:9").strip() == "EndpointConnectionError"


def test_it_contains_no_code_for_developers_machines(package: Path) -> None:
    assert not (package / "eventcron" / "local").exists()
    assert not (package / "eventcron" / "entrypoints" / "cli").exists()
    assert not {"boto3", "click", "yaml", "ministack"} & {path.name for path in package.iterdir()}
    assert sorted(path.name for path in (package / "botocore" / "data").iterdir() if path.is_dir()) == sorted(
        package_lambda.SERVICES
    )


def test_a_scanner_and_its_bill_of_materials_say_what_is_in_it(package: Path) -> None:
    pins = dict(
        re.findall(r"^([a-z0-9-]+)==(\S+) ", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )
    bill = json.loads((package / "sbom.cdx.json").read_text(encoding="utf-8"))
    components = {one["name"]: one["version"] for one in bill["components"]}
    refs = {one["bom-ref"] for one in [*bill["components"], bill["metadata"]["component"]]}
    itself, *others = bill["dependencies"]

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert components == {name: pins[name] for name in components}
    assert components.keys() == {
        canonicalize_name(found.metadata["Name"]) for found in distributions(path=[str(package)])
    }
    assert {"aiobotocore", "botocore", "msgspec", "tzdata"} <= components.keys()
    assert itself["ref"].startswith("pkg:pypi/eventcron@")
    assert len(itself["dependsOn"]) == 6  # pyproject.toml lists as many
    assert {one["ref"] for one in [itself, *others]} == refs
    assert {ref for one in bill["dependencies"] for ref in one["dependsOn"]} <= refs


def test_a_build_takes_only_files_whose_hashes_are_locked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    package_lambda.install(tmp_path / "package")

    [pip] = commands
    assert {"--require-hashes", "--no-deps"} <= set(pip)
    assert pip[pip.index("--requirement") + 1] == str(ROOT / "src" / "requirements.txt")


def test_sam_build_packages_every_function_for_its_runtime_and_architecture() -> None:
    methods = {STACK["Resources"][function].get("Metadata", {}).get("BuildMethod") for function in FUNCTIONS}
    recipe = (ROOT / "src" / "Makefile").read_text(encoding="utf-8")

    assert methods == {"makefile"}
    assert f"python{package_lambda.PYTHON}" == GLOBALS["Runtime"]
    assert package_lambda.PLATFORM.endswith({"arm64": "aarch64"}[GLOBALS["Architectures"][0]])
    assert "build-%Function:" in recipe
    assert "../scripts/package_lambda.py" in recipe


@pytest.fixture(name="elsewhere")
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH of a machine that has no Python of Lambda's version."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(package_lambda, "PYTHON", "3.99")
    return tmp_path


def _interpreter(path: Path, *, status: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nexit {status}\n")
    path.chmod(0o755)
    return path


def test_a_launcher_without_its_python_does_not_compile(elsewhere: Path) -> None:
    """pyenv leaves such launchers on the PATH for every version that it knows."""
    launcher = _interpreter(elsewhere / "python3.99", status=127)

    assert package_lambda.compiler() is None
    own = _interpreter(elsewhere / "pyenv" / "versions" / "3.99.1" / "bin" / "python3.99", status=0)
    assert package_lambda.compiler() == str(own)
    _interpreter(launcher, status=0)
    assert package_lambda.compiler() == str(launcher)


@pytest.fixture(name="clone")
def _clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to build in, with one source. A package is a file that says how many were made."""
    made = itertools.count(1)

    def build(directory: Path, python: str | None) -> None:
        directory.mkdir()
        (directory / "number").write_text(f"{next(made)} {python}")

    for name in ("src/eventcron/one.py", "src/requirements.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for name, value in {
        "ROOT": tmp_path,
        "SHARED": tmp_path / "build",
        "build": build,
        "compiler": lambda: "p",
    }.items():
        monkeypatch.setattr(package_lambda, name, value)
    return tmp_path


def _numbers(clone: Path, count: int) -> set[str]:
    """Build so many functions at once, and return the packages that they got."""
    functions = [clone / f"function-{number}" for number in range(count)]
    with ThreadPoolExecutor(count) as at_once:
        list(at_once.map(package_lambda.main, functions))
    return {(function / "number").read_text() for function in functions}


def test_functions_that_are_built_at_once_share_a_package_until_its_source_changes(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _numbers(clone, 4) == _numbers(clone, 2) == {"1 p"}
    (clone / "src" / "eventcron" / "one.py").write_text("new")
    assert _numbers(clone, 2) == {"2 p"}
    (clone / "src" / "eventcron" / "two.py").touch()
    assert _numbers(clone, 2) == {"3 p"}
    (clone / "src" / "requirements.txt").write_text("new")
    assert _numbers(clone, 2) == {"4 p"}
    monkeypatch.setattr(package_lambda, "compiler", lambda: "other")
    assert _numbers(clone, 2) == {"5 other"}
    assert [path.is_dir() for path in sorted((clone / "build").iterdir())].count(True) == 1


def test_a_build_that_failed_is_repeated(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = package_lambda.build

    def fail(directory: Path, _python: str | None) -> None:
        directory.mkdir()
        raise InterruptedError

    monkeypatch.setattr(package_lambda, "build", fail)
    with pytest.raises(InterruptedError):
        package_lambda.main(clone / "function")

    monkeypatch.setattr(package_lambda, "build", build)
    assert _numbers(clone, 1) == {"1 p"}


def test_a_build_that_cannot_compile_fails_and_says_what_to_do(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(package_lambda, "SHARED", elsewhere / "build")
    for step in ("install", "prune", "list_packages"):

        def note(directory: Path, step: str = step) -> None:
            directory.mkdir(exist_ok=True)
            done.append(step)

        monkeypatch.setattr(package_lambda, step, note)

    with pytest.raises(SystemExit, match=r"no python3\.99 .* install one, or set EVENTCRON_WITHOUT_BYTECODE=1"):
        package_lambda.main(elsewhere / "function")
    assert done == []
    monkeypatch.setenv("EVENTCRON_WITHOUT_BYTECODE", "1")
    package_lambda.main(elsewhere / "function")
    assert done == ["install", "prune", "list_packages"]
