"""``eventcron apply`` and ``diff``: only what differs is put, and the plan says what that changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from eventcron.app.restore import detail_type_of
from eventcron.model.commands import PauseSchedule, PutCalendar
from eventcron.ports import Refusal
from eventcron.rules.export import Exported
from tests.unit.cli.deployed import Deployed, Runs, schedule


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    """Three declared schedules, of which two are stored as declared."""
    path = tmp_path / "schedules.yaml"
    path.write_text(
        "- {tenant: acme, name: nightly, expression: 0 2 * * *}\n"
        "- {name: weekly, tenant: acme, expression: 0 9 * * MON, priority: 5}\n"
        "- {tenant: acme, name: report, expression: 0 11 * * *}\n"
    )
    return path


@pytest.fixture(name="stored")
def _stored(deployed: Deployed) -> Deployed:
    deployed.seed(
        schedule("nightly", "0 2 * * *"), schedule("weekly", "0 9 * * MON"), schedule("report", "0 10 * * *"),
        schedule("forgotten"), schedule("theirs", tenant="beta"),
    )  # fmt: skip
    deployed.put_details.clear()
    return deployed


def test_diff_says_which_fields_change_and_which_fires_move(run: Runs, stored: Deployed, file: Path) -> None:
    result = run("diff", "-f", str(file), status=1)

    assert result.stdout == (
        "~ acme/report\n"
        "    expression: 0 10 * * * → 0 11 * * *\n"
        "    7 fires move: 2026-12-01T10:00:00Z → 2026-12-01T11:00:00Z, 2026-12-02T10:00:00Z → 2026-12-02T11:00:00Z,"
        " 2026-12-03T10:00:00Z → 2026-12-03T11:00:00Z, …\n"
        "\n"
        "1 to update, 2 unchanged; 7 fires added and 7 removed within seven days\n"
    )
    assert stored.put_details == []


def test_apply_puts_only_what_differs_and_a_second_one_nothing(run: Runs, stored: Deployed, file: Path) -> None:
    assert "1 change applied" in run("apply", "-f", str(file), "--yes").stdout
    assert [detail["name"] for detail in stored.put_details] == ["report"]

    again = run("apply", "-f", str(file), "--yes")
    assert again.stdout == "nothing to change, 3 unchanged\n"
    assert len(stored.put_details) == 1
    assert run("diff", "-f", str(file)).exit_code == 0


def test_pruning_deletes_what_is_not_declared_of_the_tenants_that_are_named(
    run: Runs, stored: Deployed, file: Path
) -> None:
    plan = json.loads(run("diff", "-f", str(file), "--prune", "--json", status=1).stdout)
    assert [(one["kind"], one["name"]) for one in plan["changes"]] == [
        ("update", "acme/report"), ("delete", "acme/forgotten"),
    ]  # fmt: skip
    assert plan["changes"][1]["fires_removed"] == 7

    run("apply", "-f", str(file), "--prune", "--yes")
    names = {json.loads(line)["detail"]["name"] for line in exported(stored)}
    assert names == {"nightly", "weekly", "report", "theirs"}


def test_a_dry_run_sends_nothing(run: Runs, stored: Deployed, file: Path) -> None:
    assert "1 to update" in run("apply", "-f", str(file), "--dry-run").stdout
    assert stored.put_details == []


def test_a_folder_is_read_whole(run: Runs, stored: Deployed, file: Path) -> None:
    deeper = file.parent / "beta" / "more.jsonl"
    deeper.parent.mkdir()
    deeper.write_text('{"tenant": "beta", "name": "new", "expression": "@hourly"}\n')
    (file.parent / "notes.txt").write_text("not read")

    plan = json.loads(run("diff", "-f", str(file.parent), "--json", status=1).stdout)

    assert [(one["kind"], one["name"], one["fires_added"]) for one in plan["changes"]] == [
        ("create", "beta/new", 7 * 24), ("update", "acme/report", 7),
    ]  # fmt: skip


def test_only_one_tenant_is_compared(run: Runs, stored: Deployed, file: Path) -> None:
    plan = json.loads(run("diff", "-f", str(file), "--tenant", "beta", "--prune", "--json", status=1).stdout)

    assert [(one["kind"], one["name"]) for one in plan["changes"]] == [("delete", "beta/theirs")]


def exported(deployed: Deployed) -> list[str]:
    """The lines of an export."""
    lines: list[str] = []

    def write(commands: Sequence[Exported]) -> None:
        for one in commands:
            detail = msgspec.json.decode(msgspec.json.encode(one))
            lines.append(json.dumps({"detail-type": detail_type_of(one), "detail": detail}))

    asyncio.run(deployed.cases.exporter.run(write))
    return lines


def test_an_export_applied_where_it_came_from_changes_nothing(run: Runs, deployed: Deployed, tmp_path: Path) -> None:
    calendar = PutCalendar(tenant="acme", name="norway", dates=["2026-12-25"])
    deployed.seed(
        calendar, schedule("free", exclude=["calendar:norway"]), schedule("rate", "rate(90 minutes)", max_fires=1_000),
        schedule("paused"), PauseSchedule(tenant="acme", name="paused"), schedule("large", input="x" * 5_000),
    )  # fmt: skip
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(exported(deployed)))

    plan = json.loads(run("apply", "-f", str(path), "--prune", "--dry-run", "--json").stdout)

    assert plan["changes"] == plan["rejected"] == []
    assert plan["unchanged"] == 5


def test_an_export_makes_an_empty_deployment_the_same_calendars_and_pauses_included(
    run: Runs, deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calendar = PutCalendar(tenant="acme", name="norway", dates=["2026-12-25"])
    deployed.seed(calendar, schedule("free", exclude=["calendar:norway"]), schedule("paused"))
    deployed.seed(PauseSchedule(tenant="acme", name="paused"))
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(exported(deployed)))
    empty = Deployed()

    Runs(empty, monkeypatch)("apply", "-f", str(path), "--yes")

    made = [json.loads(line) for line in exported(empty)]
    assert {line["detail"]["name"] for line in made} == {"norway", "free", "paused"}
    assert [line["detail"]["state"] for line in made if line["detail"]["name"] == "paused"] == ["PAUSED"]


def test_an_older_revision_than_what_was_applied_stays(run: Runs, deployed: Deployed, tmp_path: Path) -> None:
    deployed.seed(schedule("report", "0 10 * * *", revision=50))
    path = tmp_path / "old.jsonl"
    path.write_text('{"tenant": "acme", "name": "report", "expression": "0 9 * * *", "revision": 49}\n')

    result = run("apply", "-f", str(path), "--yes")

    assert result.stdout == "nothing to change, 0 unchanged, 1 older than what is stored\n"
    assert "acme/report stays: a later change was applied" in result.stderr


def test_what_is_no_schedule_is_named_the_rest_applied_and_the_status_3(
    run: Runs, deployed: Deployed, tmp_path: Path
) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(
        "- {tenant: acme, name: bad, expression: 61 * * * *}\n- {tenant: acme, name: never, expression: 0 0 31 2 *}\n"
        "- {tenant: acme, name: good, expression: '@daily'}\n"
    )

    result = run("apply", "-f", str(path), "--yes", status=3)

    assert [detail["name"] for detail in deployed.put_details] == ["good"]
    assert f"eventcron: {path}:1: minute" in result.stderr
    assert f"eventcron: {path}:2: day_of_month" in result.stderr


def test_what_the_bus_refuses_or_the_deployment_rejects_is_named_and_the_status_3(
    run: Runs, deployed: Deployed, file: Path
) -> None:
    deployed.refuse = lambda detail: (
        Refusal(index=0, code="AccessDenied", message="no", retryable=False) if detail["name"] == "report" else None
    )

    result = run("apply", "-f", str(file), "--yes", status=3)

    assert "2 changes applied" in result.stdout
    assert "eventcron: acme/report: the bus did not take the command: AccessDenied: no" in result.stderr


def test_pruning_by_a_file_that_names_no_tenant_asks_for_one(run: Runs, tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    path.write_text("[]")

    assert "give --tenant" in run("apply", "-f", str(path), "--prune", status=2).stderr


def test_a_folder_without_files_is_a_mistake(run: Runs, tmp_path: Path) -> None:
    assert "has no file that ends in" in run("diff", "-f", str(tmp_path), status=2).stderr
