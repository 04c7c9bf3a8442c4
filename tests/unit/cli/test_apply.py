"""``eventcron apply`` and ``eventcron diff``: what they say, and what they send."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from eventcron.entrypoints.cli import apply, diff
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.ports import Refusal
from eventcron.settings import Settings
from eventcron.testing.world import SETTINGS
from tests.unit.cli.deployed import Deployed

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
ONE = {"tenant": "acme", "name": "one", "expression": "0 6 * * *"}
TWO = {"tenant": "acme", "name": "two", "expression": "0 7 * * *"}


class Deployment(Deployed):
    """A deployment in memory, for ``apply`` and ``diff``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, settings: Settings = SETTINGS) -> None:
        super().__init__(settings)
        self._folder = folder
        for module in (apply, diff):
            monkeypatch.setattr(module, "connected", self.connected)

    @property
    def taken(self) -> list[dict[str, Any]]:
        return self.put_details

    def call(self, command: click.Command, *arguments: str, files: Sequence[dict[str, Any]] = ()) -> Result:
        file = self._folder / "schedules.jsonl"
        file.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in files))
        return CliRunner().invoke(command, ["-f", str(file if files else self._folder), *arguments])


@pytest.fixture(name="deployment")
def _deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Deployment:
    return Deployment(monkeypatch, tmp_path)


def test_it_shows_the_plan_and_applies_it_once(deployment: Deployment) -> None:
    first = deployment.call(apply.command, files=[ONE, TWO])
    assert first.exit_code == 0, first.output
    assert "+ acme/one  created" in first.output
    assert "fires until 2026-12-08T08:00:00Z: 14 added, 0 removed, 0 moved" in first.output
    assert first.output.endswith("2 of 2 commands put\n")
    assert len(deployment.taken) == 2

    second = deployment.call(apply.command, files=[ONE, TWO])
    assert (second.exit_code, second.output) == (0, "0 to create, 0 to update, 0 to delete, 2 unchanged\n")
    assert len(deployment.taken) == 2


def test_a_calendar_is_created_and_then_updated(deployment: Deployment) -> None:
    def calendar(*dates: str) -> dict[str, Any]:
        return {"detail-type": "Put Calendar", "detail": {"tenant": "acme", "name": "off", "dates": dates}}

    created = deployment.call(apply.command, files=[calendar("2026-12-24")]).output
    updated = deployment.call(apply.command, files=[calendar("2026-12-24", "2026-12-25")]).output

    assert created.startswith("+ calendar acme/calendar:off  created\n1 to create, 0 to update")
    assert updated.startswith("~ calendar acme/calendar:off  dates\n0 to create, 1 to update")


def test_a_change_is_named_with_the_fires_that_move(deployment: Deployment) -> None:
    deployment.call(apply.command, files=[ONE, TWO])

    shown = deployment.call(diff.command, files=[{**ONE, "expression": "0 5 * * *"}, TWO])

    assert shown.exit_code == 1
    assert '~ acme/one  expression: "0 6 * * *" → "0 5 * * *"' in shown.output
    assert "0 added, 0 removed, 7 moved" in shown.output
    assert "2026-12-02T06:00:00Z → 2026-12-02T05:00:00Z  acme/one" in shown.output
    assert len(deployment.taken) == 2
    assert deployment.call(diff.command, files=[ONE, TWO]).exit_code == 0


def test_a_dry_run_sends_nothing(deployment: Deployment) -> None:
    result = deployment.call(apply.command, "--dry-run", "--json", files=[ONE])

    assert (result.exit_code, deployment.taken) == (0, [])
    answer = json.loads(result.output)
    assert (answer["dry_run"], answer["put"], [one["action"] for one in answer["changes"]]) == (True, 0, ["create"])


def test_what_is_rejected_is_named_by_line_and_the_rest_is_applied(deployment: Deployment) -> None:
    result = deployment.call(apply.command, files=[ONE, {**TWO, "expression": "99 * * * *"}])

    assert result.exit_code == 3
    assert "schedules.jsonl:2: acme/two: minute: got '99'; allowed: 0-59" in result.output
    assert len(deployment.taken) == 1


def test_what_only_the_registrar_knows_is_named_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limited = Deployment(monkeypatch, tmp_path, msgspec.structs.replace(SETTINGS, max_schedules_per_tenant=1))
    limited.call(apply.command, files=[ONE])

    result = limited.call(apply.command, files=[ONE, TWO])

    assert result.exit_code == 3
    assert (
        "eventcron: acme/two: name: got a new schedule 'acme/two'; allowed: at most 1 schedules of a tenant"
        in result.output
    )
    assert result.output.count("1 of 1 command put") == 0


def test_what_the_bus_refuses_is_named_and_the_rest_applied(deployment: Deployment) -> None:
    refusal = Refusal(index=0, code="AccessDenied", message="no", retryable=False)
    deployment.refuse = lambda detail: refusal if detail["name"] == "two" else None

    result = deployment.call(apply.command, "--json", files=[ONE, TWO])

    assert result.exit_code == 3
    answer = json.loads(result.stdout)
    assert answer["put"] == 1
    assert answer["failed"] == [{"name": "acme/two", "reason": "the bus did not take the command: AccessDenied: no"}]


def test_prune_names_whose_schedules_it_deletes(deployment: Deployment) -> None:
    deployment.call(apply.command, files=[ONE, TWO, {**ONE, "tenant": "globex"}])

    result = deployment.call(apply.command, "--prune", files=[ONE])

    assert result.exit_code == 0, result.output
    assert "- acme/two  deleted" in result.output
    assert "is deleted of: acme\n" in result.output
    assert deployment.taken[-1].keys() == {"tenant", "name", "revision"}


def test_files_that_declare_nothing_delete_only_what_a_named_tenant_has(deployment: Deployment) -> None:
    deployment.call(apply.command, files=[ONE])
    (deployment._folder / "schedules.jsonl").unlink()
    empty = deployment._folder / "empty"
    empty.mkdir()

    refused = CliRunner().invoke(apply.command, ["-f", str(empty), "--prune"])
    assert refused.exit_code == 2
    assert "declares nothing; name its tenant by --tenant" in refused.output
    deleted = CliRunner().invoke(apply.command, ["-f", str(empty), "--prune", "--tenant", "acme"])
    assert deleted.exit_code == 0, deleted.output
    assert "1 to delete" in deleted.output


def test_a_stopped_apply_says_what_was_put(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_until_signal
    works: list[Any] = []

    def stopped_at_second(work: Any) -> Any:
        works.append(work)
        if len(works) == 1:
            return whole(work)
        work.close()
        raise Stopped(signal.SIGINT)

    monkeypatch.setattr(apply, "run_until_signal", stopped_at_second)
    result = deployment.call(apply.command, files=[ONE])

    assert result.exit_code == 130
    assert "stopped; 0 of 1 command put; the same command puts what is left" in result.output


@pytest.mark.parametrize(("answer", "status", "put"), [(True, 0, 1), (False, 1, 0)])
def test_a_person_at_a_terminal_is_asked(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, answer: bool, status: int, put: int
) -> None:
    monkeypatch.setattr(apply, "_agreed", lambda _plan: answer)

    assert deployment.call(apply.command, files=[ONE]).exit_code == status
    assert len(deployment.taken) == put
    assert deployment.call(apply.command, "--yes", files=[TWO]).exit_code == 0


def test_ctrl_c_while_the_plan_is_shown_ends_alike(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_plan: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(apply, "show", interrupted)
    result = deployment.call(apply.command, files=[ONE])

    assert result.exit_code == 130
    assert "stopped; 0 of 1 command put" in result.output
