"""What the bus's policy consists of. ``test_iam`` has what IAM decides by it."""

from __future__ import annotations

import pytest

from eventcron.local import template
from tests.infra.stack import RESOURCES, ROLES, STACK, as_list, name_of, statements

POLICIES = template.of_type(STACK, "AWS::Events::EventBusPolicy")


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
    excepted = POLICIES["OnlyEventcronPublishesEvents"]["Statement"]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
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
