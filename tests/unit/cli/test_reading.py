"""get, list, tail and completion show what is stored and what happens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from eventcron.client.published import KINDS
from eventcron.entrypoints.cli import completion
from eventcron.entrypoints.cli import list as list_command
from eventcron.model.commands import PutCalendar
from eventcron.model.events import EVENT_DETAILS, Answer
from tests.unit.cli.deployed import Deployed, Runs, schedule


def test_get_shows_how_it_was_put_and_when_it_fires(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a", timezone="Europe/Oslo", input=[1], exclude=["2026-12-03"], labels={"team": "a"}))

    shown = run("get", "acme/a", "--fires", "2").output
    document = json.loads(run("get", "acme/a", "--fires", "2", "--json").output)

    assert "expression  0 9 * * *\n" in shown
    assert 'labels      {"team":"a"}\n' in shown
    assert "state       ENABLED\n" in shown
    assert (
        "next fires\n"
        "2026-12-02T08:00:00.000Z  2026-12-02T09:00:00.000+01:00\n"
        "2026-12-04T08:00:00.000Z  2026-12-04T09:00:00.000+01:00\n\nlast events: not kept; deploy with KeepHistory=ALL"
    ) in shown
    assert document["last_events"] is None
    assert document["schedule"]["input"] == [1]
    assert [fire["due"][:10] for fire in document["next_fires"]] == ["2026-12-02", "2026-12-04"]
    assert yaml.safe_load(run("get", "acme/a", "-o", "yaml").output)["state"] == "ENABLED"


@pytest.mark.parametrize(
    ("fields", "fires"),
    [
        pytest.param({"max_fires": 2}, ["2026-12-01T09:00", "2026-12-02T09:00"], id="max_fires"),
        pytest.param({"end": "2026-12-02T00:00:00Z"}, ["2026-12-01T09:00"], id="an end"),
        pytest.param({"state": "PAUSED"}, [], id="a pause"),
        pytest.param(
            {"expression": "* * * * *", "start": "2027-12-24T00:00:00Z"},
            ["2027-12-24T00:00", "2027-12-24T00:01", "2027-12-24T00:02"],
            id="a start in a year",
        ),
        pytest.param(
            {"expression": "* * * * * *", "exclude": ["2026-12-01/2027-03-01"]},
            ["2027-03-02T00:00"] * 3,
            id="three months excluded",
        ),
        pytest.param(
            {"expression": ["rate(1 minute)", "0 0 1 1 *"], "exclude": ["2026-12-01/2027-03-01"]},
            ["2027-03-02T00:00", "2027-03-02T00:01", "2027-03-02T00:02"],
            id="an interval excluded",
        ),
        pytest.param(
            {"exclude": ["calendar:norway"]},
            ["2026-12-01T09:00", "2026-12-04T09:00", "2026-12-05T09:00"],
            id="a calendar",
        ),
        pytest.param({"expression": "manual"}, [], id="by hand only"),
        pytest.param(
            {"expression": "0 0 29 2 *"}, ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"], id="leap days"
        ),
    ],
)
def test_the_next_fires_are_those_of_what_is_stored(
    run: Runs, deployed: Deployed, fields: dict[str, Any], fires: list[str]
) -> None:
    norway = PutCalendar(tenant="acme", name="norway", dates=["2026-12-02/2026-12-03"])
    deployed.seed(norway, schedule("a", **fields))

    document = json.loads(run("get", "acme/a", "--fires", "3", "--json").output)

    assert [fire["at"][:16] for fire in document["next_fires"]] == fires


def test_of_max_fires_those_that_were_count(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a", max_fires=5))
    deployed.clock.instant += 3 * 86_400_000

    document = json.loads(run("get", "acme/a", "--json").output)

    assert [fire["at"][:16] for fire in document["next_fires"]] == ["2026-12-04T09:00", "2026-12-05T09:00"]


def test_what_is_updated_paused_or_over_fires_as_it_is_now(run: Runs, deployed: Deployed) -> None:
    def fires() -> list[str]:
        shown = json.loads(run("get", "acme/a", "--fires", "2", "--json").output)
        return [fire["at"][:16] for fire in shown["next_fires"]]

    deployed.seed(schedule("a"), schedule("a", "30 10 * * *"))
    assert fires() == ["2026-12-01T10:30", "2026-12-02T10:30"]
    run("pause", "acme/a")
    assert fires() == []
    deployed.clock.instant += 86_400_000
    run("resume", "acme/a")
    assert fires() == ["2026-12-02T10:30", "2026-12-03T10:30"]
    deployed.seed(schedule("a", end="2026-12-02T11:00:00Z"))
    deployed.clock.instant += 86_400_000
    assert fires() == []


def test_no_fires_asked_for_are_not_said_to_be_none(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a"))

    assert "next fires" not in run("get", "acme/a", "--fires", "0").output


def test_a_window_fires_later_than_due(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a", flexible_window_seconds=3600))

    assert "due" in run("get", "acme/a", "--fires", "1", "--events", "0").output.splitlines()[-1]


@pytest.fixture
def many(deployed: Deployed) -> None:
    deployed.seed(
        schedule("night-a", labels={"team": "a"}),
        schedule("night-b", labels={"team": "b"}, state="PAUSED"),
        schedule("soon", "*/5 * * * *"),
        schedule("soon", "*/5 * * * *", tenant="beta"),
    )


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ([], ["acme/night-a", "acme/night-b", "acme/soon", "beta/soon"]),
        (["--tenant", "acme"], ["acme/night-a", "acme/night-b", "acme/soon"]),
        (["acme"], ["acme/night-a", "acme/night-b", "acme/soon"]),
        (["acme/night"], ["acme/night-a", "acme/night-b"]),
        (["night-b", "--tenant", "acme"], ["acme/night-b"]),
        (["--label", "team=a"], ["acme/night-a"]),
        (["--label", "team"], ["acme/night-a", "acme/night-b"]),
        (["--state", "paused"], ["acme/night-b"]),
        (["--next-before", "2026-12-01T08:30:00Z"], ["acme/soon", "beta/soon"]),
        (["acme", "--limit", "1"], ["acme/night-a"]),
        (["nobody"], []),
    ],
)
@pytest.mark.usefixtures("many")
def test_list_filters(run: Runs, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str], keys: list[str]) -> None:
    monkeypatch.setattr(list_command, "ROWS", 2)  # so that a list has several parts

    shown = run("list", *arguments).output
    document = json.loads(run("list", *arguments, "--json").output)
    same = yaml.safe_load(run("list", *arguments, "-o", "yaml").output)

    assert sorted(one["schedule"]["tenant"] + "/" + one["schedule"]["name"] for one in document["schedules"]) == keys
    assert same == document
    assert sorted(line.split()[0] for line in shown.splitlines() if "/" in line.split()[0]) == keys
    assert keys or shown == "no schedules\n"


def test_a_list_of_many_is_printed_part_by_part(run: Runs, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed.seed(*(schedule(f"job-{number:03}") for number in range(25)))
    printed: list[int] = []
    monkeypatch.setattr(list_command, "ROWS", 10)
    monkeypatch.setattr(list_command, "_print", lambda batch, **_: printed.append(len(batch)))

    run("list", "acme")

    assert printed == [10, 10, 5]


def _publishing(deployed: Deployed) -> None:
    """Let commands happen while somebody listens: each sleep sends the next one."""
    todo = [
        schedule("a"),
        schedule("a", tenant="beta"),
        schedule("late", "at(2020-01-01T00:00:00)"),
        PutCalendar(tenant="acme", name="no", dates=["2026-12-24"]),
    ]
    sleep = deployed.clock.sleep_until

    async def sleep_until(instant: int) -> None:
        await sleep(instant)
        if todo:
            async with deployed.connected("") as client:
                await client.send([todo.pop(0)])

    deployed.clock.sleep_until = sleep_until  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        pytest.param(["--count", "2"], ["acme/a", "beta/a"], id="all"),
        pytest.param(["--tenant", "beta", "--count", "1"], ["beta/a"], id="a tenant's"),
        pytest.param(["acme/l", "--count", "1"], ["acme/late"], id="by prefix"),
        pytest.param(["--only", "rejections", "--count", "1"], ["acme/late"], id="rejections"),
        pytest.param(["--only", "changes", "--tenant", "acme", "--count", "2"], ["acme/a", "acme/no"], id="changes"),
    ],
)
def test_tail_shows_what_is_published_and_passes(
    run: Runs, deployed: Deployed, arguments: Sequence[str], shown: list[str]
) -> None:
    _publishing(deployed)

    lines = run("tail", *arguments).output.splitlines()

    assert [line.split("  ")[1] for line in lines] == shown


def test_tail_for_programs_is_a_line_for_each_event(run: Runs, deployed: Deployed) -> None:
    _publishing(deployed)

    lines = run("tail", "--count", "2", "--json").output.splitlines()

    assert [json.loads(line)["detail-type"] for line in lines] == ["Schedule Created", "Schedule Created"]


def test_tail_names_what_is_particular() -> None:
    assert set(KINDS) == {"fires", "skips", "failures", "rejections", "runs", "changes"}


@pytest.mark.parametrize("name", sorted(EVENT_DETAILS))
def test_each_event_is_of_one_kind_and_the_ends_of_runs_are_no_changes(name: str) -> None:
    detail = {"fire_id": "a", "due": "b", "local_time": "c", "input": None} if name == "Schedule Fired" else {}
    event = Answer(detail_type=name, detail=detail, time="2026-12-01T08:00:00Z")

    (kind,) = (kind for kind, is_one in KINDS.items() if is_one(event))

    assert (kind == "runs") == name.startswith("Run ")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("incomplete", "tenant", "found"),
    [
        ("", None, ["acme/", "beta/"]),
        ("be", None, ["beta/"]),
        ("acme/ni", None, ["acme/night-a", "acme/night-b"]),
        ("s", "acme", ["soon"]),
        ("nobody/", None, []),
    ],
)
async def test_completion_knows_tenants_and_schedules(
    deployed: Deployed, incomplete: str, tenant: str | None, found: list[str]
) -> None:
    async with deployed.connected("") as client:
        assert await completion.schedules(client, incomplete, tenant) == found


@pytest.mark.usefixtures("many")
async def test_completion_knows_tenants_and_calendars(deployed: Deployed) -> None:
    async with deployed.connected("") as client:
        for tenant, name in (("acme", "norway"), ("acme", "sweden"), ("beta", "norway")):
            await client.put_calendar(tenant, name, ["2026-12-24"])

        assert await completion.tenants(client, "", None) == ["acme", "beta"]
        assert await completion.tenants(client, "b", None) == ["beta"]
        assert await completion.calendars(client, "acme/n", None) == ["acme/norway"]
        assert await completion.calendars(client, "", "beta") == ["norway"]


def test_where_there_is_no_deployment_nothing_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(completion, "SECONDS", 0.5)
    where = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, text in (where | {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}).items():
        monkeypatch.setenv(name, text)

    assert completion.complete_tenant(click.Context(click.Command("list")), click.Option(["--tenant"]), "a") == []
    assert capsys.readouterr() == ("", "")
