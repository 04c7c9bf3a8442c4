"""The options that every command on a deployment has: which deployment, and in which form to print."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from eventcron.adapters.aws.accounts import Account
from eventcron.client.dev_file import Dev, announced
from eventcron.entrypoints.cli import operations
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.main import cli
from eventcron.entrypoints.cli.operations import account_of, stack_option


@click.command()
@stack_option
@json_option
def show(stack: str, *, as_json: bool) -> None:
    document = {"stack": stack, "profile": operations.current_account().profile, "days": ["å"]}
    if as_json:
        print_document(document)
    else:
        click.echo("a table")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(show, ["--profile", "mine", *arguments])


JSON = '{\n  "stack": "eventcron",\n  "profile": "mine",\n  "days": [\n    "å"\n  ]\n}\n'
YAML = "stack: eventcron\nprofile: mine\ndays:\n- å\n"


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ([], "a table\n"),
        (["-o", "table"], "a table\n"),
        (["--json"], JSON),
        (["-o", "json"], JSON),
        (["--json", "-o", "json"], JSON),
        (["-o", "yaml"], YAML),
        (["--output", "yaml"], YAML),
    ],
)
def test_the_form_is_as_asked(arguments: list[str], printed: str) -> None:
    assert run(*arguments).output == printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--json", "-o", "yaml"], "give --json or -o yaml, not both"),
        (["-o", "xml"], "'xml' is not one of 'table', 'json', 'yaml'"),
    ],
)
def test_two_forms_or_an_unknown_one_are_a_mistake(arguments: list[str], says: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert says in result.output


def test_a_running_dev_is_used_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
        dev = Dev(pid=os.getpid(), endpoint=endpoint, region="eu-west-1", access_key_id="a", secret_access_key="b")
        with announced(dev, tmp_path):
            found = account_of({}, tmp_path, {})
            note = capsys.readouterr().err
            elsewhere = account_of({"region": "eu-north-1"}, tmp_path, {})
            capsys.readouterr()
            named = account_of({"profile": "mine"}, tmp_path, {})
            called = account_of({"endpoint_url": "http://127.0.0.1:1"}, tmp_path, {})
            environment = account_of({"region": "eu-north-1"}, tmp_path, {"AWS_PROFILE": "mine"})

    assert found == Account(region="eu-west-1", endpoint=endpoint, keys=("a", "b"))
    assert note == f"eventcron: using `eventcron dev` at {endpoint}, as {tmp_path}/.eventcron/dev.json says\n"
    assert elsewhere == Account(region="eu-north-1", endpoint=endpoint, keys=("a", "b"))
    assert named == Account(profile="mine")
    assert called == Account(endpoint="http://127.0.0.1:1")
    assert environment == Account(region="eu-north-1")
    assert capsys.readouterr().err == ""


def test_a_command_that_connects_twice_says_once_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
        dev = Dev(pid=os.getpid(), endpoint=endpoint, region="eu-west-1", access_key_id="a", secret_access_key="b")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(os, "environ", {})
        with announced(dev, tmp_path), click.Context(show):
            first, second = operations.current_account(), operations.current_account()

    assert first == second
    assert first.endpoint == endpoint
    assert capsys.readouterr().err.count("using `eventcron dev`") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["next", "0 9 * * MON", "--from", "2026-12-01"],
        ["explain", "0 9 * * MON", "--from", "2026-12-01", "--timezone", "Europe/Oslo"],
        ["convert", "--from", "quartz", "--to", "eventcron", "0/30 * * * * ?"],
        ["cost", "--schedules", "5", "--fires-per-day", "1"],
        ["simulate", "FILE", "--from", "2026-12-01", "--for", "1m"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_needs_no_deployment_prints_json_and_yaml_too(arguments: list[str], tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text('{"tenant": "acme", "name": "job", "expression": "* * * * *"}\n')
    given = [str(file) if argument == "FILE" else argument for argument in arguments]

    as_json = CliRunner().invoke(cli, [*given, "--json"]).output
    as_yaml = CliRunner().invoke(cli, [*given, "-o", "yaml"]).output

    assert yaml.safe_load(as_yaml) == json.loads(as_json)
    assert as_yaml[0] not in "{["
