"""``apply``, ``diff`` and ``export`` against ``eventcron dev``, as they are typed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running_dev import dev, exports, until
from tests.commands import Done, run

pytestmark = pytest.mark.embedded

REAL = Path(__file__).parents[2] / "examples" / "prow-periodics.jsonl"
#: Of the real schedules: each starts a command of its own, so fewer than in ``tests/unit/preview``.
MANY = 300


class Shell:
    """A terminal next to a running ``eventcron dev``."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self.env = env
        self.folder = folder

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "eventcron", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self.env, cwd=self.folder,
        )  # fmt: skip

    def run(self, *arguments: str, given: str | None = None) -> Done:
        return run(*arguments, given=given, env=self.env, cwd=self.folder)

    def write(self, name: str, *entries: dict[str, Any]) -> None:
        (self.folder / name).write_text("".join(json.dumps(one) + "\n" for one in entries), encoding="utf-8")

    def apply(self, *arguments: str) -> dict[str, Any]:
        status, out, err = self.run("apply", "--json", *arguments)
        assert status == 0, out + err
        return dict(json.loads(out))


@pytest.fixture(scope="module", name="shell")
def _shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("declare")
    with dev(folder, "--port", "0") as running:
        until(lambda: "Ctrl-C stops everything" in running.stdout, running)
        yield Shell({**os.environ, **exports(running.stdout)}, folder)


def test_a_stopped_apply_goes_on_and_a_second_one_sends_nothing(shell: Shell) -> None:
    lines = [json.loads(line) for line in REAL.read_text(encoding="utf-8").splitlines()[:MANY]]
    shell.write("real.jsonl", *lines)
    process = shell.start("apply", "-f", "real.jsonl")
    assert process.stdout is not None
    while not process.stdout.readline().startswith("fires until"):  # the plan is shown, so it begins to put
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert re.search(rf"stopped; [\d,]+ of {MANY} commands put; the same command puts what is left", err)

    assert shell.apply("-f", "real.jsonl")["failed"] == []
    again = shell.apply("-f", "real.jsonl")
    assert (again["put"], again["changes"], again["unchanged"]) == (0, [], MANY)
    assert shell.run("diff", "-f", "real.jsonl")[0] == 0

    lines[0]["expression"] = "0 5,17 * * *"
    shell.write("real.jsonl", *lines)
    status, out, _ = shell.run("diff", "-f", "real.jsonl")
    assert status == 1
    assert f"0 to create, 1 to update, 0 to delete, {MANY - 1} unchanged" in out
    assert re.search(r"fires until .*: 0 added, 0 removed, 14 moved", out)


def test_an_export_is_what_is_stored_and_undoes_nothing_newer(shell: Shell) -> None:
    calendar = {"detail-type": "Put Calendar", "detail": {"tenant": "acme", "name": "off", "dates": ["2026-12-24"]}}
    names = ("kept", "changed", "deleted")
    schedules = [
        {"tenant": "acme", "name": one, "expression": "0 6 * * *", "exclude": ["calendar:off"]} for one in names
    ]
    shell.write("acme.jsonl", calendar, *schedules)
    shell.apply("-f", "acme.jsonl")
    status, exported, err = shell.run("export", "-")
    assert status == 0, err
    assert shell.run("apply", "-f", "-", "--prune", "--dry-run", given=exported)[1].endswith("unchanged\n")
    assert shell.run("diff", "-f", "-", "--prune", given=exported)[0] == 0

    shell.write("acme.jsonl", calendar, schedules[0], {**schedules[1], "expression": "0 7 * * *"})
    assert len(shell.apply("-f", "acme.jsonl", "--prune")["changes"]) == 2
    status, out, _ = shell.run("apply", "-f", "-", "--tenant", "acme", "--json", given=exported)
    newer = json.loads(out)
    assert (status, newer["put"], newer["newer"]) == (0, 0, ["acme/changed", "acme/deleted"])


def test_what_is_rejected_is_named_and_the_rest_applied(shell: Shell) -> None:
    shell.write(
        "some.jsonl",
        {"tenant": "some", "name": "good", "expression": "0 6 * * *"},
        {"tenant": "some", "name": "bad", "expression": "99 6 * * *"},
    )
    status, _, err = shell.run("apply", "-f", "some.jsonl")
    assert status == 3
    assert "some.jsonl:2: " in err
