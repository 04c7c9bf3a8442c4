"""``eventcron init``: the template that ``subscribe`` deploys, as YAML and as JSON."""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

from eventcron.entrypoints.cli import init
from eventcron.entrypoints.cli.main import main
from eventcron.rules.subscribing import subscription, template

SQS = "sqs:arn:aws:sqs:eu-north-1:123456789012:work"


def test_it_writes_the_template_that_subscribe_deploys() -> None:
    expected = template(subscription("theirs", "acme/nightly-*", SQS))
    given = ["acme/nightly-*", "--to", SQS, "--bus", "theirs"]

    as_yaml = CliRunner().invoke(init.command, given)
    as_json = CliRunner().invoke(init.command, [*given, "--json"])

    assert (as_yaml.exit_code, as_json.exit_code) == (0, 0)
    assert yaml.safe_load(as_yaml.output) == json.loads(as_json.output) == expected


def test_a_target_in_no_known_form_is_one_sentence_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["init", "acme/*", "--to", "work"])

    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("eventcron: got --to 'work'; allowed: sqs:arn:aws:sqs:REGION:ACCOUNT:QUEUE, ")
