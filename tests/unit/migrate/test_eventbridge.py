"""``import eventbridge``: templates, plans and answers of the API, and a year as the oracle computes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventcron.migrate.model import WrongFormat
from eventcron.migrate.write import subscriptions_of
from eventcron.model.commands import Schedule
from eventcron.oracle.occurrences import due_instants
from tests.unit.migrate.imports import NOW, YEAR, details, import_file, import_text, only, year_of

#: File → schedule → zone and expression.
CRON = {
    ("template.yaml", "nightly-export"): ("Europe/Oslo", "cron(30 2 ? * MON-FRI *)"),
    ("template.yaml", "ExportWeekly"): ("Europe/Oslo", "cron(0 4 ? * 1 *)"),
    ("template.yaml", "Once"): ("America/New_York", "at(2027-05-05T09:00:00)"),
    ("plan.json", "nightly"): ("UTC", "cron(0 3 * * ? *)"),
    ("plan.json", "report-eu"): ("Europe/Oslo", "cron(15 10 ? * 6L 2026-2030)"),
    ("serverless.yml", "crawl-2"): ("UTC", "cron(0 0/4 ? * MON-FRI *)"),
    ("serverless.yml", "crawl-oslo"): ("Europe/Oslo", "cron(30 2 * * ? *)"),
}
QUEUE = {"Arn": "arn:aws:sqs:eu-north-1:123456789012:q", "RoleArn": "arn:aws:iam::123456789012:role/r"}


def _schedule(**properties: Any) -> str:
    return json.dumps({"Name": "s", "ScheduleExpression": "rate(1 hour)", "Target": QUEUE, **properties})


@pytest.mark.slow
@pytest.mark.parametrize(("file", "name"), CRON)
def test_a_year_is_that_of_the_oracle(file: str, name: str) -> None:
    zone, expression = CRON[file, name]
    source = Schedule(tenant="a", name="b", expression=expression, timezone=zone, daylight_saving="eventbridge")

    assert year_of("eventbridge", file, name) == due_instants(source, *YEAR, NOW)


def test_nothing_of_a_template_is_dropped() -> None:
    result = import_file("eventbridge", "template.yaml")

    assert list(details(result)) == ["nightly-export", "Once", "Hourly", "ExportWeekly", "ExportOften"]
    assert [(listed.origin, listed.unsaid.name, listed.unsaid.given.partition(":")[0]) for listed in result.unsaid] == [
        ("template.yaml:28", "Once", "Input"),
        ("template.yaml:28", "Once", "KmsKeyArn"),
        ("template.yaml:28", "Once", "Target"),
        ("template.yaml:40", "Over", "schedule Over"),
        ("template.yaml:46", "ByStage", "ScheduleExpression"),
        ("template.yaml:53", "Hourly", "InputPath"),
    ]


def test_the_properties_of_a_schedule_come_along() -> None:
    detail = details(import_file("eventbridge", "template.yaml"))["nightly-export"]

    assert detail == {
        "tenant": "acme",
        "name": "nightly-export",
        "expression": "cron(30 2 ? * MON-FRI *)",
        "timezone": "Europe/Oslo",
        "daylight_saving": "eventbridge",
        "description": "The export of the night",
        "state": "PAUSED",
        "start": "2026-01-01T00:00:00Z",
        "end": "2030-01-01T00:00:00.000Z",
        "flexible_window_seconds": 900,
        "input": {"kind": "full"},
        "misfire": {"grace_seconds": 600},
        "labels": {"imported-from": "template.yaml:13", "group": "exports"},
    }


def test_the_target_is_printed_as_a_subscription() -> None:
    (nightly, *_) = import_file("eventbridge", "template.yaml").schedules

    assert subscriptions_of(nightly) == [
        {
            "schedule": "acme/nightly-export",
            "event_pattern": {
                "source": ["eventcron"],
                "detail-type": ["Schedule Fired"],
                "detail": {"tenant": ["acme"], "name": ["nightly-export"]},
            },
            "target": {
                "Id": "nightly-export",
                "Arn": {"Fn::GetAtt": ["Export", "Arn"]},
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "DeadLetterConfig": {"Arn": "arn:aws:sqs:eu-north-1:123456789012:dlq"},
                "RetryPolicy": {"MaximumEventAgeInSeconds": 600, "MaximumRetryAttempts": 3},
                "InputPath": "$.detail.input",
            },
        }
    ]


def test_a_target_without_input_receives_the_whole_fire() -> None:
    weekly = import_file("eventbridge", "template.yaml").schedules[3]

    assert dict(weekly.subscriptions[0].target) == {"Id": "ExportWeekly", "Arn": {"Fn::GetAtt": ["Export", "Arn"]}}


def test_a_call_of_an_api_is_listed_with_its_role() -> None:
    listed = import_file("eventbridge", "template.yaml").unsaid[2]

    assert "rds:stopDBInstance" in listed.unsaid.given
    assert "role/stop" in listed.unsaid.given


def test_targets_of_a_rule_keep_their_own_inputs() -> None:
    hourly = import_file("eventbridge", "template.yaml").schedules[2]

    assert [dict(one.target) for one in hourly.subscriptions] == [
        {"Id": "one", "Arn": {"Fn::GetAtt": ["Export", "Arn"]}, "Input": '{"n": 1}'},
        {"Id": "two", "Arn": {"Ref": "Topic"}, "InputPath": "$.time"},
    ]


def test_a_disabled_event_of_a_function_is_paused_and_calls_the_function() -> None:
    often = import_file("eventbridge", "template.yaml").schedules[4]

    assert (often.detail["state"], often.detail["input"]) == ("PAUSED", {"often": True})
    assert often.subscriptions[0].target["Arn"] == {"Fn::GetAtt": ["Export", "Arn"]}


def test_a_plan_of_terraform_has_the_names_of_the_api() -> None:
    nightly, report = import_file("eventbridge", "plan.json").schedules

    assert dict(nightly.subscriptions[0].target) == {
        "Id": "fn",
        "Arn": "arn:aws:lambda:eu-north-1:123456789012:function:nightly",
        "DeadLetterConfig": {"Arn": "arn:aws:sqs:eu-north-1:123456789012:dlq"},
        "InputPath": "$.detail.input",
    }
    assert nightly.detail["input"] == {"full": True}
    assert report.detail["input"] == "plain text"
    assert report.detail["flexible_window_seconds"] == 1800
    assert report.detail["state"] == "PAUSED"
    assert report.subscriptions[0].target["SqsParameters"] == {"MessageGroupId": "g"}
    assert report.text == 'module.jobs.aws_scheduler_schedule.report["eu"]: cron(15 10 ? * 6L 2026-2030)'


def test_nothing_of_a_serverless_yml_is_dropped() -> None:
    result = import_file("eventbridge", "serverless.yml")

    assert list(details(result)) == ["crawl", "crawl-2", "crawl-3", "crawl-oslo"]
    assert [listed.unsaid.given for listed in result.unsaid] == ["ScheduleExpression: ${self:custom.rate}"]
    assert details(result)["crawl-3"]["state"] == "PAUSED"
    assert result.schedules[0].subscriptions[0].target["Arn"] == {"Fn::GetAtt": ["CrawlLambdaFunction", "Arn"]}


def test_equal_names_in_two_groups_get_the_group() -> None:
    text = json.dumps([json.loads(_schedule(GroupName=group)) for group in ("a", "b")])

    assert list(details(import_text("eventbridge", text))) == ["a-s", "b-s"]


@pytest.mark.parametrize(
    ("properties", "field", "value"),
    [
        (
            {"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1440}},
            "flexible_window_seconds",
            86_400,
        ),
        ({"StartDate": "2026-12-01T00:00:00"}, "start", "2026-12-01T00:00:00Z"),
        ({"StartDate": "2026-12-01T00:00:00-05:00"}, "start", "2026-12-01T00:00:00-05:00"),
        ({"ActionAfterCompletion": "DELETE"}, "after_completion", "DELETE"),
        ({"Target": {**QUEUE, "Input": "not { json"}}, "input", "not { json"),
    ],
)
def test_a_property_becomes_a_field(properties: dict[str, Any], field: str, value: object) -> None:
    assert only(import_text("eventbridge", _schedule(**properties))).detail[field] == value


@pytest.mark.parametrize(
    ("properties", "given"),
    [
        ({"Target": {**QUEUE, "KinesisParameters": {"PartitionKey": "k"}}}, "Target.KinesisParameters"),
        (
            {"Target": {**QUEUE, "EventBridgeParameters": {"Source": "s", "DetailType": "d"}}},
            "Target.EventBridgeParameters",
        ),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "FlexibleTimeWindow"),
    ],
)
def test_what_a_rule_cannot_say_is_listed(properties: dict[str, Any], given: str) -> None:
    result = import_text("eventbridge", _schedule(**properties))

    assert len(result.schedules) == 1
    assert [listed.unsaid.given.partition(":")[0] for listed in result.unsaid] == [given]
    assert not result.unsaid[0].unsaid.whole


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"ScheduleExpression": "at(2024-05-05T09:00:00)"}, "at(2024-05-05T09:00:00), which is over"),
        ({"EndDate": "2025-01-01T00:00:00Z"}, "rate(1 hour) until 2025-01-01T00:00:00+00:00, which is over"),
        ({"ScheduleExpression": "cron(0 4 * * * *)"}, "day_of_week: got '* *'"),
    ],
)
def test_what_is_over_or_wrong_is_listed(properties: dict[str, Any], reason: str) -> None:
    result = import_text("eventbridge", _schedule(**properties))

    assert result.schedules == []
    assert reason in result.unsaid[0].unsaid.reason


def test_a_list_of_schedules_says_what_to_ask() -> None:
    summary = {"Arn": "arn", "GroupName": "g", "Name": "s", "State": "ENABLED", "Target": {"Arn": "a"}}
    result = import_text("eventbridge", json.dumps({"Schedules": [summary]}))

    assert result.unsaid[0].unsaid.nearest.startswith("aws scheduler get-schedule")


def test_rules_of_the_api_are_read() -> None:
    rules = [
        {"Name": "r", "ScheduleExpression": "rate(1 day)", "State": "DISABLED"},
        {"Name": "p", "EventPattern": "{}"},
    ]

    assert only(import_text("eventbridge", json.dumps({"Rules": rules}))).detail["state"] == "PAUSED"


@pytest.mark.parametrize(
    ("functions", "given"),
    [
        ("${file(functions.yml)}", "functions: ${file(functions.yml)}"),
        ("\n  f: {events: '${self:custom.events}'}", "events: ${self:custom.events}"),
        ("\n  f:\n    events:\n      - ${file(events.yml)}", "events: ${file(events.yml)}"),
    ],
)
def test_what_a_serverless_yml_has_elsewhere_is_listed(functions: str, given: str) -> None:
    result = import_text("eventbridge", f"provider: aws\nfunctions: {functions}\n")

    assert [listed.unsaid.given for listed in result.unsaid] == [given]


def test_a_stored_state_of_terraform_is_refused() -> None:
    with pytest.raises(WrongFormat, match="give what `terraform show -json` prints"):
        import_text("eventbridge", '{"version": 4, "terraform_version": "1.9.5", "serial": 3, "resources": []}')


@pytest.mark.parametrize("text", ["a: 1\n", '{"a": 1}', "- 1\n", "!!python/object/apply:os.system [x]\n"])
def test_what_is_none_of_them_is_refused(text: str) -> None:
    with pytest.raises(WrongFormat, match="not of the format eventbridge: neither a CloudFormation"):
        import_text("eventbridge", text)


def test_targets_of_terraform_without_an_id_get_one() -> None:
    def target(arn: str) -> dict[str, Any]:
        return {"type": "aws_cloudwatch_event_target", "values": {"rule": "often", "arn": arn}}

    rule = {"type": "aws_cloudwatch_event_rule", "values": {"name": "often", "schedule_expression": "rate(5 minutes)"}}
    resources = [rule, target("arn:a"), target("arn:b")]
    plan = {"terraform_version": "1.9.0", "values": {"root_module": {"resources": resources}}}

    (often,) = import_text("eventbridge", json.dumps(plan)).schedules

    assert [one.target["Id"] for one in often.subscriptions] == ["often", "often-2"]
