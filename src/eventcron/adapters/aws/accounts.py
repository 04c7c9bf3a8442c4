"""Where a deployment is, and who asks: what a caller says about it, and else whatever the AWS tools read."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from msgspec import Struct


class Account(Struct, frozen=True, kw_only=True):
    """What a caller says; None = as the AWS tools find it. All None: as they find everything."""

    profile: str | None = None
    region: str | None = None
    endpoint: str | None = None
    #: Keys for ``endpoint``, in place of the caller's own: those of an embedded AWS.
    keys: tuple[str, str] | None = None


#: What opens the clients of an account.
Session: TypeAlias = AioSession
BY_DEFAULT = Account()

#: Makes a session ignore the caller's profile and files: (config name, environment, default, cast).
_NO_FILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class _Session(AioSession):
    """A session whose clients call the endpoint of *account*, with its keys."""

    def __init__(self, account: Account) -> None:
        super().__init__(_NO_FILES if account.keys else None, profile=account.profile)
        self._endpoint = account.endpoint
        self._keys = AioCredentials(*account.keys) if account.keys else None
        if account.region:
            self.set_config_variable("region", account.region)

    async def get_credentials(self) -> Any:  # type: ignore[override]  # aiobotocore's own is async too
        return self._keys or await super().get_credentials()

    def create_client(self, *args: Any, **options: Any) -> Any:
        return super().create_client(*args, **{"endpoint_url": self._endpoint, **options})


def session_at(account: Account) -> Session:
    """A session of the AWS tools at *account*."""
    return _Session(account)
