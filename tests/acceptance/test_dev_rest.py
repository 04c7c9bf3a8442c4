"""The REST API of ``eventcron dev``: the stack's own HTTP API and function, on the embedded AWS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.core.result import Ok

from eventcron.entrypoints.rest.openapi import document as openapi_document
from eventcron.local.runtime import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Runtime
from tests.rest.contract import CHECKS, document
from tests.waiting import received

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="module")]

TEA = "/tenants/acme/schedules/tea"

#: Examples for each operation. A request takes 60 ms here, and tests/rest tests the document at length.
EXAMPLES = 6


class Answer(NamedTuple):
    status: int
    headers: Any
    body: Any


class Client:
    """Signs requests with its credentials, if it has any."""

    def __init__(self, runtime: Runtime, session: aiohttp.ClientSession, credentials: Credentials | None) -> None:
        self._runtime = runtime
        self._session = session
        self._credentials = credentials

    async def __call__(self, method: str, path: str, body: object = None) -> Answer:
        url = f"{self._runtime.rest_url}{path}"
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"content-type": "application/json"}
        headers |= signature(method, url, data, self._credentials, self._runtime.region)
        async with self._session.request(method, url, data=data, headers=headers) as response:
            text = await response.text()
            return Answer(response.status, response.headers, json.loads(text) if text else None)


def signature(method: str, url: str, data: str | None, credentials: Credentials | None, region: str) -> dict[str, str]:
    if credentials is None:
        return {}
    request = AWSRequest(method=method, url=url, data=data)
    SigV4Auth(credentials, "execute-api", region).add_auth(request)
    return dict(request.headers.items())


@pytest_asyncio.fixture(name="runtime", scope="module", loop_scope="module")
async def _runtime() -> AsyncIterator[Runtime]:
    async with Runtime() as runtime:
        yield runtime


@pytest_asyncio.fixture(name="session", scope="module", loop_scope="module")
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(name="root", scope="module")
def _root(runtime: Runtime, session: aiohttp.ClientSession) -> Client:
    return Client(runtime, session, Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY))


async def test_a_schedule_that_was_put_fires(runtime: Runtime, root: Client) -> None:
    sqs, events = runtime.client("sqs"), runtime.client("events")
    url = (await sqs.create_queue(QueueName="rest"))["QueueUrl"]
    arn = (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
    pattern = json.dumps({"detail-type": ["Schedule Fired"], "detail": {"name": ["tea"]}})
    await events.put_rule(Name="rest", EventBusName=runtime.bus_name, EventPattern=pattern)
    await events.put_targets(Rule="rest", EventBusName=runtime.bus_name, Targets=[{"Id": "queue", "Arn": arn}])

    put = await root("PUT", TEA, {"expression": "* * * * * *", "input": {"cups": 2}})
    [message] = await received(sqs, url)
    fired = json.loads(message["Body"])["detail"]
    paused = await root("POST", f"{TEA}/pause")
    listed = await root("GET", "/tenants/acme/schedules?state=PAUSED&limit=1")

    assert (put.status, put.headers["etag"]) == (201, f'"{put.body["revision"]}"')
    assert (fired["tenant"], fired["revision"], fired["input"]) == ("acme", put.body["revision"], {"cups": 2})
    assert (paused.status, paused.body["state"]) == (200, "PAUSED")
    assert [stored["schedule"]["name"] for stored in listed.body["schedules"]] == ["tea"]
    assert (await root("DELETE", TEA)).status == 204
    assert (await root("GET", TEA)).status == 404


async def test_pages_follow_one_another(root: Client) -> None:
    for name in "abc":
        await root("PUT", f"/tenants/pages/schedules/{name}", {"expression": "@daily"})
    first = await root("GET", "/tenants/pages/schedules?limit=2")
    second = await root("GET", f"/tenants/pages/schedules?limit=2&next={first.body['next']}")

    names = [[stored["schedule"]["name"] for stored in page.body["schedules"]] for page in (first, second)]
    assert names == [["a", "b"], ["c"]]


async def test_a_tenant_s_role_acts_for_that_tenant_alone(
    runtime: Runtime, session: aiohttp.ClientSession, root: Client
) -> None:
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
    role = await runtime.client("iam").create_role(
        RoleName="eventcron-tenant-acme", AssumeRolePolicyDocument=json.dumps(trust)
    )
    assumed = await runtime.client("sts").assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="eventcron-tenant-b")
    keys = assumed["Credentials"]
    acme = Client(runtime, session, Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]))
    await root("PUT", "/tenants/b/schedules/theirs", {"expression": "@daily"})

    own = await acme("PUT", "/tenants/acme/schedules/mine", {"expression": "@daily"})
    refused = [
        await acme("GET", "/tenants/b/schedules"),
        await acme("GET", "/tenants/b/schedules/theirs"),
        await acme("PUT", "/tenants/b/schedules/theirs", {"expression": "@hourly"}),
        await acme("DELETE", "/tenants/b/schedules/theirs"),
        await acme("POST", "/tenants/b/schedules/theirs/run"),
        await acme("GET", "/tenants/b/schedules/not-there"),
    ]
    theirs = await root("GET", "/tenants/b/schedules/theirs")

    assert own.status == 201
    assert {(answer.status, answer.body["code"]) for answer in refused} == {(403, "not_allowed")}
    assert theirs.body["schedule"]["expression"] == "@daily"


async def test_an_unsigned_request_is_rejected(runtime: Runtime, session: aiohttp.ClientSession) -> None:
    answer = await Client(runtime, session, None)("GET", TEA)

    assert (answer.status, answer.body) == (403, {"message": "Forbidden"})


async def test_it_serves_its_document_and_says_what_else_there_is(root: Client) -> None:
    served = await root("GET", "/openapi.json")
    lost = await root("GET", "/nothing")
    wrong = await root("PATCH", TEA)

    assert served.body == openapi_document()
    assert (lost.status, lost.body["code"]) == (404, "no_such_path")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, PUT, DELETE")


@pytest.mark.slow
async def test_schemathesis_finds_no_fault(runtime: Runtime, root: Client) -> None:
    for name in ("n0", "n1"):
        await root("PUT", f"/tenants/acme/schedules/{name}", {"expression": "@daily", "revision": 10})

    @settings(max_examples=EXAMPLES, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
    def check(case: Case[Any]) -> None:
        credentials = f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20261201/{runtime.region}/execute-api/aws4_request"
        case.headers["Authorization"] = credentials
        case.call_and_validate(base_url=runtime.rest_url, checks=CHECKS)

    for operation in document().get_all_operations():
        assert isinstance(operation, Ok)
        await asyncio.to_thread(given(operation.ok().as_strategy())(check))
