"""What the bus's policy consists of. ``test_iam`` has what IAM decides by it."""

from __future__ import annotations

import pytest

from eventcron.local import template
from tests.infra.stack import RESOURCES, ROLES, STACK, as_list, decided, name_of, statements

POLICIES = template.of_type(STACK, "AWS::Events::EventBusPolicy")


@pytest.mark.parametrize("policy", POLICIES)
def test_each_statement_is_about_this_bus_and_all_but_one_about_putting(policy: str) -> None:
    properties = POLICIES[policy]
    bus, *others = as_list(properties["Statement"]["Resource"])

    assert properties["EventBusName"] == {"Ref": "Bus"}
    assert bus == {"Fn::GetAtt": ["Bus", "Arn"]}
    if policy == "TenantsReadNothing":
        assert [other["Fn::Sub"].rpartition(":")[2] for other in others] == ["rule/${BusName}/*"]
    else:
        assert (properties["Statement"]["Action"], others) == ("events:PutEvents", [])


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


def test_only_those_who_publish_fires_may_use_the_sources_of_fires() -> None:
    stack = decided(FiresPerTenant=True, HasRestApi=True, HasEventBusV2=True, KeepsEvents=True, ForwardsEvents=True)
    both = {"ForAllValues:StringLike": {"events:source": ["eventcron", "eventcron.fires.*"]}}
    wider = {
        role
        for role in template.of_type(stack, "AWS::IAM::Role")
        for statement in statements(role, stack)
        if statement.get("Condition") == both
    }

    assert wider == {"ExecutorRole", "EventForwarderRole"}
