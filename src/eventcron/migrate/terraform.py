"""Finds the schedules and scheduled rules in what ``terraform show -json`` prints of a state or a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eventcron.migrate.eventbridge_schedule import rule, schedule
from eventcron.migrate.model import Found, WrongFormat
from eventcron.migrate.trees import Table, items, table

#: Blocks that Terraform writes as lists of one.
_BLOCKS = frozenset(
    {
        "flexible_time_window",
        "target",
        "dead_letter_config",
        "retry_policy",
        "ecs_parameters",
        "eventbridge_parameters",
        "kinesis_parameters",
        "sagemaker_pipeline_parameters",
        "sqs_parameters",
        "network_configuration",
        "input_transformer",
        "ecs_target",
        "sqs_target",
        "kinesis_target",
        "batch_target",
    }
)
#: Terraform's names that are not those of the API in another spelling.
_NAMES = {
    "eventbridge_parameters": "EventBridgeParameters",
    "sagemaker_pipeline_parameters": "SageMakerPipelineParameters",
    "target_id": "Id",
    "input_paths": "InputPathsMap",
    "ecs_target": "EcsParameters",
    "sqs_target": "SqsParameters",
    "kinesis_target": "KinesisParameters",
    "batch_target": "BatchParameters",
}
#: What Terraform adds to what the API knows.
_OWN = frozenset(
    {"id", "arn_suffix", "tags", "tags_all", "name_prefix", "rule", "event_bus_name", "region", "timeouts"}
)


def read(shown: Any) -> Found | None:
    """Return the schedules of *shown*, or None if it is no output of Terraform.

    Raises:
        WrongFormat: it is a state as Terraform stores it, which has another form with each version.
    """
    if not isinstance(shown, Table) or not ({"terraform_version", "planned_values"} & shown.keys()):
        return None
    if not {"planned_values", "values"} & shown.keys():
        raise WrongFormat("a stored state of Terraform; give what `terraform show -json` prints", 1)
    root = table(table(shown.get("planned_values") or shown.get("values")).get("root_module"))
    resources = list(_resources(root))
    found: Found = []
    for resource in resources:
        if resource.get("type") == "aws_scheduler_schedule":
            properties = _properties(table(resource.get("values")))
            said = f"{resource.get('address')}: {properties.get('ScheduleExpression')}"
            found += schedule(_named(properties, resource), resource.line, said=said)
        elif resource.get("type") == "aws_cloudwatch_event_rule":
            found += _rule(resource, resources)
    return found


def _resources(module: Table) -> Iterator[Table]:
    yield from (one for one in items(module.get("resources")) if isinstance(one, Table) and one.get("mode") != "data")
    for child in items(module.get("child_modules")):
        yield from _resources(table(child))


def _rule(resource: Table, resources: list[Table]) -> Found:
    values = table(resource.get("values"))
    if not values.get("schedule_expression"):
        return []
    properties = _named(_properties(values), resource)
    if values.get("is_enabled") is False:
        properties["State"] = "DISABLED"
    targets = [
        _properties(table(other.get("values")))
        for other in resources
        if other.get("type") == "aws_cloudwatch_event_target"
        and table(other.get("values")).get("rule") == values.get("name")
    ]
    said = f"{resource.get('address')}: {values['schedule_expression']}"
    return rule(properties, targets, resource.line, said=said)


def _named(properties: dict[str, Any], resource: Table) -> dict[str, Any]:
    """Return *properties* with the resource's name where their own is known only after an apply."""
    return properties if properties.get("Name") else {**properties, "Name": str(resource.get("name"))}


def _properties(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return *values* with the names of the API, and blocks as objects."""
    properties = {}
    for name, value in values.items():
        if name in _OWN or value in (None, [], "", {}):
            continue
        if name in _BLOCKS:
            value = _properties(table(items(value)[0]))  # noqa: PLW2901  a block is a list of one
        properties[_NAMES.get(name) or "".join(part.capitalize() for part in name.split("_"))] = value
    return properties
