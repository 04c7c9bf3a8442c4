"""What aiobotocore finds out and speaks: access by whatever botocore reads, and the newer bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import NoCredentialsError

from eventcron.adapters.aws.access import CERTIFICATES, SERVICE_IDS
from eventcron.adapters.aws.connections import CONNECT_TIMEOUT_S, READ_TIMEOUT_S
from eventcron.adapters.aws.signing import Keys


class SessionAccess:
    """The access of an aiobotocore session: profiles, roles, containers, instances, and whatever else it reads."""

    def __init__(self, credentials: Any, region: str, endpoints: Mapping[str, str], ca_bundle: str) -> None:
        self._credentials = credentials
        self._endpoints = endpoints
        self.region = region
        self.ca_bundle = ca_bundle

    @classmethod
    async def of(cls, session: AioSession | None = None) -> SessionAccess:
        """The access that *session* finds, or a new one.

        Raises:
            NoRegionError, NoCredentialsError: it finds none.
        """
        session = session or get_session()
        credentials: Any = await session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        endpoints: dict[str, str] = {}
        for service in SERVICE_IDS:
            async with session.create_client(service) as client:
                endpoints[service] = client.meta.endpoint_url
        region: Any = session.get_config_variable("region")
        given: Any = session.get_config_variable("ca_bundle")
        return cls(credentials, region, endpoints, given or CERTIFICATES)

    async def keys(self) -> Keys:
        frozen = await self._credentials.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token or "")

    def endpoint(self, service: str) -> str:
        return self._endpoints[service]


def botocore_client(service: str, session: AioSession | None, *, concurrency: int) -> Any:
    """botocore's client of *service*, to be entered. It repeats nothing."""
    config = AioConfig(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=concurrency,
    )
    return (session or get_session()).create_client(service, config=config)
