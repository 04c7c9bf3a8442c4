"""How every command ends that is stopped, or whose output cannot be written: no traceback, and its exit status."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from eventcron.entrypoints.cli import simulate, start
from eventcron.entrypoints.cli.main import COMMANDS, main

EVENTCRON = [sys.executable, "-m", "eventcron"]
SCHEDULE = '{"tenant": "acme", "name": "job", "expression": "* * * * *"}\n'

#: A command line of each command and subcommand that looks at a deployment. FILE is a file that exists.
OF_A_DEPLOYMENT = [
    ["apply", "-f", "FILE"],
    ["backfill", "acme/job", "--from", "now-1d", "--until", "now"],
    ["backfills", "list"],
    ["backfills", "show", "acme/job/1"],
    ["cost", "--stack", "eventcron"],
    ["console", "--port", "0"],
    ["calendars", "list"],
    ["calendars", "get", "acme/norway"],
    ["calendars", "put", "acme/norway", "2026-12-24"],
    ["calendars", "delete", "acme/norway"],
    ["delete", "acme/job"],
    ["diff", "-f", "FILE"],
    ["doctor"],
    ["export", "FILE"],
    ["get", "acme/job"],
    ["history", "acme/job"],
    ["limits", "acme"],
    ["list"],
    ["pause", "acme/job"],
    ["pause", "--tenant", "acme"],
    ["put", "acme/job", "@daily"],
    ["redrive", "drop", "fires", "--all"],
    ["redrive", "list"],
    ["redrive", "send", "fires", "--all"],
    ["redrive", "show", "fires"],
    ["restore", "FILE"],
    ["resume", "acme/job"],
    ["resume", "--tenant", "acme"],
    ["rules"],
    ["run", "acme/job"],
    ["segments"],
    ["segments", "resize"],
    ["subscribe", "acme/*", "--to", "sqs:arn:aws:sqs:us-east-1:123456789012:work", "--yes"],
    ["tail"],
    ["upcoming"],
    ["why", "acme/job"],
]
#: Those that need no deployment.
WITHOUT = [
    ["convert", "--from", "unix", "--to", "eventbridge", "0 9 * * MON"],
    ["cost", "--schedules", "5", "--fires-per-day", "1"],
    ["explain", "0 9 * * MON"],
    ["import", "crontab", "CRONTAB", "--tenant", "acme"],
    ["init", "acme/*", "--to", "sqs:arn:aws:sqs:us-east-1:123456789012:work"],
    ["next", "0 9 * * MON"],
    ["next", "0 9 * * MON", "--json"],
    ["simulate", "FILE", "--for", "1m"],
    ["simulate", "FILE", "--for", "1m", "--json"],
]
#: Those that run the embedded AWS; tests of their own stop them.
EMBEDDED = {"demo", "dev"}


def with_file(arguments: list[str], folder: Path, text: str = "") -> list[str]:
    file = folder / "file.jsonl"
    file.write_text(text)
    crontab = folder / "crontab"
    crontab.write_text("0 9 * * MON true\n")
    given = {"FILE": str(file), "CRONTAB": str(crontab)}
    return [given.get(argument, argument) for argument in arguments]


def test_every_command_is_here() -> None:
    assert {first for first, *_ in OF_A_DEPLOYMENT + WITHOUT} | EMBEDDED == set(COMMANDS)


@asynccontextmanager
async def _interrupted(*_: object, **__: object) -> AsyncIterator[None]:
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.Event().wait()
    yield


@pytest.mark.parametrize("arguments", OF_A_DEPLOYMENT, ids=" ".join)
def test_ctrl_c_is_status_130_and_one_sentence(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"eventcron.entrypoints.cli.{arguments[0]}")
    monkeypatch.setattr(module, "connected" if hasattr(module, "connected") else "operations", _interrupted)

    with pytest.raises(SystemExit) as ended:
        main(with_file(arguments, tmp_path, SCHEDULE if arguments[0] in {"apply", "diff"} else ""))

    assert ended.value.code == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("eventcron: stopped")
    assert err.count("\n") == 1


def test_ctrl_c_while_nothing_is_awaited_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(simulate, "simulate", interrupted)

    with pytest.raises(SystemExit) as ended:
        main(with_file(["simulate", "FILE"], tmp_path, SCHEDULE))

    assert ended.value.code == 130
    assert capsys.readouterr().err.strip() == "eventcron: stopped"


def test_ctrl_c_while_the_command_is_imported_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_argv: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("eventcron.entrypoints.cli.main.main", interrupted)

    with pytest.raises(SystemExit) as ended:
        start.main([])

    assert ended.value.code == 130


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["next", "--help"], *WITHOUT], ids=" ".join)
def test_a_full_disk_is_one_sentence_and_status_1(arguments: list[str], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*EVENTCRON, *with_file(arguments, tmp_path, SCHEDULE)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "eventcron: the output cannot be written: no space left on device\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("arguments", "status"), [(["next", "@daily"], 1), (["next", "61 * * * *"], 2), (["next"], 2)], ids=str
)
def test_where_stderr_is_full_too_the_status_says_so(arguments: list[str], status: int, unbuffered: str) -> None:
    environ = os.environ | {"PYTHONUNBUFFERED": unbuffered}  # Python takes "" for not set
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*EVENTCRON, *arguments], stdout=full, stderr=full, env=environ, check=False)

    assert done.returncode == status


@pytest.mark.parametrize("arguments", [["--help"], *WITHOUT], ids=" ".join)
def test_a_closed_pipe_ends_it_silently(arguments: list[str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [*EVENTCRON, *with_file(arguments, tmp_path, SCHEDULE)]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["next"], ["next", "@daily", "--from", "x"]], ids=" ".join)
def test_a_mistake_is_status_2_and_on_stderr(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert capsys.readouterr().out == ""
