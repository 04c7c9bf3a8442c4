"""put, delete, pause, resume, run, backfill and calendars: success, bad input, partial failure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from eventcron.entrypoints.cli.main import main
from eventcron.model.commands import PauseSchedule
from eventcron.ports import Refusal
from tests.unit.cli.deployed import Deployed, Runs, schedule


def test_put_says_what_came_of_it(run: Runs, deployed: Deployed) -> None:
    assert (
        run("put", "acme/nightly", "0 2 * * *", "--timezone", "Europe/Oslo").output
        == "acme/nightly: Schedule Created\n"
    )
    assert run("put", "nightly", "0 3 * * *", "--tenant", "acme", "--json").output.startswith(
        '{\n  "event_id": "event-2"'
    )
    assert deployed.put_details[0] == {
        "tenant": "acme", "name": "nightly", "expression": "0 2 * * *", "timezone": "Europe/Oslo"
    }  # fmt: skip


def test_put_takes_every_field(run: Runs, deployed: Deployed, tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"report": "leads"}\n')

    run(
        "put", "acme/a", "0 2 * * *", "0 4 * * *", "--gap", "skip", "--overlap", "twice", "--exclude", "2026-12-24",
        "--start", "2026-12-02", "--end", "2027-01-01T00:00:00Z", "--max-fires", "3", "--input", f"@{file}",
        "--label", "team=a", "--label", "cost=b=c", "--priority", "7", "--description", "every night",
        "--display-name", "A", "--route", "blue",
        "--detail-type", "Report Due", "--window", "60", "--misfire", "skip", "--grace", "300", "--paused",
        "--delete-after", "--revision", "1796112000000",
    )  # fmt: skip

    assert deployed.put_details == [
        {
            "tenant": "acme",
            "name": "a",
            "expression": ["0 2 * * *", "0 4 * * *"],
            "daylight_saving": {"gap": "skip", "overlap": "twice"},
            "exclude": ["2026-12-24"],
            "start": "2026-12-02T00:00:00Z",
            "end": "2027-01-01T00:00:00Z",
            "max_fires": 3,
            "state": "PAUSED",
            "input": {"report": "leads"},
            "detail_type": "Report Due",
            "display_name": "A",
            "route": "blue",
            "labels": {"team": "a", "cost": "b=c"},
            "priority": 7,
            "description": "every night",
            "flexible_window_seconds": 60,
            "misfire": {"policy": "skip", "grace_seconds": 300},
            "after_completion": "DELETE",
            "revision": 1796112000000,
        }
    ]


def test_put_takes_what_runs_and_reports_are_about(run: Runs, deployed: Deployed) -> None:
    run(
        "put", "acme/a", "0 2 * * *", "--track", "--timeout", "90", "--while-running", "queue_one", "--pause-after", "3"
    )  # fmt: skip
    run("put", "acme/b", "0 2 * * *", "--expect-within", "900")

    tracked, expected = deployed.put_details
    assert tracked["runs"] == {"track": True, "timeout_seconds": 90, "overlap": "queue_one", "pause_after_failures": 3}
    assert expected == {"tenant": "acme", "name": "b", "expression": "0 2 * * *", "expect": {"within_seconds": 900}}


def test_without_waiting_only_the_event_is_named(run: Runs) -> None:
    said = run("put", "acme/a", "@daily", "--no-wait").output

    assert said == "acme/a: put (event event-1); the command did not wait for the answer\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["put", "a", "@daily"], "'a' names no schedule; give TENANT/NAME, or NAME and", id="no tenant"),
        pytest.param(["put", "acme/", "@daily"], "'acme/' names no schedule", id="no name"),
        pytest.param(["put", "acme/a", "@daily", "--tenant", "b"], "'acme/a' is not of --tenant b", id="two tenants"),
        pytest.param(["put", "acme/a"], "Missing argument 'EXPRESSION", id="no expression"),
        pytest.param(["put", "acme/a", "@daily", "--input", "{a"], "is no JSON", id="an input"),
        pytest.param(["put", "acme/a", "@daily", "--input", "@/none"], "the file cannot be read", id="a file"),
        pytest.param(["put", "acme/a", "@daily", "--label", "a"], "'a' is no label; give KEY=TEXT", id="a label"),
        pytest.param(["pause"], "give TENANT/NAME, or --tenant TENANT", id="pause nothing"),
        pytest.param(["pause", "--tenant", "a", "--revision", "1"], "--revision is for one", id="pause all at"),
        pytest.param(["resume"], "give TENANT/NAME, or --tenant TENANT", id="resume nothing"),
        pytest.param(["resume", "--tenant", "a", "--revision", "1"], "--revision is for one", id="resume all at"),
        pytest.param(
            ["backfill", "acme/a", "--from", "now"], "give --from and --until, or --cancel ID", id="half a span"
        ),
        pytest.param(
            ["backfill", "acme/a", "--cancel", "x", "--from", "now"], "--cancel ID stands alone", id="start and cancel"
        ),
        pytest.param(["calendars", "put", "acme/c"], "give the days: DATE…, or --file FILE", id="no days"),
        pytest.param(["list", "/a"], "names no tenant", id="no tenant in a list"),
        pytest.param(["tail", "/a"], "names no tenant", id="no tenant to tail"),
    ],
)
def test_a_mistake_in_the_arguments_is_status_2(
    run: Runs, deployed: Deployed, arguments: Sequence[str], says: str
) -> None:
    assert says in run(*arguments, status=2).output
    assert deployed.put_details == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["put", "acme/a", "61 * * * *"], "minute: got '61'; allowed: 0-59", id="before it is sent"),
        pytest.param(["put", "acme/a", "at(2020-01-01T00:00:00)"], "expression: got", id="by the deployment"),
        pytest.param(["put", "ac me/a", "@daily"], "tenant: got 'ac me'", id="a tenant's name"),
        pytest.param(["get", "acme/none"], "name: got 'acme/none'; allowed: a schedule that exists", id="get"),
        pytest.param(["delete", "acme/none"], "allowed: a schedule that exists", id="delete"),
        pytest.param(["pause", "acme/none"], "allowed: a schedule that exists", id="pause"),
        pytest.param(["resume", "acme/none"], "allowed: a schedule that exists", id="resume"),
        pytest.param(["run", "acme/none", "--wait"], "allowed: a schedule that exists", id="run"),
        pytest.param(["calendars", "get", "acme/none"], "allowed: a calendar that exists", id="calendar"),
        pytest.param(["calendars", "delete", "acme/none"], "allowed: a calendar that exists", id="no calendar"),
        pytest.param(["calendars", "put", "acme/c", "2026-02-30"], "dates.0: got '2026-02-30'", id="no date"),
    ],
)
def test_what_is_refused_says_why_and_is_status_2(run: Runs, arguments: Sequence[str], says: str) -> None:
    error = run.error(*arguments)

    assert says in str(error)
    assert not error.retryable


@pytest.mark.parametrize(
    "arguments",
    [
        ("get", "acme/" + "x" * 129),
        ("get", "a b/x"),
        ("list", "y" * 65),
        ("list", "--tenant", "é"),
        ("pause", "--tenant", "é"),
        ("calendars", "get", "acme/é"),
        ("tail", "é"),
        ("limits", "é"),
        ("upcoming", "--tenant", "é"),
        ("backfills", "show", "acme/nightly/é"),
        ("backfills", "show", "é/nightly/1"),
    ],
    ids=" ".join,
)
def test_a_name_that_nothing_can_have_is_refused_before_anything_is_read(run: Runs, arguments: Sequence[str]) -> None:
    assert re.search(
        r"^(name|tenant|backfill_id): got .*; allowed: (1-\d+ of A-Z|the id of a backfill)", str(run.error(*arguments))
    )


def test_no_arguments_are_text_in_another_encoding(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["put", "acme/nightly", "@daily", "--input", '"\udcff"'])

    assert ended.value.code == 2
    assert capsys.readouterr().err == "eventcron: '\"\\udcff\"' is no text in UTF-8\n"


@pytest.mark.parametrize("arguments", [["put", "acme/a", "@daily"], ["delete", "acme/a"]])
def test_what_is_not_answered_or_not_taken_is_status_1(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.run(monkeypatch, *arguments)  # patches the module
    for outcome in ("lost", Refusal(index=0, code="EntryTooLarge", message="no", retryable=False)):
        deployed.refuse = lambda _detail, outcome=outcome: outcome  # type: ignore[misc]
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "was not answered within 5 s; it may still be applied" in said
    assert "the bus did not take the command: EntryTooLarge: no" in said


def test_delete_pause_and_resume_say_what_came_of_it(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a"))

    assert run("pause", "acme/a").output == "acme/a: Schedule Paused\n"
    deployed.clock.instant += 1_000
    assert run("resume", "acme/a", "--missed", "fire_once").output == "acme/a: Schedule Resumed\n"
    deployed.clock.instant += 1_000
    assert run("delete", "acme/a").output == "acme/a: Schedule Deleted\n"


def states(run: Runs) -> dict[str, str]:
    listed = json.loads(run("list", "acme", "--json").output)["schedules"]
    return {one["schedule"]["name"]: one["state"] for one in listed}


def test_a_tenant_is_paused_and_resumed_but_for_what_was_paused_before(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a"), schedule("b"), schedule("c"), schedule("other", tenant="beta"))
    deployed.seed(PauseSchedule(tenant="acme", name="b"))

    assert run("pause", "--tenant", "acme").output == "2 schedules paused\n"
    assert states(run) == {"a": "PAUSED", "b": "PAUSED", "c": "PAUSED"}
    assert run("pause", "--tenant", "acme").output == "0 schedules paused\n"
    assert json.loads(run("resume", "--tenant", "acme", "--json").output) == {"resumed": 2, "failed": {}}
    assert states(run) == {"a": "ENABLED", "b": "PAUSED", "c": "ENABLED"}
    assert run("resume", "--tenant", "acme").output == "0 schedules resumed\n"


def test_what_is_resumed_or_paused_by_itself_meanwhile_stays_so(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a"), schedule("b"), schedule("c"))
    run("pause", "--tenant", "acme")
    deployed.clock.instant += 1_000
    run("pause", "acme/a")
    run("resume", "acme/b")

    assert run("resume", "--tenant", "acme").output == "1 schedule resumed\n"
    assert states(run) == {"a": "PAUSED", "b": "ENABLED", "c": "ENABLED"}


@pytest.mark.parametrize(("refused", "status"), [({"b"}, 3), ({"a", "b", "c"}, 1)])
def test_where_some_fail_the_status_is_3_and_where_all_do_1(
    run: Runs, deployed: Deployed, refused: set[str], status: int
) -> None:
    deployed.seed(schedule("a"), schedule("b"), schedule("c"))
    deployed.refuse = lambda detail: (
        Refusal(index=0, code="TooLarge", retryable=False) if detail["name"] in refused else None
    )

    result = run("pause", "--tenant", "acme", status=status)

    assert f"{3 - len(refused)} schedule" in result.output
    assert "eventcron: acme/b: the bus did not take the command: TooLarge" in result.output


def test_run_shows_the_fire(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a"))

    assert run("run", "acme/a").output.startswith("acme/a: asked to run (event ")
    shown = run("run", "acme/a", "--id", "mine", "--wait").output
    assert shown.startswith("acme/a: Schedule Fired, due 2026-12-01T08:00:01.000Z, fire ")
    document = json.loads(run("run", "acme/a", "--wait", "--json").output)
    assert document["detail"]["cause"] == "run"


def test_a_backfill_is_followed_to_its_end(run: Runs, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed.seed(schedule("a", "0 * * * *"))
    span = ("--from", "2026-11-30T00:00:00Z", "--until", "2026-11-30T08:00:00Z")

    assert run("backfill", "acme/a", *span, "--id", "one").output.startswith("acme/a: asked for backfill one (event ")
    _tick_as_time_passes(deployed)
    ended = run("backfill", "acme/a", *span, "--id", "two", "--per-minute", "600", "--wait")
    assert ended.output == "acme/a: backfill two completed: 8 fires, 0 skipped\n"


@pytest.mark.parametrize("until", ["2026-11-01", "2026-10-31", "2027-11-03"])
def test_the_span_of_a_backfill_is_checked_before_anything_is_sent(run: Runs, deployed: Deployed, until: str) -> None:
    deployed.seed(schedule("a"))
    sent = len(deployed.put_details)

    error = run.error("backfill", "acme/a", "--from", "2026-11-01", "--until", until)

    assert "allowed: after 2026-11-01T00:00:00.000Z and at most 366 days later" in str(error)
    assert len(deployed.put_details) == sent


def test_a_backfill_that_is_cancelled_meanwhile_is_status_1(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a", "0 * * * *"))
    span = ("--from", "2026-11-30T00:00:00Z", "--until", "2026-11-30T08:00:00Z")
    run("backfill", "acme/a", *span, "--id", "one")

    assert run("backfill", "acme/a", "--cancel", "one", "--wait").output == "acme/a: Schedule Backfilled\n"
    ended = run("backfill", "acme/a", *span, "--id", "one", "--wait", "--json", status=1)
    assert json.loads(ended.output)["state"] == "CANCELLED"


def _tick_as_time_passes(deployed: Deployed) -> None:
    """Let whoever sleeps on the clock meet a tick."""
    sleep = deployed.clock.sleep_until

    async def sleep_until(instant: int) -> None:
        await sleep(instant)
        await deployed.cases.backfiller.run(deadline=instant + 60_000)

    deployed.clock.sleep_until = sleep_until  # type: ignore[method-assign]


def test_calendars_are_put_listed_shown_and_deleted(run: Runs, deployed: Deployed, tmp_path: Path) -> None:
    file = tmp_path / "days.json"
    file.write_text('["2027-01-01", "2027-05-17"]')

    assert run("calendars", "list").output == "no calendars\n"
    assert run("calendars", "put", "acme/no", "2026-12-24/2026-12-26").output == "acme/no: Calendar Updated\n"
    run("calendars", "put", "beta/no", "--file", str(file))
    assert run("calendars", "get", "acme/no").output == "2026-12-24/2026-12-26\n"
    assert run("calendars", "get", "beta/no").output == "2027-01-01\n2027-05-17\n"
    assert run("calendars", "list").output.splitlines()[1].split()[:2] == ["acme/no", "3"]
    listed = json.loads(run("calendars", "list", "--tenant", "beta", "--json").output)
    assert [(one["tenant"], one["days"]) for one in listed["calendars"]] == [("beta", 2)]
    deployed.clock.instant += 1_000
    assert run("calendars", "delete", "acme/no").output == "acme/no: Calendar Deleted\n"
