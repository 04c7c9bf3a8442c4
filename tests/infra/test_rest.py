"""The REST API's resources: absent by default, every route signed, no unused permission."""

from __future__ import annotations

from typing import Any

import pytest

from eventcron.entrypoints.rest import openapi, routes
from eventcron.local import template
from tests.infra.stack import GLOBALS, RESOURCES, as_list, decided, name_of

WITH = decided(HasRestApi=True)
ADDED: dict[str, dict[str, Any]] = {
    name: resource for name, resource in WITH["Resources"].items() if name not in RESOURCES
}
ROUTES = template.of_type(WITH, "AWS::ApiGatewayV2::Route")
INTEGRATIONS = template.of_type(WITH, "AWS::ApiGatewayV2::Integration")
ROLES = template.of_type(WITH, "AWS::IAM::Role")
COMMAND_PATH = f"POST {routes.SCHEDULE}/{{command}}"


def test_it_is_absent_by_default() -> None:
    parameter = WITH["Parameters"]["RestApi"]

    assert (parameter["Default"], WITH["Conditions"]["HasRestApi"]) == (
        "DISABLED",
        {"Fn::Equals": [{"Ref": "RestApi"}, "ENABLED"]},
    )
    assert ADDED
    assert {name[:4] for name in ADDED} == {"Rest"}
    assert {WITH["Outputs"][name]["Condition"] for name in ("RestApiId", "RestApiUrl")} == {"HasRestApi"}


def test_the_gateway_has_exactly_the_documented_routes() -> None:
    documented = {
        COMMAND_PATH if path.startswith(f"{routes.SCHEDULE}/") and method == "post" else f"{method.upper()} {path}"
        for path, methods in openapi.document()["paths"].items()
        for method in methods
    }

    assert {properties["RouteKey"] for properties in ROUTES.values()} == documented | {"$default"}


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_signed(route: str) -> None:
    assert ROUTES[route]["AuthorizationType"] == "AWS_IAM"


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_calls_the_function_which_checks_the_caller(route: str) -> None:
    assert ROUTES[route]["Target"] == {"Fn::Sub": "integrations/${RestIntegration}"}
    assert list(INTEGRATIONS) == ["RestIntegration"]


def test_only_this_api_calls_the_function_and_in_the_format_it_reads() -> None:
    integration = INTEGRATIONS["RestIntegration"]
    permission = ADDED["RestPermission"]["Properties"]

    assert (integration["PayloadFormatVersion"], name_of(integration["IntegrationUri"])) == ("2.0", "RestFunction")
    assert permission["SourceArn"]["Fn::Sub"].endswith(":${RestHttpApi}/*")
    assert ADDED["RestFunction"]["Properties"]["Timeout"] < 30  # seconds: API Gateway stops waiting then
    assert ADDED["RestFunction"]["Properties"]["Handler"] == "eventcron.entrypoints.rest_lambda.handler"
    assert ADDED["RestFunction"]["Properties"]["Environment"]["Variables"] == {"POWERTOOLS_SERVICE_NAME": "rest"}


def _allowed(role: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for policy in ROLES[role]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            for action in as_list(statement["Action"]):
                found.setdefault(action, set()).update(map(name_of, as_list(statement["Resource"])))
    return found


def test_the_function_has_the_registrar_s_permissions_and_may_list_schedules() -> None:
    stores = {"SchedulesTable", "LedgerTable"}

    assert _allowed("RestRole") == {
        "logs:CreateLogStream": {"RestLogs"},
        "logs:PutLogEvents": {"RestLogs"},
        "dynamodb:BatchGetItem": stores,
        "dynamodb:PutItem": stores,
        "dynamodb:UpdateItem": stores,
        "dynamodb:Query": {"SchedulesTable"},
        "dynamodb:GetItem": {"LedgerTable"},
        "sqs:SendMessage": {"FireQueue", "RegistrarQueue", "FireDeadLetters"},
        "events:PutEvents": {"Bus"},
    }


def test_the_bus_policy_lets_the_function_publish_if_it_exists() -> None:
    def publishers(stack: dict[str, Any]) -> set[str]:
        statement = stack["Resources"]["OnlyEventcronPublishesEvents"]["Properties"]["Statement"]
        return {name_of(role) for role in statement["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]}

    assert publishers(WITH) - publishers(decided()) == {"RestRole"}


def test_access_logs_name_the_caller_and_have_the_common_retention() -> None:
    groups = template.of_type(WITH, "AWS::Logs::LogGroup")
    stage = ADDED["RestStage"]["Properties"]

    assert {name: groups[name]["RetentionInDays"] for name in ("RestLogs", "RestAccessLogs")} == {
        "RestLogs": {"Ref": "LogRetentionDays"},
        "RestAccessLogs": {"Ref": "LogRetentionDays"},
    }
    assert name_of(stage["AccessLogSettings"]["DestinationArn"]) == "RestAccessLogs"
    assert "$context.identity.userArn" in stage["AccessLogSettings"]["Format"]


def test_requests_are_throttled_and_their_functions_leave_concurrency_to_the_others() -> None:
    limited = decided(HasRestApi=True, ReservesRestFunctions=True)["Resources"]["RestFunction"]["Properties"]

    assert ADDED["RestStage"]["Properties"]["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": {"Ref": "RestRequestsPerSecond"},
        "ThrottlingBurstLimit": {"Ref": "RestRequestsPerSecond"},
    }
    assert limited["ReservedConcurrentExecutions"] == {"Ref": "MaxRestFunctions"}
    assert "ReservedConcurrentExecutions" not in ADDED["RestFunction"]["Properties"]  # with 0
    assert WITH["Parameters"]["MaxRestFunctions"]["Default"] > 0
    assert WITH["Conditions"]["ReservesRestFunctions"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "MaxRestFunctions"}, 0]}]
    }


def test_settings_come_from_parameters() -> None:
    variables = GLOBALS["Environment"]["Variables"]

    assert variables["EVENTCRON_REST_TENANT_PRINCIPAL"] == {"Ref": "RestTenantPrincipal"}
    assert variables["EVENTCRON_REST_TRUSTED_PRINCIPALS"] == {"Fn::Join": [",", {"Ref": "RestTrustedPrincipals"}]}
