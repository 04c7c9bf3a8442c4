"""Who may do what with the bus, as an evaluator of IAM policies decides that is not ours."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any, NamedTuple

import pytest

from eventcron.local import template
from tests.infra.iam.evaluator import decisions
from tests.infra.resolve import ACCOUNT, BUS_ARN, REGION, Resolver
from tests.infra.stack import ROOT

#: It installs the evaluator, once.
pytestmark = pytest.mark.slow

OTHER_ACCOUNT = "999999999999"
PLATFORM_SOURCE = "com.example.platform"


def _role(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


PARAMETERS = {
    "TrustedSources": f"{PLATFORM_SOURCE},com.example.second",
    "TrustedPrincipals": f"{_role('platform')},{_role('forwards-for-the-platform')},arn:aws:iam::{ACCOUNT}:user/ci",
}
STACK = Resolver(PARAMETERS, HasRestApi=True, HasEventBusV2=True, ForwardsEvents=True, FiresPerTenant=True)
#: What an administrator's policy allows.
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
#: What an operator may add to the bus's policy, to take events of another account.
LETS_THE_OTHER_ACCOUNT_IN = {
    "Sid": "other-account",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"},
    "Action": "events:PutEvents",
    "Resource": BUS_ARN,
}


class Principal(NamedTuple):
    """Who calls. ``may`` = the sources of ``SOURCES`` that it may put."""

    arn: str
    may: set[str]
    tenant: str | None = None
    policy: dict[str, Any] | None = None
    account: str = ACCOUNT


def bus_policy(stack: Resolver) -> dict[str, Any]:
    found = template.of_type(stack.stack, "AWS::Events::EventBusPolicy")
    statements = [stack(one["Statement"]) | {"Sid": stack(one["StatementId"])} for one in found.values()]
    return {"Version": "2012-10-17", "Statement": [*statements, LETS_THE_OTHER_ACCOUNT_IN]}


def simulation(
    principal: Principal, sources: list[str] | None, *, stack: Resolver = STACK, action: str = "events:PutEvents",
    resource: str = BUS_ARN,
) -> dict[str, Any]:  # fmt: skip
    """A call by *principal*; *sources* are those of all its entries, None if the service does not say."""
    context: dict[str, Any] = {"aws:PrincipalArn": principal.arn, "aws:PrincipalAccount": principal.account}
    if principal.tenant is not None:
        context["aws:PrincipalTag/tenant"] = principal.tenant
    if sources is not None:
        context["events:source"] = sources
    own = {"Version": "2012-10-17", "Statement": [principal.policy]}
    return {
        "identityPolicies": [] if principal.policy is None else [{"name": "own", "policy": own}],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
        "resourcePolicy": bus_policy(stack),
        "request": {
            "action": action,
            "principal": principal.arn,
            "resource": {"accountId": ACCOUNT, "resource": resource},
            "contextVariables": context,
        },
    }


def _of_function(role: str) -> dict[str, Any]:
    [policy] = STACK.properties(role)["Policies"]
    [put] = [one for one in policy["PolicyDocument"]["Statement"] if one["Action"] == "events:PutEvents"]
    return dict(put) | {"Resource": BUS_ARN}  # with the second bus, the role's own policy names that one


SHOP = "com.example.shop"
SOURCES = [
    "eventcron",
    "eventcron.fires.acme",
    "eventcron.tenant.acme",
    "eventcron.tenant.acme.more",
    "eventcron.tenant.globex",
    "eventcron.tenant.*",
    PLATFORM_SOURCE,
    SHOP,
]
#: All that commands can have, and a stranger's.
COMMANDS = {source for source in SOURCES if source.startswith("eventcron.tenant.")} | {PLATFORM_SOURCE, SHOP}
ACME = {"eventcron.tenant.acme"}
OURS = {"eventcron", "eventcron.fires.acme"}
ELSEWHERE = _role("acme", OTHER_ACCOUNT)

PRINCIPALS = {
    "the-executor": Principal(_role("ExecutorRole"), OURS, policy=_of_function("ExecutorRole")),
    "the-forwarder": Principal(_role("EventForwarderRole"), OURS, policy=_of_function("EventForwarderRole")),
    "a-tenant-without-a-policy": Principal(_role("acme"), ACME, "acme"),
    "a-tenant-that-is-administrator": Principal(_role("mighty"), ACME, "acme", EVERYTHING),
    "another-tenant": Principal(_role("globex"), {"eventcron.tenant.globex"}, "globex", EVERYTHING),
    "a-tenant-named-like-a-pattern": Principal(_role("star"), {"eventcron.tenant.*"}, "*", EVERYTHING),
    "a-role-with-an-empty-tag": Principal(_role("empty"), set(), "", EVERYTHING),
    "an-administrator": Principal(_role("admin"), {SHOP}, policy=EVERYTHING),
    "the-registrar": Principal(_role("RegistrarRole"), {"eventcron"}, policy=_of_function("RegistrarRole")),
    "nobody": Principal(_role("nobody"), set()),
    "the-platform": Principal(_role("platform"), COMMANDS, policy=EVERYTHING),
    "the-platform-s-user": Principal(f"arn:aws:iam::{ACCOUNT}:user/ci", COMMANDS, policy=EVERYTHING),
    "the-platform-in-a-tenant-s-session": Principal(_role("platform"), ACME, "acme", EVERYTHING),
    "a-role-named-like-the-platform-s": Principal(_role("platform-2"), {SHOP}, policy=EVERYTHING),
    "the-platform-s-name-elsewhere": Principal(
        _role("platform", OTHER_ACCOUNT), {SHOP}, policy=EVERYTHING, account=OTHER_ACCOUNT
    ),
    "a-tagged-role-elsewhere": Principal(ELSEWHERE, set(), "acme", EVERYTHING, OTHER_ACCOUNT),
    "an-untagged-role-elsewhere": Principal(ELSEWHERE, {SHOP}, policy=EVERYTHING, account=OTHER_ACCOUNT),
    "a-rule-s-role": Principal(_role("forwards"), {SHOP}, policy=EVERYTHING),
    "a-rule-s-role-of-a-tenant": Principal(_role("forwards-acme"), ACME, "acme", EVERYTHING),
    "a-rule-s-role-of-the-platform": Principal(_role("forwards-for-the-platform"), COMMANDS, policy=EVERYTHING),
}
#: The sources of the entries of one call: each alone, each twice, each pair in either order, and all.
CALLS = [
    *([source] * times for source in SOURCES for times in (1, 2)),
    *([*pair][::step] for pair in combinations(SOURCES, 2) for step in (1, -1)),
    SOURCES,
]


@pytest.fixture(scope="module", name="put")
def _put() -> dict[tuple[str, tuple[str, ...] | None], str]:
    """The decision for each principal and call. All are made at once, because node takes a second to start."""
    cases = [(name, call) for name in PRINCIPALS for call in [*CALLS, None]]
    made = decisions([simulation(PRINCIPALS[name], call) for name, call in cases])
    return {(name, None if call is None else tuple(call)): one for (name, call), one in zip(cases, made, strict=True)}


@pytest.mark.parametrize("name", PRINCIPALS)
def test_a_call_is_allowed_only_if_each_entry_s_source_is(name: str, put: dict[Any, str]) -> None:
    may = PRINCIPALS[name].may
    decided = {call: put[name, call] for call in map(tuple, CALLS)}

    assert {call for call, decision in decided.items() if decision == "Allowed"} == {
        call for call in decided if may.issuperset(call)
    }


#: No rule's role has the tags of a session, so the platform's may be what it is without them.
TRUSTED = {
    "the-platform", "the-platform-s-user", "a-rule-s-role-of-the-platform", "the-platform-in-a-tenant-s-session",
}  # fmt: skip


@pytest.mark.parametrize("name", PRINCIPALS)
def test_only_the_trusted_and_our_forwarder_put_events_whose_sources_are_unknown(name: str, put: Any) -> None:
    """Forwarded events could be such. The forwarder's own subscription names their source."""
    assert (put[name, None] == "Allowed") is (name in TRUSTED | {"the-forwarder"})


def test_without_parameters_nobody_but_the_tagged_puts_commands() -> None:
    names = ["an-administrator", "the-platform", "a-rule-s-role-of-the-platform", "a-tenant-that-is-administrator"]
    made = decisions([simulation(PRINCIPALS[name], [*ACME], stack=Resolver()) for name in names])

    assert made == ["ExplicitlyDenied"] * 3 + ["Allowed"]


RULE_ARN = BUS_ARN.replace("event-bus", "rule") + "/acme-nightly"
#: Each way to read what others are sent, and to keep it from them, with the resource that IAM asks about.
READING = [
    *((f"events:{verb}", RULE_ARN) for verb in ("PutRule", "PutTargets")),
    *((f"events:{verb}", RULE_ARN) for verb in ("DeleteRule", "DisableRule", "EnableRule", "RemoveTargets")),
    ("events:CreateArchive", BUS_ARN),
    ("events:StartReplay", BUS_ARN),
]


@pytest.mark.parametrize(
    ("name", "may"),
    [
        pytest.param("a-tenant-that-is-administrator", False, id="a-tenant"),
        pytest.param("the-platform-in-a-tenant-s-session", False, id="a-tenant-s-session"),
        pytest.param("an-administrator", True, id="an-administrator"),
    ],
)
def test_a_tagged_principal_cannot_subscribe_archive_or_replay(name: str, may: bool) -> None:
    calls = [
        simulation(PRINCIPALS[name], ["eventcron.fires.acme"] if action == "events:PutRule" else None, action=action,
                   resource=resource)
        for action, resource in READING
    ]  # fmt: skip

    assert decisions(calls) == ["Allowed" if may else "ExplicitlyDenied"] * len(READING)


def test_a_tagged_principal_cannot_subscribe_on_the_second_bus() -> None:
    bus = STACK({"Fn::GetAtt": ["EventBusV2", "EventBusArn"]})
    policy = STACK.properties("EventBusV2Policy")["PolicyDocument"]
    names = ["a-tenant-that-is-administrator", "an-administrator"]
    calls = [
        simulation(PRINCIPALS[name], None, action=action, resource=bus) | {"resourcePolicy": policy}
        for name in names
        for action in ("events:CreateSubscriber", "events:UpdateSubscriber")
    ]

    assert decisions(calls) == ["ExplicitlyDenied"] * 2 + ["Allowed"] * 2


@pytest.mark.parametrize(
    ("sources", "name", "may"),
    [
        pytest.param(["eventcron.fires.acme"], "acme-nightly", True, id="its-own-fires"),
        pytest.param(["eventcron.fires.globex"], "acme-nightly", False, id="another-tenant-s"),
        pytest.param(["eventcron.fires.acme", "eventcron.fires.globex"], "acme-nightly", False, id="both"),
        pytest.param(["eventcron"], "acme-nightly", False, id="all-other-events"),
        pytest.param(None, "acme-nightly", False, id="a-pattern-without-a-source"),
        pytest.param(["eventcron.fires.acme"], "globex-nightly", False, id="a-rule-of-another-tenant"),
    ],
)
def test_with_a_source_per_tenant_a_documented_policy_lets_a_role_subscribe_to_one_tenant_only(
    sources: list[str] | None, name: str, may: bool
) -> None:
    statement, *others = json_blocks("docs/how-to/tenants.md")
    role = Principal(_role("acme-subscribes"), set(), policy=statement)
    rule = BUS_ARN.replace("event-bus", "rule") + f"/{name}"

    assert others == []
    assert (decisions([simulation(role, sources, action="events:PutRule", resource=rule)]) == ["Allowed"]) is may


def json_blocks(page: str) -> list[dict[str, Any]]:
    """The JSON that *page* shows."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b"
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html: "kms:Encrypt,
#: kms:Decrypt, kms:ReEncrypt*, kms:GenerateDataKey*, kms:DescribeKey, kms:CreateGrant".
ASKED_BY_DYNAMODB = [
    f"kms:{name}"
    for name in (
        *("CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
        *("ReEncryptFrom", "ReEncryptTo"),
    )
]
FUNCTION_ROLES = [f"{name}Role" for name in ("Registrar", "Planner", "Reconciler", "Executor", "Rest")]


def _use_of_key(action: str, principal: str, context: dict[str, Any], policies: list[dict[str, Any]]) -> dict[str, Any]:
    """A call of *action* with the key, whose policy is the documented one."""
    [key_policy] = json_blocks("docs/operations/deploy.md")
    return {
        "identityPolicies": [{"name": one["PolicyName"], "policy": one["PolicyDocument"]} for one in policies],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
        "resourcePolicy": key_policy,
        "request": {
            "action": action,
            "principal": principal,
            "resource": {"accountId": ACCOUNT, "resource": KEY_ARN},
            "contextVariables": context,
        },
    }


def test_functions_may_do_with_a_key_what_dynamodb_asks_for_and_the_rest_only_through_it() -> None:
    stack = Resolver({"KmsKeyArn": KEY_ARN}, HasKmsKey=True, HasRestApi=True)
    through = {"kms:ViaService": f"dynamodb.{REGION}.amazonaws.com"}
    asked = {
        (role, action, bool(context)): _use_of_key(action, _role(role), context, stack.properties(role)["Policies"])
        for role in FUNCTION_ROLES
        for action in ASKED_BY_DYNAMODB
        for context in (through, {})
    }
    made = dict(zip(asked, decisions(list(asked.values())), strict=True))

    assert {case for case, decision in made.items() if decision == "Allowed"} == {
        (role, action, through_dynamodb)
        for role, action, through_dynamodb in asked
        if through_dynamodb or action in {"kms:Decrypt", "kms:GenerateDataKey"}
    }


@pytest.mark.parametrize("account", [ACCOUNT, OTHER_ACCOUNT])
def test_the_documented_key_policy_lets_eventbridge_use_the_key_for_its_account_only(account: str) -> None:
    uses = [
        _use_of_key(f"kms:{name}", "events.amazonaws.com", {"aws:SourceAccount": account}, [])
        for name in ("Decrypt", "DescribeKey", "GenerateDataKey")
    ]

    assert decisions(uses) == ["Allowed" if account == ACCOUNT else "ImplicitlyDenied"] * len(uses)


def test_each_service_in_the_documented_key_policy_is_confined_to_the_account() -> None:
    """The evaluator does not know the encryption context, by which CloudWatch Logs is confined."""
    [policy] = json_blocks("docs/operations/deploy.md")
    conditions = [one["Condition"] for one in policy["Statement"] if "Service" in one["Principal"]]

    assert conditions == [
        {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:*"}},
    ]
