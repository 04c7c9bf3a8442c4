"""Values of the template as CloudFormation would fill them in, for a stack named ``eventcron`` in one account."""

from __future__ import annotations

import re
from typing import Any

from tests.infra.stack import decided

ACCOUNT = "123456789012"
REGION = "eu-north-1"
BUS_ARN = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/eventcron"
_PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws", "AWS::StackName": "eventcron"}
#: Type → ARN of the resource with that logical id.
_ARNS = {
    "AWS::Events::EventBus": BUS_ARN,
    "AWS::EventsV2::EventBus": f"arn:aws:events:{REGION}:{ACCOUNT}:event-busv2/eventcron/{'a' * 25}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{0}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{0}}",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{0}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{0}}:*",
    "AWS::Events::Rule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/eventcron/{{0}}",
}


class Resolver:
    """Fills in references, for the stack with *conditions* and these values of parameters."""

    def __init__(self, parameters: dict[str, Any] | None = None, **conditions: bool) -> None:
        self.stack = decided(**conditions)
        defaults = {name: parameter["Default"] for name, parameter in self.stack["Parameters"].items()}
        lists = {name for name, one in self.stack["Parameters"].items() if one["Type"] == "CommaDelimitedList"}
        given = defaults | (parameters or {})
        self._values = {name: str(value).split(",") if name in lists else value for name, value in given.items()}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self(member) for member in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
            return self._intrinsic(*next(iter(value.items())))
        return {name: self(member) for name, member in value.items()}

    def _intrinsic(self, function: str, argument: Any) -> Any:
        if function == "Ref":
            return self._ref(argument)
        if function == "Fn::GetAtt":
            return self._arn(argument[0])
        if function == "Fn::Sub":
            return re.sub(r"\$\{([^!}]+)\}", lambda found: str(self._variable(found[1])), argument)
        between, parts = argument[0], self(argument[1])
        return {"Fn::Join": lambda: between.join(map(str, parts)), "Fn::Split": lambda: parts.split(between)}[
            function
        ]()

    def properties(self, name: str) -> Any:
        """The properties of the resource with the logical id *name*."""
        return self(self.stack["Resources"][name]["Properties"])

    def _variable(self, name: str) -> Any:
        resource, dot, _ = name.partition(".")
        return self._arn(resource) if dot else self._ref(name)

    def _ref(self, name: str) -> Any:
        return _PSEUDO.get(name) or self._values.get(name, name)

    def _arn(self, name: str) -> str:
        return _ARNS[self.stack["Resources"][name]["Type"]].format(name)
