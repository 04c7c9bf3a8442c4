"""``eventcron dev --empty``: an AWS without a stack, for `sam deploy`."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import pytest_asyncio
from botocore.exceptions import ClientError

from eventcron.local.embedded import EmbeddedAws
from eventcron.local.template import NOT_EMULATED
from tests.acceptance.processes import descendants, wait_gone
from tests.acceptance.running_dev import dev, exports, until

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes by /proc"),
]


def test_it_has_no_stack_and_can_be_stopped_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dev(tmp_path, "--empty", "--port", "0") as running:
        until(lambda: "Ctrl-C" in running.stdout, running)
        variables = exports(running.stdout)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        stacks = boto3.client("cloudformation").list_stacks()["StackSummaries"]
        buses = boto3.client("events").list_event_buses()["EventBuses"]
        below = descendants(running.process.pid)
        port = variables["AWS_ENDPOINT_URL"].rpartition(":")[2]
        status = running.stop(signal.SIGINT)
        wait_gone(below, int(port))

    assert all(f"\n  {kind}\n" in running.stdout for kind in NOT_EMULATED)
    assert "\nsam build && sam deploy\nsam delete\n" in running.stdout
    assert stacks == []
    assert [bus["Name"] for bus in buses] == ["default"]
    assert status == 128 + signal.SIGINT

    with dev(tmp_path, "--empty", "--port", port, "--json") as again:
        until(lambda: again.stdout.endswith("\n"), again)
        below = descendants(again.process.pid)
        status = again.stop(signal.SIGTERM)
        wait_gone(below)

    facts = json.loads(again.stdout)
    assert facts["environment"] == variables
    assert facts["not_emulated"] == NOT_EMULATED
    assert status == 128 + signal.SIGTERM


@pytest_asyncio.fixture(name="aws")
async def _aws() -> AsyncIterator[EmbeddedAws]:
    async with EmbeddedAws(port=0, region="us-east-1", on_output=lambda _: None) as aws:
        yield aws


def _client(service: str, aws: EmbeddedAws) -> Any:
    return boto3.client(
        service, aws.region, endpoint_url=aws.endpoint, aws_access_key_id="t", aws_secret_access_key="t"
    )


def _of_one_resource(kind: str, **properties: object) -> str:
    return json.dumps({"Resources": {"One": {"Type": kind, "Properties": properties}}})


#: One resource of each type that is not emulated, some of whose attributes others use, and a table.
STACK = json.dumps(
    {
        "Parameters": {
            "Seconds": {"Type": "Number", "Default": 60},
            "Expires": {"Type": "String", "Default": "before"},
        },
        "Resources": {
            "Late": {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {
                    "ComparisonOperator": "GreaterThanThreshold",
                    "EvaluationPeriods": 1,
                    "Threshold": {"Ref": "Seconds"},
                    "Metrics": [{"Id": "sum", "Expression": "SUM(METRICS())", "ReturnData": True}],
                },
            },
            "Board": {
                "Type": "AWS::CloudWatch::Dashboard",
                "Properties": {"DashboardBody": {"Fn::Sub": "${Late.Arn} ${Seconds}"}},
            },
            "Policy": {
                "Type": "AWS::Events::EventBusPolicy",
                "Properties": {"StatementId": "any", "Statement": {"Fn::Sub": "${Seconds}"}},
            },
            "Query": {
                "Type": "AWS::Logs::QueryDefinition",
                "Properties": {"Name": "any", "QueryString": {"Fn::Sub": "limit ${Seconds}"}},
            },
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "TableName": "any",
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
                    "TimeToLiveSpecification": {"AttributeName": {"Ref": "Expires"}, "Enabled": True},
                },
            },
        },
    }
)


def _deploy(cloudformation: Any, kind: str, **parameters: str) -> None:
    """What `sam deploy` calls."""
    cloudformation.create_change_set(
        StackName="any",
        ChangeSetName=kind.lower(),
        ChangeSetType=kind,
        TemplateBody=STACK,
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    )
    cloudformation.execute_change_set(StackName="any", ChangeSetName=kind.lower())
    waiter = "stack_create_complete" if kind == "CREATE" else "stack_update_complete"
    cloudformation.get_waiter(waiter).wait(StackName="any", WaiterConfig={"Delay": 1})


async def test_resources_that_are_not_emulated_are_accepted_updated_listed_and_removed(aws: EmbeddedAws) -> None:
    def deploy_update_and_delete() -> tuple[list[Any], list[Any], str]:
        cloudformation = _client("cloudformation", aws)
        _deploy(cloudformation, "CREATE")
        _deploy(cloudformation, "UPDATE", Seconds="30", Expires="after")
        resources = cloudformation.describe_stack_resources(StackName="any")["StackResources"]
        events = cloudformation.describe_stack_events(StackName="any")["StackEvents"]
        time_to_live = _client("dynamodb", aws).describe_time_to_live(TableName="any")["TimeToLiveDescription"]
        cloudformation.delete_stack(StackName="any")
        cloudformation.get_waiter("stack_delete_complete").wait(StackName="any", WaiterConfig={"Delay": 1})
        return resources, events, time_to_live["AttributeName"]

    resources, events, expires = await asyncio.to_thread(deploy_update_and_delete)
    said = {
        (event["ResourceType"], event["ResourceStatus"], event["ResourceStatusReason"])
        for event in events
        if event["ResourceType"] in NOT_EMULATED and event["ResourceStatus"].endswith("_COMPLETE")
    }

    assert {resource["ResourceType"] for resource in resources} == {*NOT_EMULATED, "AWS::DynamoDB::Table"}
    assert said == {
        (kind, status, f"accepted, not emulated: {reason}")
        for kind, reason in NOT_EMULATED.items()
        for status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    }
    assert expires == "after"


@pytest.mark.parametrize("kind", ["AWS::CloudWatch::Alrm", "AWS::EventsV2::EventBus"])
async def test_a_type_that_the_functions_need_or_that_is_misspelt_is_refused_by_name(
    aws: EmbeddedAws, kind: str
) -> None:
    cloudformation = _client("cloudformation", aws)

    with pytest.raises(ClientError, match=f"Unrecognized resource types: .{kind}."):
        await asyncio.to_thread(
            cloudformation.create_stack, StackName="any", TemplateBody=_of_one_resource(kind, Name="any")
        )
