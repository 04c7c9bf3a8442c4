"""Who may put what on the bus: the policy's statements, evaluated as IAM evaluates them within one account."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from eventcron.local import template
from tests.infra.stack import RESOURCES, ROLES, STACK, as_list, name_of, statements

ACCOUNT = "123456789012"
POLICIES = template.of_type(STACK, "AWS::Events::EventBusPolicy")


class Principal(NamedTuple):
    """Who calls. ``allowed`` = a policy of its own allows PutEvents on the bus, whatever the source."""

    arn: str
    tenant: str | None = None
    allowed: bool = False
    account: str = ACCOUNT


def may_put(principal: Principal, source: str) -> bool:
    """IAM's rule: an explicit denial wins; else any allowance, the principal's own or the bus's, is enough.

    Across accounts both are needed.
    """
    applying = {policy["Statement"]["Effect"] for policy in POLICIES.values() if _applies(policy, principal, source)}
    if "Deny" in applying:
        return False
    by_bus = "Allow" in applying
    return (by_bus and principal.allowed) if principal.account != ACCOUNT else (by_bus or principal.allowed)


def _applies(policy: dict[str, Any], principal: Principal, source: str) -> bool:
    context = {"aws:PrincipalArn": [principal.arn], "aws:PrincipalAccount": [principal.account]}
    context["events:source"] = [source]
    if principal.tenant is not None:
        context["aws:PrincipalTag/tenant"] = [principal.tenant]
    return all(
        _holds(operator, context.get(key, []), [_value(wanted, context) for wanted in as_list(value)])
        for operator, keys in policy["Statement"]["Condition"].items()
        for key, value in keys.items()
    )


def _value(wanted: object, context: dict[str, list[str]]) -> str:
    if isinstance(wanted, dict):
        return ACCOUNT if wanted == {"Ref": "AWS::AccountId"} else _role(name_of(wanted))

    def filled(variable: re.Match[str]) -> str:
        return context.get(variable[1], ["\0"])[0]  # a variable without a value matches nothing

    return re.sub(r"\$\{([^}]+)\}", filled, str(wanted))


def _holds(operator: str, given: list[str], wanted: list[str]) -> bool:
    """IAM's operators, those that the policy uses."""
    if operator == "Null":
        return wanted == [str(not given).lower()]
    if operator == "ForAnyValue:StringEquals":
        return any(value in wanted for value in given)
    if operator == "ForAnyValue:StringNotEquals":
        return any(value not in wanted for value in given)
    if operator == "ForAllValues:StringEquals":
        return all(value in wanted for value in given)
    if operator == "StringEquals":
        return bool(given) and given[0] in wanted
    if operator == "ArnNotEquals":
        return not given or given[0] not in wanted
    raise AssertionError(f"the policy uses {operator}, which this test does not know")


def _role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


OURS = Principal(_role("ExecutorRole"), allowed=True)
ACME = Principal(_role("acme"), tenant="acme")
#: A tenant whose administrator gave it every right there is.
MIGHTY = Principal(_role("mighty"), tenant="acme", allowed=True)
GLOBEX = Principal(_role("globex"), tenant="globex")
PLATFORM = Principal(_role("platform"), allowed=True)
NOBODY = Principal(_role("nobody"))
ELSEWHERE = Principal("arn:aws:iam::999999999999:role/acme", tenant="acme", allowed=True, account="999999999999")


@pytest.mark.parametrize(
    ("principal", "source", "may"),
    [
        pytest.param(OURS, "eventcron", True, id="eventcron-publishes-events"),
        pytest.param(ACME, "eventcron.tenant.acme", True, id="a-tenant-puts-as-itself-without-a-policy-of-its-own"),
        pytest.param(ACME, "eventcron.tenant.rival", False, id="a-tenant-does-not-put-as-another"),
        pytest.param(ACME, "eventcron.tenant.acme.more", False, id="nor-as-one-whose-name-begins-alike"),
        pytest.param(ACME, "eventcron", False, id="nor-as-eventcron"),
        pytest.param(GLOBEX, "eventcron.tenant.globex", True, id="another-tenant-puts-as-itself"),
        pytest.param(GLOBEX, "eventcron.tenant.acme", False, id="and-not-as-the-first"),
        pytest.param(ACME, "billing", False, id="nor-as-a-trusted-source"),
        pytest.param(MIGHTY, "eventcron.tenant.acme", True, id="a-mighty-tenant-puts-as-itself"),
        pytest.param(MIGHTY, "eventcron.tenant.rival", False, id="a-mighty-tenant-does-not-put-as-another"),
        pytest.param(MIGHTY, "eventcron", False, id="a-mighty-tenant-does-not-put-as-eventcron"),
        pytest.param(PLATFORM, "eventcron.tenant.acme", True, id="the-platform-puts-for-a-tenant"),
        pytest.param(PLATFORM, "billing", True, id="the-platform-puts-as-a-trusted-source"),
        pytest.param(PLATFORM, "eventcron", False, id="even-the-platform-does-not-put-as-eventcron"),
        pytest.param(NOBODY, "eventcron.tenant.acme", False, id="who-is-not-allowed-is-not"),
        pytest.param(ELSEWHERE, "eventcron.tenant.acme", False, id="another-account-s-tag-proves-nothing"),
    ],
)
def test_who_may_put_which_source(principal: Principal, source: str, may: bool) -> None:
    assert may_put(principal, source) is may


@pytest.mark.parametrize("policy", POLICIES)
def test_each_statement_is_about_putting_on_this_bus(policy: str) -> None:
    properties = POLICIES[policy]

    assert properties["EventBusName"] == {"Ref": "Bus"}
    assert properties["Statement"]["Action"] == "events:PutEvents"
    assert properties["Statement"]["Resource"] == {"Fn::GetAtt": ["Bus", "Arn"]}


def test_a_bus_s_policy_is_changed_one_statement_at_a_time() -> None:
    after = [RESOURCES[policy].get("DependsOn") for policy in POLICIES]

    assert after == [None, *list(POLICIES)[:-1]]


def test_a_role_that_publishes_events_may_publish_nothing_else() -> None:
    [excepted] = [
        policy["Statement"]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
        for policy in POLICIES.values()
        if "ArnNotEquals" in policy["Statement"]["Condition"]
    ]
    publishing = {
        role: statement["Condition"]
        for role in ROLES
        for statement in statements(role)
        if "events:PutEvents" in as_list(statement["Action"])
    }

    assert {name_of(role) for role in excepted} == set(publishing)
    assert all(
        condition == {"ForAllValues:StringEquals": {"events:source": "eventcron"}} for condition in publishing.values()
    )
