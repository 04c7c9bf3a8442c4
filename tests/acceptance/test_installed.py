"""The wheel in clean environments: without extras, with ``[cli]`` and with ``[local]``.

Each environment gets the wheel by pip, and of the packages that are installed here exactly those that the wheel asks
for, as links. So nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from eventcron.entrypoints.cli.main import COMMANDS
from tests.acceptance.processes import descendants, wait_gone
from tests.waiting import HANG_SECONDS

ROOT = Path(__file__).parents[2]
CLI = "pip install 'eventcron[cli]'"
LOCAL = "pip install 'eventcron[local]'"


class Environment(NamedTuple):
    """A virtual environment with eventcron in it."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """Nothing of this project's own folders, and no AWS."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return kept | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_DEFAULT_REGION": "us-east-1"}

    def command(self, *arguments: str) -> list[str]:
        return [str(self.folder / "bin" / "eventcron"), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(self.command(*arguments))

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run([str(self.folder / "bin" / "python"), *arguments])

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.variables, cwd=self.folder, capture_output=True, text=True, check=False)


def needed(name: str, extras: frozenset[str], seen: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """The packages that *name* needs with *extras*, and theirs: *seen*, with the extras of each."""
    for text in distribution(name).requires or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            continue
        package, wanted = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if package not in seen or not wanted <= seen[package]:
            seen[package] = seen.get(package, frozenset()) | wanted
            needed(package, seen[package], seen)
    return seen


def link(package: str, site: Path) -> None:
    """Make the installed *package* importable in *site*."""
    for file in distribution(package).files or []:
        top = file.parts[0]
        if top not in {"..", "__pycache__"} and not (site / top).exists():
            (site / top).symlink_to(Path(str(distribution(package).locate_file(top))))


@pytest.fixture(name="installed", scope="module")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Environment]:
    """The environment with an extra, which is made when it is first asked for."""
    folder = tmp_path_factory.mktemp("installed")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])

    def made(extra: str) -> Environment:
        environment = Environment(folder / (extra or "none"))
        if not environment.folder.exists():
            venv.create(environment.folder, symlinks=True)
            (site,) = environment.folder.glob("lib/python*/site-packages")
            for package in needed("eventcron", frozenset({extra} - {""}), {}):
                if package != "eventcron":
                    link(package, site)
            install = ["--python", str(environment.folder / "bin" / "python"), "install", "--quiet", "--no-deps"]
            subprocess.run(
                [sys.executable, "-m", "pip", *install, "--no-index", "--disable-pip-version-check", wheel], check=True
            )
        return environment

    return made


def said(done: subprocess.CompletedProcess[str], says: str) -> None:
    """The command ended with status 2, and one sentence on stderr which has *says* in it."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("eventcron: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], *([name] for name in sorted(COMMANDS))], ids=str)
def test_without_extras_every_command_says_what_to_install(
    installed: Callable[[str], Environment], arguments: list[str]
) -> None:
    said(installed("").run(*arguments), CLI)


def test_without_extras_the_module_says_so_too_and_the_library_works(installed: Callable[[str], Environment]) -> None:
    environment = installed("")
    world = (
        "from eventcron.testing import World\n"
        "with World('2026-12-01T00:00:00+00:00') as world:\n"
        "    world.emit('Put Schedule', {'tenant': 'acme', 'name': 'a', 'expression': '* * * * *'})\n"
        "    world.run(minutes=3)\n"
        "    print(len(world.fired))\n"
    )

    said(environment.python("-m", "eventcron", "next", "* * * * *"), CLI)
    fired = environment.python("-c", world)
    assert int(fired.stdout) >= 2, fired.stderr


@pytest.mark.parametrize(
    "arguments", [["dev", "--port", "0"], ["dev", "--port", "0", "--empty"], ["demo"]], ids=" ".join
)
def test_with_cli_what_needs_the_embedded_aws_says_what_to_install(
    installed: Callable[[str], Environment], arguments: list[str]
) -> None:
    said(installed("cli").run(*arguments), LOCAL)


def test_with_cli_everything_else_works(installed: Callable[[str], Environment], tmp_path: Path) -> None:
    environment = installed("cli")
    schedules = tmp_path / "schedules.yaml"
    schedules.write_text("- {tenant: acme, name: a, expression: '0 * * * *'}\n")
    days = tmp_path / "days.ics"
    days.write_text("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n")

    for name in COMMANDS:
        shown = environment.run(name, "--help")
        assert (shown.returncode, shown.stderr) == (0, ""), name
    excluded = ("--exclude", "calendar:days", "--calendar", f"days={days}")
    assert environment.run("next", "* * * * *", "--count", "1", *excluded).returncode == 0
    assert json.loads(environment.run("simulate", str(schedules), "--json").stdout)["published"] == 24
    said(environment.run("limits", "acme"), "stack 'eventcron'")


@pytest.mark.embedded
def test_with_local_the_stack_runs(installed: Callable[[str], Environment]) -> None:
    environment = installed("local")
    with subprocess.Popen(
        environment.command("dev", "--port", "0", "--json"),
        env=environment.variables,
        cwd=environment.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        others = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=HANG_SECONDS)

    assert json.loads(ready)["bus"] == "eventcron", errors
    assert process.returncode == 128 + signal.SIGINT
    wait_gone(others)
