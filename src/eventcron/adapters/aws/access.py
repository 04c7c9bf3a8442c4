"""Who calls, in which Region, and where: as the AWS tools read it from the environment and its files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol

import botocore

from eventcron.adapters.aws.signing import Keys

#: The names of the services in ``AWS_ENDPOINT_URL_…``: their service ids, in capitals.
SERVICE_IDS = {"dynamodb": "DYNAMODB", "sqs": "SQS", "events": "EVENTBRIDGE"}
#: botocore's copy of Mozilla's list. What the host has, and where, differs from host to host.
CERTIFICATES = str(Path(botocore.__file__).parent / "cacert.pem")
#: Variables that say more than ``EnvironmentAccess`` understands. A session of botocore understands all.
_FURTHER = ("AWS_PROFILE", "AWS_CREDENTIAL_EXPIRATION", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")


class Access(Protocol):
    """What a call needs to know of its caller."""

    @property
    def region(self) -> str: ...

    @property
    def ca_bundle(self) -> str:
        """The file of the certificates that services are checked by, as botocore chooses it."""
        ...

    async def keys(self) -> Keys:
        """The caller's keys, renewed before they end."""
        ...

    def endpoint(self, service: str) -> str:
        """The URL of *service*: what the environment or the configuration file say, or AWS's own in the Region."""
        ...


class EnvironmentAccess:
    """The keys and the Region that the environment gives, as in a Lambda function. It needs no aiobotocore.

    To import aiobotocore takes longer than everything else that a function does before its first call.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.region = environ["AWS_DEFAULT_REGION"]
        self.ca_bundle = environ.get("AWS_CA_BUNDLE") or CERTIFICATES
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        self._keys = Keys(*(environ.get(name, "") for name in names))
        self._environ = environ

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> EnvironmentAccess | None:
        """The access that *environ* gives; None if it does not say everything, or a configuration file may say more."""
        whole = all(environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"))
        file = Path(environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()
        return None if not whole or any(environ.get(name) for name in _FURTHER) or file.is_file() else cls(environ)

    async def keys(self) -> Keys:
        return self._keys

    def endpoint(self, service: str) -> str:
        if self._environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
            for name in (f"AWS_ENDPOINT_URL_{SERVICE_IDS[service]}", "AWS_ENDPOINT_URL"):
                if self._environ.get(name):
                    return self._environ[name]
        return f"https://{service}.{self.region}.{_suffix(self.region)}"


@cache
def _suffix(region: str) -> str:
    """The domain of all endpoints in *region*, by botocore's list of AWS's partitions."""
    file = Path(botocore.__file__).parent / "data" / "partitions.json"
    partitions = json.loads(file.read_text(encoding="utf-8"))["partitions"]
    of_region = (part for part in partitions if region in part["regions"] or re.match(part["regionRegex"], region))
    return str(next(of_region, partitions[0])["outputs"]["dnsSuffix"])
