"""The Makefile: its targets, what CI runs, and the messages of a setup that fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import HANG_SECONDS

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
#: Targets that people and CI rely on.
TARGETS = {"help", "setup", "demo", "dev", "test", "check", "lint", "bench", "bench-quick", "simulate", "clean"}


def _make(*arguments: str, cwd: Path = ROOT) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=True, timeout=HANG_SECONDS
    )
    return done.stdout


def _explained() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))


def test_make_alone_lists_every_target() -> None:
    listed = {re.sub(r"\x1b\[\d*m", "", line).split()[0] for line in _make().splitlines()}

    assert listed == _explained()
    assert listed >= TARGETS


def test_every_target_is_explained_and_phony() -> None:
    rules = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)
    assert phony is not None

    assert rules == _explained() == set(phony[1].replace("\\\n", "").split())


def _commands(*arguments: str) -> list[str]:
    """Return the commands that make would run, without those of the setup."""
    return [line for line in _make("--dry-run", *arguments).splitlines() if re.match(r"\.venv/bin/(?!python)", line)]


def test_ci_runs_what_make_check_runs_in_the_same_order() -> None:
    steps = re.findall(r"^make (.+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)

    assert [line for step in steps for line in _commands(step)] == _commands("check")


def test_ci_ends_with_the_tests() -> None:
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"
    assert _commands("test")[-1].startswith(".venv/bin/pytest ")
    assert len(_commands("test")) == 1


def test_bench_runs_the_table_and_every_benchmark_of_one_part() -> None:
    parts = {f"benchmarks.{path.stem}" for path in (ROOT / "benchmarks").glob("bench_*.py")}
    (loop,) = [line for line in _make("--dry-run", "bench").splitlines() if line.startswith("status=0")]

    assert set(re.findall(r"\bbenchmarks[.\w]*", loop)) == {"benchmarks", *parts}


def test_ci_runs_the_quick_benchmark_where_make_check_does() -> None:
    check = re.search(r"^check: (.+?)  ##", MAKEFILE, re.MULTILINE)
    assert check is not None

    assert re.findall(r"^make (.+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE) == check[1].split()


@pytest.mark.parametrize("script", [".ci/run", "scripts/make-venv", "scripts/lock"])
def test_scripts_can_be_run_and_stop_at_a_failure(script: str) -> None:
    text = (ROOT / script).read_text()

    assert os.access(ROOT / script, os.X_OK)
    assert re.search(r"^set -eu", text, re.MULTILINE)


@pytest.mark.parametrize("kind", ["made by make", "made by hand"])
def test_clean_removes_what_make_created_and_nothing_else(kind: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    made = [tmp_path / ".venv" / ".pip"] if kind == "made by make" else []
    made += [
        tmp_path / name
        for name in ("dist/a.whl", "benchmarks/results/bench.json", ".mypy_cache/x", "src/eventcron/__pycache__/a.pyc")
    ]
    kept = [tmp_path / name for name in (".venv/bin/python", "src/eventcron/a.py", "notes.txt", ".env")]
    (tmp_path / "tests").mkdir()
    for path in [*made, *kept]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    _make("clean", cwd=tmp_path)
    if kind == "made by make":
        made.append(kept.pop(0))

    assert [path for path in made if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []


def _fake_python(folder: Path, version: str, *, has: str = "", fails: str = "", name: str = "python3") -> Path:
    """Write a fake Python of that *version* with the modules *has*. It prints its arguments.

    If its arguments are *fails*, it creates its last argument as a folder and fails.
    """
    path = folder / name
    path.write_text(
        f"""#!{sys.executable}
import os, sys
arguments = " ".join(sys.argv[1:])
sys.version_info = tuple(map(int, {version!r}.split(".")))
if arguments == "--version":
    print("Python", {version!r})
elif arguments.startswith("-c import sys;"):
    exec(sys.argv[2])
elif arguments.startswith("-c import "):
    sys.exit(not set(arguments.removeprefix("-c import ").split(", ")) <= set({has!r}.split()))
elif arguments == {fails!r}:
    os.makedirs(sys.argv[-1], exist_ok=True)
    sys.exit(3)
else:
    print(arguments)
"""
    )
    path.chmod(0o755)
    return path


@pytest.fixture(name="tools")
def _tools(tmp_path: Path) -> Path:
    """A folder that is all of the PATH, with the few programs that the script needs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "head", "rm"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def _make_venv(tools: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "make-venv", *arguments],
        cwd=tools.parent,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )


@pytest.mark.parametrize(
    ("version", "has", "asked", "said"),
    [
        pytest.param(
            "3.10.13", "", "python3",
            "eventcron: 'python3' is 'Python 3.10.13'; name a Python 3.11 to 3.13 with make PYTHON=…",
            id="too-old",
        ),
        pytest.param(
            "3.14.0", "", "python3",
            "eventcron: 'python3' is 'Python 3.14.0'; name a Python 3.11 to 3.13 with make PYTHON=…",
            id="too-new",
        ),
        pytest.param(
            "3.10.13", "", "",
            "eventcron: no Python 3.11 to 3.13 on the PATH; name one with make PYTHON=…",
            id="none-that-is-new-enough",
        ),
        pytest.param(
            "3.11.2", "", "nosuch",
            "eventcron: there is no 'nosuch'; name a Python 3.11 to 3.13 with make PYTHON=…",
            id="no-such-program",
        ),
        pytest.param(
            "3.11.2", "venv", "",
            "eventcron: 'python3' comes without venv; on Debian and Ubuntu: apt-get install python3-venv",
            id="debian-without-python3-venv",
        ),
    ],
)  # fmt: skip
def test_setting_up_says_what_is_missing(tools: Path, version: str, has: str, asked: str, said: str) -> None:
    _fake_python(tools, version, has=has)
    done = _make_venv(tools, ".venv", asked)

    assert (done.returncode, done.stderr.strip()) == (1, said)


@pytest.mark.parametrize(
    ("has", "ran"),
    [
        pytest.param("ensurepip venv", ["-m venv .venv"], id="venv"),
        pytest.param("venv virtualenv", ["-m virtualenv --quiet .venv"], id="virtualenv-where-ensurepip-is-missing"),
        pytest.param(
            "venv pip",
            ["-m venv --without-pip .venv", "-m pip --python .venv/bin/python install --quiet pip"],
            id="the-systems-pip-where-both-are-missing",
        ),
    ],
)
def test_setting_up_uses_the_installed_modules(tools: Path, has: str, ran: list[str]) -> None:
    _fake_python(tools, "3.11.2", has=has)
    done = _make_venv(tools, ".venv")

    assert (done.returncode, done.stderr, done.stdout.splitlines()) == (0, "", ran)


def test_the_first_suitable_python_is_used(tools: Path) -> None:
    _fake_python(tools, "3.14.0", has="ensurepip venv")
    _fake_python(tools, "3.12.1", has="ensurepip venv", name="python3.12")
    done = _make_venv(tools, ".venv")

    assert (done.returncode, done.stdout) == (0, "-m venv .venv\n")


def test_a_failed_setup_removes_its_environment(tools: Path) -> None:
    _fake_python(tools, "3.11.2", has="ensurepip venv", fails="-m venv .venv")
    done = _make_venv(tools, ".venv")

    assert (done.returncode, done.stderr) == (1, "eventcron: 'python3 -m venv .venv' failed, see above\n")
    assert not (tools.parent / ".venv").exists()


def test_a_failed_setup_does_not_remove_an_older_environment(tools: Path) -> None:
    _fake_python(tools, "3.11.2", has="ensurepip venv", fails="-m venv .venv")
    (tools.parent / ".venv").mkdir()
    done = _make_venv(tools, ".venv")

    assert done.returncode == 1
    assert (tools.parent / ".venv").exists()
