"""Package the Lambda functions into a directory. ``sam build`` calls this script through ``src/Makefile``.

    python3 scripts/package_lambda.py DIRECTORY

All functions have the same package. The first that ``sam build`` builds makes it, in ``build/lambda``, and the others
copy it. The script leaves out what no function imports: descriptions of AWS services that eventcron does not use, the
command line, the local runtime, parts of libraries, type stubs. It keeps the dist-info of each library, by which
scanners know what is in the package, and adds a bill of materials, ``sbom.cdx.json``. It adds bytecode. Lambda's disk
is read-only, so without bytecode every cold start would compile 630 modules, which takes longer than everything else.
``tests/infra/test_package.py`` checks size, import time and completeness.
"""

# ruff: noqa: INP001  # a script

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: The folder of the package that the functions share, whose name says what it was made of.
SHARED = ROOT / "build" / "lambda"
#: The same as ``Runtime`` and ``Architectures`` in infra/template.yaml; a test compares them.
PYTHON = "3.13"
PLATFORM = "manylinux2014_aarch64"

#: The variable that, set to 1, lets a build ship no bytecode.
WITHOUT_BYTECODE = "EVENTCRON_WITHOUT_BYTECODE"

#: The services that the functions call by botocore, which needs a description of each.
SERVICES = ("eventbridgev2",)
#: botocore's descriptions of endpoints and retries, which all services share.
COMMON = ("_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json")

#: Paths in the package's directory that no function imports.
NEVER_IMPORTED = (
    "bin",
    "*.dist-info/RECORD",  # the list of files before pruning
    "*-stubs",
    "aiohttp/_websocket/*.so",  # it has the same in Python
    "aiohttp/pytest_plugin.py",
    "aiohttp/test_utils.py",
    "aiohttp/web*.py",
    "aiohttp/worker.py",
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/middleware_factory",
    "botocore/data/*/*/examples-1.json",
    "croniter/tests",
    "dateutil/zoneinfo",  # eventcron reads zone rules from tzdata
    "eventcron/client",
    "eventcron/console",
    "eventcron/demo",
    "eventcron/entrypoints/cli",
    "eventcron/local",
    "eventcron/migrate",
    "eventcron/oracle",
    "eventcron/preview",
    "eventcron/testing",
)
#: The only part of Powertools' utilities that is needed: Powertools itself imports it.
UTILITIES = ("__init__.py", "jmespath_utils")
#: Files that only compilers and type checkers read.
SOURCES = ("*.pyi", "*.pyx", "*.pxd", "*.pxi", "*.c", "*.h", "py.typed", "__pycache__")


def install(directory: Path) -> None:
    """Install the dependencies, as wheels for Lambda, and eventcron's code into *directory*."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--target", str(directory), "--python-version", PYTHON, "--platform", PLATFORM]
    command += ["--implementation", "cp", "--only-binary", ":all:", "--no-compile"]
    command += ["--requirement", str(ROOT / "src" / "requirements.txt")]
    command += [
        "--require-hashes",
        "--no-deps",
    ]  # the list is complete, and older pips would not take hashes from elsewhere
    subprocess.run(command, check=True)  # noqa: S603  # pip, with our own arguments
    shutil.copytree(ROOT / "src" / "eventcron", directory / "eventcron")


def prune(directory: Path) -> None:
    """Delete the files in *directory* that no function imports."""
    for pattern in SOURCES:
        _remove(*directory.rglob(pattern))
    for pattern in NEVER_IMPORTED:
        _remove(*directory.glob(pattern))
    _remove(*_others(directory / "aws_lambda_powertools" / "utilities", UTILITIES))
    _remove(*_others(directory / "botocore" / "data", (*SERVICES, *COMMON)))


def _others(directory: Path, wanted: tuple[str, ...]) -> list[Path]:
    return [path for path in directory.iterdir() if path.name not in wanted]


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()


def list_packages(directory: Path) -> None:
    """Write the bill of materials of *directory* into it."""
    subprocess.run([sys.executable, str(ROOT / "scripts" / "sbom.py"), str(directory)], check=True)  # noqa: S603  # ours


def compile_all(directory: Path, python: str) -> None:
    """Compile *directory* with *python*. The bytecode ignores the sources' times, because a zip file rounds them."""
    command = [python, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", str(directory)]
    subprocess.run(command, check=True)  # noqa: S603  # Python's own compiler


def compiler() -> str | None:
    """Return a Python of Lambda's version, or None if none runs.

    A launcher on the PATH may not run: pyenv leaves one for every version, and runs the selected ones only.
    """
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == PYTHON:
        return sys.executable
    launcher = shutil.which(f"python{PYTHON}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")  # a user without a home may name the first
    installed = sorted(pyenv.glob(f"versions/{PYTHON}.*/bin/python{PYTHON}"))
    candidates = [*([launcher] if launcher else []), *map(str, reversed(installed))]
    return next((found for found in candidates if _runs(found)), None)


def _runs(python: str) -> bool:
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0  # noqa: S603


def build(directory: Path, python: str | None) -> None:
    """Make the package in *directory*, and compile it with *python*, if that is given."""
    install(directory)
    prune(directory)
    list_packages(directory)
    if python is not None:
        compile_all(directory, python)


def shared(python: str | None) -> Path:
    """The folder with the package, which is made if nobody has made it of the same files."""
    SHARED.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time():
        package = SHARED / _digest(python)
        if not package.exists():
            _remove(*(path for path in SHARED.iterdir() if path.is_dir()))
            partial = SHARED / "partial"
            build(partial, python)
            partial.rename(package)
    return package


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait for the other functions that are being built."""
    with (SHARED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(python: str | None) -> str:
    """What the package is made of: the source, the list of libraries, what makes it, and with what it is compiled."""
    sources = (path for path in (ROOT / "src" / "eventcron").rglob("*") if path.is_file())
    files = [path for path in sources if "__pycache__" not in path.parts]
    files += [ROOT / "src" / "requirements.txt", *(ROOT / "scripts").glob("*.py")]
    digest = hashlib.sha256(repr(python).encode())
    for file in sorted(files):
        digest.update(repr((str(file.relative_to(ROOT)), file.read_bytes())).encode())
    return digest.hexdigest()


def main(directory: Path) -> None:
    """Put the package into *directory*. Exit with 1 if there is no Python to compile it with."""
    python = compiler()
    if python is None and os.environ.get(WITHOUT_BYTECODE) != "1":
        sys.exit(
            f"package_lambda: there is no python{PYTHON} on the PATH or in pyenv to compile with, and without bytecode"
            f" cold starts take twice as long; install one, or set {WITHOUT_BYTECODE}=1 to build without"
        )
    shutil.copytree(shared(python), directory, dirs_exist_ok=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004  # the directory
        sys.exit(__doc__)
    os.umask(0o022)  # Lambda runs the functions as another user, who must be able to read the files
    main(Path(sys.argv[1]).resolve())
