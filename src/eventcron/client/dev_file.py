"""The file in which a running ``eventcron dev`` says where it is, so that commands find it by themselves.

It lies in ``.eventcron/dev.json`` of the directory in which ``dev`` was started. Commands started there or further down
find it. Whatever names an account or an endpoint on purpose wins over it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from eventcron.adapters.aws.accounts import Account
from eventcron.errors import EventcronError

FILE = Path(".eventcron", "dev.json")
#: Variables that name an account or an endpoint on purpose.
EXPLICIT = (
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
)
#: Seconds. The port is on this machine.
CONNECT_TIMEOUT_S = 2.0


class StaleDev(EventcronError):
    """A file says that ``eventcron dev`` runs, and it does not. The message says what to do."""


class Dev(Struct, frozen=True, kw_only=True):
    """What the file says."""

    pid: int
    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str
    #: Where its console is; "" = it has none.
    console: str = ""

    @property
    def account(self) -> Account:
        return Account(region=self.region, endpoint=self.endpoint, keys=(self.access_key_id, self.secret_access_key))


class FoundDev(Struct, frozen=True):
    """A running ``eventcron dev``, and the file that names it."""

    dev: Dev
    file: Path


@contextmanager
def announced(dev: Dev, directory: Path) -> Iterator[None]:
    """Let commands that run in *directory*, or below it, find *dev*.

    Where the file cannot be written, commands do not find it, and nothing else is different. A file that another
    ``dev`` wrote meanwhile stays.
    """
    file = directory / FILE
    content = msgspec.json.format(msgspec.json.encode(dev))
    with suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        part = file.with_suffix(f".{dev.pid}")
        part.write_bytes(content)
        part.replace(file)
    try:
        yield
    finally:
        with suppress(OSError):
            if file.read_bytes() == content:
                file.unlink()
                file.parent.rmdir()


def find_dev(directory: Path, environ: Mapping[str, str]) -> FoundDev | None:
    """The running ``eventcron dev`` that *directory* or one above it names. None: no file does, or *environ* wins.

    Only a file of the same user counts, and only an endpoint on this machine, so that nobody can lead commands astray.

    Raises:
        StaleDev: it ended and could not remove the file, or the file is none of ours.
    """
    if any(environ.get(name) for name in EXPLICIT):
        return None
    for folder in (directory, *directory.parents):
        file = folder / FILE
        try:
            owner = file.stat().st_uid
            content = file.read_bytes()
        except OSError:
            continue
        if owner == os.getuid():
            return FoundDev(_running(file, content), file)
    return None


def account_near(said: Account, directory: Path, environ: Mapping[str, str]) -> tuple[Account, FoundDev | None]:
    """Where a deployment is: at *said*, or else in a running ``eventcron dev``, which is returned with it.

    A profile or an endpoint names an account on purpose. A Region alone does not, and is looked into there.

    Raises:
        StaleDev: as ``find_dev``.
    """
    found = None if said.profile or said.endpoint else find_dev(directory, environ)
    if found is None:
        return said, None
    account = found.dev.account
    return (replace(account, region=said.region) if said.region else account), found


def _running(file: Path, content: bytes) -> Dev:
    remedy = "start `eventcron dev` again, remove the file, or name an account with --profile or AWS_PROFILE"
    try:
        dev = msgspec.json.decode(content, type=Dev)
        address, port = _address(dev.endpoint)
    except (msgspec.MsgspecError, ValueError) as error:
        raise StaleDev(f"{file} does not say where `eventcron dev` runs ({error}); {remedy}") from error
    if not _is_alive(dev.pid) or not _listens(address, port):
        raise StaleDev(f"{file} names an `eventcron dev` that has ended (process {dev.pid}); {remedy}")
    return dev


def _address(endpoint: str) -> tuple[str, int]:
    parts = urlsplit(endpoint)
    host, port = parts.hostname or "", parts.port
    if port is None or not (host == "localhost" or ip_address(host).is_loopback):
        raise ValueError(f"its endpoint {endpoint!r} is not a port of this machine")
    return host, port


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True
