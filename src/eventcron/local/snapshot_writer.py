"""Keeps what ministack holds in memory, inside its process: what AWS stores does not go with a process of ours."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from concurrent.futures import Future
from http import HTTPStatus
from pathlib import Path

from eventcron.local.snapshot import WHOLE
from eventcron.local.stack import STACK_NAME, bundle

#: Seconds within which everything is on disk; tens of thousands of schedules take a few.
SAVE_SECONDS = 60.0


class SnapshotWriter:
    """Saves into *directory* once ministack has loaded what was there; ``PERSIST_STATE`` tells ministack where.

    ministack saves when it is asked to stop, and logs what it could not save. Here it saves at a stroke, between two
    requests, and the directory counts as whole only if nothing was in the way.
    """

    def __init__(self, directory: Path) -> None:
        self._whole = directory / WHOLE
        self._loop: asyncio.AbstractEventLoop | None = None

    def install(self) -> None:
        """Notice when ministack has loaded. From then on only ``save`` makes the directory whole again.

        The stack's functions get the code that runs now before anything invokes them: ministack removes a worker's
        files when the code is replaced, and a worker that starts at that moment fails its batch.
        """
        from ministack import app  # noqa: PLC0415
        from ministack.services import lambda_svc  # noqa: PLC0415

        load = app._load_persisted_state
        poll_event_sources = lambda_svc._ensure_poller

        def load_and_notice() -> None:
            lambda_svc._ensure_poller = lambda: None  # loading a mapping starts the polling
            load()
            _replace_code(bundle())
            self._whole.unlink(missing_ok=True)
            self._loop = asyncio.get_running_loop()
            lambda_svc._ensure_poller = poll_event_sources
            if lambda_svc._esms.has_any():
                poll_event_sources()

        app._load_persisted_state = load_and_notice

    def save(self) -> None:
        """Save, called from another thread; requests that are being answered now will not be.

        Raises:
            TimeoutError: it took too long.
        """
        if self._loop is None:
            return  # nothing was loaded, so what is on disk is still all there is
        done: Future[None] = Future()
        self._loop.call_soon_threadsafe(self._save, done)
        done.result(SAVE_SECONDS)

    def _save(self, done: Future[None]) -> None:
        from ministack import app  # noqa: PLC0415
        from ministack.core import persistence  # noqa: PLC0415

        failures = _Failures()
        persistence.logger.addHandler(failures)
        try:
            persistence.save_all(app._build_persistence_save_dict())
            if not failures.seen:
                self._whole.touch()
        finally:
            done.set_result(None)


def _replace_code(code: bytes) -> None:
    """Give the functions of the stack that was loaded *code*, unless they have it.

    Raises:
        RuntimeError: ministack refused the code of a function.
    """
    from ministack.services import cloudformation, lambda_svc  # noqa: PLC0415

    digest = base64.b64encode(hashlib.sha256(code).digest()).decode()
    # Outside a request, the account and the Region are those that the stack is in.
    resources = (cloudformation._stacks.get(STACK_NAME) or {}).get("_resources", {})
    for resource in resources.values():
        if resource["ResourceType"] != "AWS::Lambda::Function":
            continue
        name = resource["PhysicalResourceId"]
        if lambda_svc._functions[name]["config"]["CodeSha256"] != digest:
            status, _, body = lambda_svc._update_code(name, {"ZipFile": base64.b64encode(code)})
            if status != HTTPStatus.OK:
                raise RuntimeError(f"the code of {name} cannot be replaced: {body}")


class _Failures(logging.Handler):
    """ministack's log is the only place where it says that something could not be saved."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen = False

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002  # that there is one says enough
        self.seen = True
