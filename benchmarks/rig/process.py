"""The rig in a process of its own: ``python -m benchmarks.rig.process FD`` serves, and obeys that socket."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.pipes import Pipe, child
from benchmarks.rig.faults import Faults
from benchmarks.rig.http import HttpProtocol
from benchmarks.rig.service import Observed, Service, Watch
from benchmarks.rig.stock import ItemKey, TableStock

LOOPBACK = "127.0.0.1"


class Certificate(NamedTuple):
    """A certificate for the loopback address, and its key."""

    certificate: Path
    key: Path


def certificate(folder: Path) -> Certificate:
    """Make a certificate in *folder*. Clients trust it by ``AWS_CA_BUNDLE``."""
    made = Certificate(folder / "rig.pem", folder / "rig.key")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, LOOPBACK)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


class Rig:
    """The rig's process, as the one that started it sees it."""

    def __init__(self, pipe: Pipe, url: str) -> None:
        self._pipe = pipe
        self.url = url

    def load(self, tables: dict[str, TableStock]) -> None:
        """Begin anew with *tables*."""
        self._pipe.ask("load", tables)

    def put(self, table: str, items: dict[ItemKey, bytes]) -> None:
        """Store *items* in *table*."""
        self._pipe.ask("put", table, items)

    def items(self, table: str) -> dict[ItemKey, bytes]:
        """What *table* holds."""
        found: dict[ItemKey, bytes] = self._pipe.ask("items", table)
        return found

    def begin(self, watch: Watch | None = None, faults: Faults | None = None) -> None:
        """Begin a run: all counts are 0."""
        self._pipe.ask("begin", watch or Watch(), faults or Faults())

    def observed(self) -> Observed:
        """What was seen since the run began."""
        seen: Observed = self._pipe.ask("observed")
        return seen


@contextmanager
def rig(tls: Certificate | None = None) -> Iterator[Rig]:
    """Start the rig, and stop it in the end."""
    with child("benchmarks.rig.process") as pipe:
        port = pipe.ask("serve", tls)
        yield Rig(pipe, f"{'https' if tls else 'http'}://{LOOPBACK}:{port}")


async def _serve(service: Service, tls: Certificate | None) -> int:
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
    server = await asyncio.get_running_loop().create_server(
        lambda: HttpProtocol(service.answer), LOOPBACK, 0, ssl=context, backlog=1_024
    )
    port: int = server.sockets[0].getsockname()[1]
    return port


async def main(pipe: Pipe) -> None:
    """Serve until the other end of *pipe* is closed."""
    service = Service()
    commands: dict[str, Callable[..., Any]] = {
        "load": service.dynamo.load,
        "put": service.dynamo.put,
        "items": service.dynamo.items,
        "begin": service.begin,
        "observed": service.report,
    }
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    name, arguments = pipe.receive()
    assert name == "serve"
    pipe.answer(await _serve(service, *arguments))

    def command() -> None:
        try:
            name, arguments = pipe.receive()
        except EOFError:
            ended.set()
            return
        pipe.answer(commands[name](*arguments))

    loop.add_reader(pipe.fileno(), command)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(Pipe.of_argument(sys.argv[1])))
