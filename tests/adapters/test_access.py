"""Who calls, in which Region, and where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from aiobotocore.credentials import AioRefreshableCredentials
from botocore.exceptions import NoCredentialsError, NoRegionError

from eventcron.adapters.aws.access import EnvironmentAccess
from eventcron.adapters.aws.clients import aws_clients
from eventcron.adapters.aws.sessions import SessionAccess
from eventcron.adapters.aws.signing import Keys

BOTOCORE = botocore.session.Session()
SERVICES = ("dynamodb", "sqs", "events")
LAMBDA = {
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "AWS_DEFAULT_REGION": "eu-north-1",
    "AWS_CONFIG_FILE": "/nowhere",
}


@pytest.fixture(name="environ")
def _environ(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a Lambda function, in this process too."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in LAMBDA.items():
        monkeypatch.setenv(name, value)
    return dict(LAMBDA)


async def test_the_environment_of_a_function_says_all(environ: dict[str, str]) -> None:
    access = EnvironmentAccess.of(environ)

    assert access is not None
    assert await access.keys() == Keys("AKID", "secret", "token")
    assert access.region == "eu-north-1"
    assert access.endpoint("events") == "https://events.eu-north-1.amazonaws.com"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("partition", BOTOCORE.get_available_partitions())
def test_the_endpoints_are_those_of_botocore(partition: str, service: str) -> None:
    regions = BOTOCORE.get_available_regions(service, partition)
    for region in {*regions[:2], *regions[-1:]}:
        client: Any = BOTOCORE.create_client(
            service, region_name=region, aws_access_key_id="x", aws_secret_access_key="x"
        )
        assert EnvironmentAccess({"AWS_DEFAULT_REGION": region}).endpoint(service) == client.meta.endpoint_url


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="none"),
        pytest.param({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, id="for-all"),
        pytest.param({"AWS_CA_BUNDLE": "/etc/ssl/mine.pem"}, id="certificates"),
        pytest.param({"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1"}, id="for-sqs"),
        pytest.param(
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_EVENTBRIDGE": "http://127.0.0.1:2"},
            id="for-all-and-for-events",
        ),
        pytest.param(
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, id="ignored"
        ),
    ],
)
async def test_a_session_and_the_environment_alone_agree(
    environ: dict[str, str], more: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    alone, session = EnvironmentAccess.of(environ | more), await SessionAccess.of()

    assert alone is not None
    assert await alone.keys() == await session.keys()
    assert (alone.region, alone.ca_bundle) == (session.region, session.ca_bundle)
    assert [alone.endpoint(service) for service in SERVICES] == [session.endpoint(service) for service in SERVICES]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"AWS_ACCESS_KEY_ID": ""}, id="no-key"),
        pytest.param({"AWS_SECRET_ACCESS_KEY": ""}, id="no-secret"),
        pytest.param({"AWS_DEFAULT_REGION": ""}, id="no-region"),
        pytest.param({"AWS_PROFILE": "work"}, id="a-profile"),
        pytest.param({"AWS_CREDENTIAL_EXPIRATION": "2026-12-01T00:00:00Z"}, id="keys-that-end"),
        pytest.param({"AWS_USE_FIPS_ENDPOINT": "true"}, id="fips"),
        pytest.param({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, id="dual-stack"),
        pytest.param({"AWS_CONFIG_FILE": __file__}, id="a-configuration-file"),
    ],
)
def test_what_the_environment_does_not_say_is_left_to_a_session(
    environ: dict[str, str], change: dict[str, str]
) -> None:
    assert EnvironmentAccess.of(environ | change) is None


@pytest.mark.parametrize(
    ("variable", "host"),
    [
        ("AWS_USE_FIPS_ENDPOINT", "dynamodb-fips.us-east-1.amazonaws.com"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "dynamodb.us-east-1.api.aws"),
    ],
)
@pytest.mark.usefixtures("environ")
async def test_a_session_knows_the_other_kinds_of_endpoints(
    variable: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv(variable, "true")

    assert (await SessionAccess.of()).endpoint("dynamodb") == f"https://{host}"


@pytest.mark.usefixtures("environ")
async def test_a_configuration_file_may_say_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text("[default]\nregion = eu-west-3\nendpoint_url = http://127.0.0.1:3\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    access = await SessionAccess.of()

    assert (access.region, access.endpoint("sqs")) == ("eu-west-3", "http://127.0.0.1:3")


@pytest.mark.usefixtures("environ")
async def test_keys_that_end_are_renewed_before_they_do() -> None:
    given = iter(["first", "second"])

    async def renew() -> dict[str, str]:
        name = next(given)
        ends = datetime.now(UTC) + timedelta(seconds=30 if name == "first" else 3_600)
        return {"access_key": name, "secret_key": "s", "token": "t", "expiry_time": ends.isoformat()}

    credentials = AioRefreshableCredentials.create_from_metadata(await renew(), renew, "test")
    access = SessionAccess(credentials, "eu-north-1", {}, "")

    assert [(await access.keys()).access for _ in range(2)] == ["second", "second"]


@pytest.mark.parametrize(
    ("missing", "error"),
    [("AWS_DEFAULT_REGION", NoRegionError), ("AWS_ACCESS_KEY_ID", NoCredentialsError)],
)
@pytest.mark.usefixtures("environ")
async def test_a_shell_that_says_too_little_is_told_what_is_missing(
    missing: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv(missing)
    with pytest.raises(error):
        async with aws_clients(concurrency=1):
            pass
