"""The how-to pages work: their aws commands run, their templates are valid, their Python does what it asserts."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest

from eventcron.local import template
from tests.docs.pages import ROOT, blocks, read, rows
from tests.emulators import ministack_server, use_endpoint

PAGES = [f"docs/how-to/{path.name}" for path in sorted((ROOT / "docs" / "how-to").glob("*.md"))]
WITH_COMMANDS = [page for page in PAGES if blocks(page, "sh")]
TEMPLATES = [(page, text) for page in PAGES for text in blocks(page, "yaml")]
PYTHON = [(page, text) for page in PAGES for text in blocks(page, "python")]
#: Version 1 of the AWS CLI, which is what PyPI has, does not ask AWS_ENDPOINT_URL for SQS.
SHELL = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'
SERVICES = "events,sqs,sns,lambda,states,stepfunctions,iam,sts"
ROLE = "arn:aws:iam::000000000000:role/any"


class Account(NamedTuple):
    """An account that has the bus, and what the pages say you have."""

    #: Of a shell in it.
    environment: dict[str, str]
    events: Any


@pytest.fixture(name="account", scope="module")
def _account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, ministack_server(home, services=SERVICES) as endpoint:
        use_endpoint(patch, endpoint)
        _prepare()
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "AWS_REGION": "us-east-1", "HOME": str(home), "PATH": path}
        yield Account(environment, boto3.client("events"))


def _prepare() -> None:
    boto3.client("events").create_event_bus(Name="eventcron")
    boto3.client("sqs").create_queue(QueueName="acme-work")
    boto3.client("sns").create_topic(Name="acme-fires")
    boto3.client("iam").create_role(RoleName="acme-backend", AssumeRolePolicyDocument="{}")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("export.py", "def handler(event, context): pass\n")
    boto3.client("lambda").create_function(
        FunctionName="acme-export",
        Role=ROLE,
        Runtime="python3.13",
        Handler="export.handler",
        Code={"ZipFile": code.getvalue()},
    )
    definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    boto3.client("stepfunctions").create_state_machine(
        name="acme-export", roleArn=ROLE, definition=json.dumps(definition)
    )


@pytest.mark.embedded
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_the_commands_run_and_the_rule_has_its_target(page: str, account: Account) -> None:
    script = SHELL + "".join(blocks(page, "sh"))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=account.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

    for rule in re.findall(r"put-targets --event-bus-name eventcron --rule (\S+)", script):
        targets = account.events.list_targets_by_rule(Rule=rule, EventBusName="eventcron")["Targets"]
        assert targets, rule


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_the_commands_run_in_both_versions_of_the_aws_cli(page: str) -> None:
    """Version 1 takes an option that is a URL for a place to read the value from, and has no ``logs tail``."""
    script = "".join(blocks(page, "sh"))

    assert re.findall(r" --[\w-]+[ =]['\"]?https?://\S*", script) == []
    assert "logs tail" not in script


def test_what_version_1_of_the_aws_cli_has_not_is_noted() -> None:
    noted = "".join(cell for row in rows("docs/how-to/README.md") for cell in row)

    assert "`aws logs filter-log-events --log-group-name GROUP" in noted
    assert "`aws configure set cli_follow_urlparam false`" in noted
    for page in PAGES:
        if "logs tail" in read(page) and page != "docs/how-to/README.md":
            assert "(README.md#version-1-of-the-aws-cli)" in read(page)


@pytest.mark.parametrize("page", PAGES)
def test_the_example_stacks_are_given_parameters_that_they_have(page: str) -> None:
    for command in re.findall(r"^sam deploy --template-file (?:.*\\\n)*.*", read(page), re.MULTILINE):
        arguments = shlex.split(command.replace("\\\n", ""))
        stack = template.parse((ROOT / arguments[3]).read_text())
        given = {argument.partition("=")[0] for argument in arguments[arguments.index("--parameter-overrides") + 1 :]}
        required = {name for name, parameter in stack["Parameters"].items() if "Default" not in parameter}

        assert required <= given <= stack["Parameters"].keys()


@pytest.mark.slow
@pytest.mark.parametrize(("page", "text"), TEMPLATES, ids=[page for page, _ in TEMPLATES])
def test_the_templates_are_valid(page: str, text: str, tmp_path: Path) -> None:
    lint = shutil.which("cfn-lint", path=str(Path(sys.executable).parent))
    assert lint, "cfn-lint is not installed beside this Python"
    (tmp_path / "src").mkdir()
    (tmp_path / "page.yaml").write_text(text)
    done = subprocess.run([lint, "--", str(tmp_path / "page.yaml")], capture_output=True, text=True, check=False)

    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(("page", "text"), PYTHON, ids=[f"{page}-{number}" for number, (page, _) in enumerate(PYTHON)])
def test_the_python_is_python_and_the_worlds_turn_as_they_assert(page: str, text: str) -> None:
    ast.parse(text)
    if "World(" in text or "fire_event(" in text:
        names: dict[str, Any] = {}
        exec(compile(text, page, "exec"), names)
