"""A subscription: the fires of a tenant's schedules, and the target they go to, as a CloudFormation template."""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from typing import Any

from msgspec import Struct

from eventcron.errors import EventcronError

#: Seconds that SQS keeps a dead letter, the longest it can.
_DEAD_LETTER_SECONDS = 1_209_600
#: Requests a second to an endpoint, at most; fires beyond wait. EventBridge takes 300.
_REQUESTS_PER_SECOND = 10

_ARN = r"arn:aws[a-z-]*:{service}:[a-z0-9-]+:[0-9]{{12}}:{resource}"
#: Kind of target → its form, and an example of it.
KINDS = {
    "sqs": (_ARN.format(service="sqs", resource=r"[A-Za-z0-9_.-]+"), "sqs:arn:aws:sqs:REGION:ACCOUNT:QUEUE"),
    "lambda": (
        _ARN.format(service="lambda", resource=r"function:[A-Za-z0-9_:$-]+"),
        "lambda:arn:aws:lambda:REGION:ACCOUNT:function:NAME",
    ),
    "stepfunctions": (
        _ARN.format(service="states", resource=r"stateMachine:[A-Za-z0-9_.:-]+"),
        "stepfunctions:arn:aws:states:REGION:ACCOUNT:stateMachine:NAME",
    ),
    "bus": (
        _ARN.format(service="events", resource=r"event-bus/.+"),
        "bus:arn:aws:events:REGION:ACCOUNT:event-bus/NAME",
    ),
}
#: What the rule's role may do to a target of the kind. A function has a permission instead.
_ACTIONS = {
    "sqs": "sqs:SendMessage",
    "stepfunctions": "states:StartExecution",
    "bus": "events:PutEvents",
    "https": "events:InvokeApiDestination",
}


class NotASubscription(EventcronError):
    """What is to be subscribed, or the target, is in no form that a rule can have. The message says which ones."""


class Subscription(Struct, frozen=True, kw_only=True):
    """The fires of *tenant*'s schedules whose name matches *pattern*, sent to a target."""

    bus: str
    tenant: str
    pattern: str
    #: One of ``KINDS``, or ``https``.
    kind: str
    #: The target's ARN, or its URL.
    target: str

    @property
    def name(self) -> str:
        """The name of its stack and of its rule. The same subscription always has the same name."""
        identity = json.dumps([self.bus, self.tenant, self.pattern, self.kind, self.target])
        digest = blake2b(identity.encode(), digest_size=6).hexdigest()
        # At most 64 characters, the longest name of a rule; a stack's has no dots.
        return f"eventcron-{re.sub('[^A-Za-z0-9-]', '-', self.tenant)[:32]}-{digest}"


def subscription(bus: str, which: str, to: str) -> Subscription:
    """The subscription of *which*, ``TENANT/PATTERN``, to the target *to*.

    >>> subscription("eventcron", "acme/nightly-*", "sqs:arn:aws:sqs:eu-north-1:123456789012:work").kind
    'sqs'

    Raises:
        NotASubscription: one of the two has another form.
    """
    tenant, _, pattern = which.partition("/")
    is_name = re.fullmatch(r"[A-Za-z0-9._*-]{1,128}", pattern) and "**" not in pattern
    if not (re.fullmatch(r"[A-Za-z0-9._-]{1,64}", tenant) and is_name):
        raise NotASubscription(
            f"got {which!r}; allowed is TENANT/PATTERN: a tenant, and the name of a schedule in which * stands for any"
            " characters, such as acme/nightly-*, or 'acme/*' for all schedules"
        )
    if re.fullmatch(r"https://[^\s/*]+(/[^\s*]*)?", to):
        return Subscription(bus=bus, tenant=tenant, pattern=pattern, kind="https", target=to)
    kind, _, arn = to.partition(":")
    if kind not in KINDS or not re.fullmatch(KINDS[kind][0], arn):
        allowed = (
            KINDS[kind][1] if kind in KINDS else ", ".join([*(example for _, example in KINDS.values()), "https://…"])
        )
        raise NotASubscription(f"got --to {to!r}; allowed: {allowed}")
    return Subscription(bus=bus, tenant=tenant, pattern=pattern, kind=kind, target=arn)


def event_pattern(one: Subscription) -> dict[str, Any]:
    """The pattern of its rule: fires under whatever detail-type, and nothing else."""
    detail: dict[str, Any] = {"tenant": [one.tenant], "fire_id": [{"exists": True}]}
    if one.pattern != "*":
        detail["name"] = [{"wildcard": one.pattern} if "*" in one.pattern else one.pattern]
    # The second source with FireSource PER_TENANT.
    return {"source": ["eventcron", f"eventcron.fires.{one.tenant}"], "detail": detail}


def template(one: Subscription) -> dict[str, Any]:
    """The stack: rule, dead-letter queue, and what lets EventBridge reach the target. It changes no target."""
    target: dict[str, Any] = {
        "Id": "target",
        "Arn": _attribute("Destination", "Arn") if one.kind == "https" else one.target,
        "DeadLetterConfig": {"Arn": _attribute("DeadLetters", "Arn")},
    }
    resources: dict[str, Any] = {}
    if one.kind == "https":
        resources |= _destination(one)
        # A fire may arrive twice. The receiver recognises the second one by the same key.
        target["HttpParameters"] = {"HeaderParameters": {"Idempotency-Key": "$.detail.fire_id"}}
    if one.kind == "lambda":
        resources["Permission"] = _resource(
            "AWS::Lambda::Permission",
            FunctionName=one.target,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=_attribute("Rule", "Arn"),
        )
    else:
        target["RoleArn"] = _attribute("Role", "Arn")
        resources["Role"] = _role(_ACTIONS[one.kind], target["Arn"])
    resources["Rule"] = _resource(
        "AWS::Events::Rule",
        Name=one.name,
        Description=f"Sends the fires of {one.tenant}/{one.pattern} to {one.target}"[:512],
        EventBusName=one.bus,
        EventPattern=event_pattern(one),
        Targets=[target],
    )
    made = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"eventcron subscription: {one.tenant}/{one.pattern} to {one.target}"[:1024],
        "Resources": resources | _dead_letters(),
        "Outputs": {"DeadLettersUrl": {"Value": {"Ref": "DeadLetters"}}},
    }
    if one.kind == "https":
        made["Parameters"] = {"KeyHeader": {"Type": "String"}, "Key": {"Type": "String", "NoEcho": True}}
    return made


def _attribute(resource: str, name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [resource, name]}


def _resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def _policy(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def _role(action: str, target: Any) -> dict[str, Any]:
    events = {"Service": "events.amazonaws.com"}
    own = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    return _resource(
        "AWS::IAM::Role",
        AssumeRolePolicyDocument=_policy(Principal=events, Action="sts:AssumeRole", Condition=own),
        Policies=[{"PolicyName": "deliver", "PolicyDocument": _policy(Action=action, Resource=target)}],
    )


def _destination(one: Subscription) -> dict[str, Any]:
    key = {"ApiKeyAuthParameters": {"ApiKeyName": {"Ref": "KeyHeader"}, "ApiKeyValue": {"Ref": "Key"}}}
    return {
        "Connection": _resource("AWS::Events::Connection", AuthorizationType="API_KEY", AuthParameters=key),
        "Destination": _resource(
            "AWS::Events::ApiDestination",
            ConnectionArn=_attribute("Connection", "Arn"),
            InvocationEndpoint=one.target,
            HttpMethod="POST",
            InvocationRateLimitPerSecond=_REQUESTS_PER_SECOND,
        ),
    }


def _dead_letters() -> dict[str, Any]:
    arn = _attribute("DeadLetters", "Arn")
    only_the_rule = {"ArnEquals": {"aws:SourceArn": _attribute("Rule", "Arn")}}
    events = {"Service": "events.amazonaws.com"}
    policy = _policy(Principal=events, Action="sqs:SendMessage", Resource=arn, Condition=only_the_rule)
    queue = _resource("AWS::SQS::Queue", MessageRetentionPeriod=_DEAD_LETTER_SECONDS, SqsManagedSseEnabled=True)
    return {
        "DeadLetters": queue,
        "DeadLettersPolicy": _resource("AWS::SQS::QueuePolicy", Queues=[{"Ref": "DeadLetters"}], PolicyDocument=policy),
    }
