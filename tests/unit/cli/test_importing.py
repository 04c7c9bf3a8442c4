"""``eventcron import`` from the command line: what it prints, lists and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventcron.entrypoints.cli.main import main
from eventcron.migrate import FORMATS
from eventcron.preview.files import read_schedules
from tests.unit.migrate.imports import FILES


def _run(*argv: str) -> int:
    with pytest.raises(SystemExit) as exited:
        main(["import", *argv])
    return int(exited.value.code or 0)


def _file(folder: Path, text: str, name: str = "crontab") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_what_can_be_said_is_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = _run("crontab", _file(tmp_path, "30 2 * * * /opt/export\n"), "--tenant", "acme", "-o", "jsonl")

    out, err = capsys.readouterr()
    assert status == 0
    assert json.loads(out)["expression"] == "30 2 * * *"
    assert err == "eventcron: 1 schedule imported\n"


def test_what_cannot_be_said_is_listed_with_status_3(capsys: pytest.CaptureFixture[str]) -> None:
    status = _run("crontab", str(FILES / "system.crontab"))

    out, err = capsys.readouterr()
    path = FILES / "system.crontab"
    assert status == 3
    assert (
        f"eventcron: not imported: {path}:19: @reboot root /usr/local/bin/announce --up: eventcron does not know when a"
        " machine starts; nearest: manual, and Run Schedule from what starts up" in err
    )
    assert f"eventcron: imported without: {path}:9: MAILTO=ops@example.org" in err
    assert "# not imported" in out


#: A file of each format, and of each kind of file that a format has.
SOURCES = [
    ("celery", "celery_app.py.txt"),
    ("crontab", "system.crontab"),
    ("crontab", "user.crontab"),
    ("eventbridge", "plan.json"),
    ("eventbridge", "serverless.yml"),
    ("eventbridge", "template.yaml"),
    ("github-actions", "nightly.yml"),
    ("jenkins", "jobs/deploy/config.xml"),
    ("jenkins", "jobs/nightly/Jenkinsfile"),
    ("jenkins", "seed.groovy"),
    ("kubernetes", "chart.yaml"),
    ("quartz", "beans.xml"),
    ("quartz", "quartz_jobs.xml"),
    ("quartz", "repository.properties"),
    ("sidekiq", "schedule.yml"),
    ("sidekiq", "sidekiq.yml"),
    ("spring", "Jobs.java"),
    ("spring", "application.yml"),
    ("spring", "beans.xml"),
    ("systemd", "timers/backup.timer"),
]


def test_every_format_has_a_file() -> None:
    assert {source for source, _ in SOURCES} == set(FORMATS)


@pytest.mark.parametrize("output", ["yaml", "jsonl"])
@pytest.mark.parametrize(("source", "name"), SOURCES)
def test_simulate_reads_what_import_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, name: str, output: str
) -> None:
    _run(source, str(FILES / name), "-o", output)
    written = Path(_file(tmp_path, capsys.readouterr().out, f"schedules.{output}"))

    entries = list(read_schedules([written]))

    assert entries
    assert [str(entry.error) for entry in entries if entry.error is not None] == []


def test_yaml_and_json_lines_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "0 1 * * * echo 'on: yes, ~ 1e3 #x' \x7f \u2028 %{\"a\": \\%}\n"
    path = _file(tmp_path, line)
    texts = []
    for output in ("yaml", "jsonl"):
        _run("crontab", path, "-o", output)
        texts.append(Path(_file(tmp_path, capsys.readouterr().out, f"schedules.{output}")))

    yaml, jsonl = (next(read_schedules([text])).schedule for text in texts)
    assert yaml is not None
    assert jsonl is not None
    assert json.loads(bytes(yaml.input)) == json.loads(bytes(jsonl.input))
    assert yaml.display_name == jsonl.display_name


def test_what_is_listed_sends_nothing_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run("crontab", _file(tmp_path, "@reboot \x1b[2J\x07 rm\n"))

    printed = "".join(capsys.readouterr())
    assert "\x1b" not in printed
    assert "@reboot \\u001b[2J\\u0007 rm" in printed


def test_several_files_share_the_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = _file(tmp_path, "@daily /x\n", "one"), _file(tmp_path, "@daily /x\n", "two")

    assert _run("crontab", one, two, "--json") == 0
    schedules = json.loads(capsys.readouterr().out)["schedules"]
    assert [(entry["origin"], entry["schedule"]["name"]) for entry in schedules] == [
        (f"{one}:1", "x"),
        (f"{two}:1", "x-2"),
    ]


def test_json_has_all_that_is_unsaid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _file(tmp_path, "@reboot /x\n")

    assert _run("crontab", path, "--json") == 3
    assert json.loads(capsys.readouterr().out) == {
        "schedules": [],
        "subscriptions": [],
        "unsaid": [
            {
                "origin": f"{path}:1",
                "name": "/x",
                "given": "@reboot /x",
                "reason": "eventcron does not know when a machine starts",
                "nearest": "manual, and Run Schedule from what starts up",
                "imported_without_it": False,
            }
        ],
    }


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param(["crontab", "missing"], "eventcron: missing: no such file or directory", id="missing-file"),
        pytest.param(["fcrontab", "x"], "'fcrontab' is not one of", id="unknown-format"),
        pytest.param(["crontab"], "Missing argument 'FILES...'", id="no-file"),
    ],
)
def test_a_mistake_is_status_2(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    assert _run(*argv) == 2
    assert message in capsys.readouterr().err


def test_a_file_of_another_format_is_named_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _file(tmp_path, "apiVersion: batch/v1\nkind: CronJob\n")

    assert _run("crontab", path) == 2
    assert capsys.readouterr().err == (
        f"eventcron: {path}:1: not of the format crontab but a Kubernetes manifest; read it with `eventcron import"
        " kubernetes`\n"
    )


def test_an_invalid_tenant_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("crontab", _file(tmp_path, "@daily /x\n"), "--tenant", "a b") == 2
    assert "--tenant: got 'a b'; allowed: 1-64 of A-Z a-z 0-9 . _ -" in capsys.readouterr().err


def test_an_unknown_zone_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("crontab", _file(tmp_path, "@daily /x\n"), "--timezone", "Oslo") == 2
    assert "did you mean Europe/Oslo?" in capsys.readouterr().err
