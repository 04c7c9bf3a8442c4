"""Starts the two AWS emulators on loopback and ends what it started."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.waiting import HANG_SECONDS

WsgiApp: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@contextmanager
def moto_server() -> Iterator[str]:
    """The endpoint of a moto server in threads of this process."""
    app = _tables_change_one_request_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="moto")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _tables_change_one_request_at_a_time(app: WsgiApp) -> WsgiApp:
    """Make moto's conditional writes atomic, as DynamoDB's are: it checks and writes in as many threads as ask.

    Other services are not serialized: a long poll of a queue would hold up who is to send to it.
    """
    one_at_a_time = threading.Lock()

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB_"):
            return app(environ, start_response)
        with one_at_a_time:
            return app(environ, start_response)

    return serve


@contextmanager
def ministack_server(state: Path, *, services: str = "dynamodb,sqs,events") -> Iterator[str]:
    """The endpoint of a ministack in a process of its own, which keeps its files in *state*."""
    port = _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": services,
        "LOG_LEVEL": "WARNING",
        "STATE_DIR": str(state / "state"),
        "S3_DATA_DIR": str(state / "s3"),
        "TMPDIR": str(state),
    }
    with (state / "ministack.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, stdout=log, stderr=log)
        try:
            _await_health(process, f"{endpoint}/_ministack/health", state / "ministack.log")
            yield endpoint
        finally:
            process.terminate()
            try:
                process.wait(timeout=HANG_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    """A port that nobody listens on, outside the range from which the system gives ports to whoever asks for any.

    It takes seconds until ministack listens. Meanwhile the system would give a port of that range to another program.
    """
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except OSError:
        first = 32_768  # Linux's own
    while True:
        # Hypothesis seeds the functions of the module, and then every worker of xdist would choose the same.
        port = random.SystemRandom().randrange(10_000, max(first, 20_000))
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _await_health(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=HANG_SECONDS):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.05)  # it gives no signal but its health
    raise RuntimeError(f"ministack did not start; its log: {log.read_text(errors='replace')[-2000:]}")


def use_endpoint(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Point boto's settings at an emulator, with credentials that mean nothing elsewhere."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
