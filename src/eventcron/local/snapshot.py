"""The directory of ``eventcron dev --keep``: one embedded AWS saves its state there, and the next one loads it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import signal
from concurrent.futures import Future
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

import msgspec
from msgspec import Struct

from eventcron.local import template
from eventcron.local.errors import LocalError
from eventcron.local.stack import STACK_NAME, bundle

#: Seconds. Tens of thousands of schedules are saved in a few.
SAVE_SECONDS = 60.0
#: This file exists if and only if the state on disk is complete.
COMPLETE = "complete"
_ORIGIN = "origin.json"


class Origin(Struct, frozen=True):
    """What the state in a directory depends on. The next run must not differ in any of it."""

    #: Part of each queue's URL.
    port: int
    region: str
    parameters: dict[str, str]
    #: SHA-256 of the stack's template.
    template: str
    #: The version that wrote the files.
    ministack: str


class Snapshot:
    """The state in *directory*, for an embedded AWS with that *region* and those stack *parameters*."""

    def __init__(self, directory: Path, *, region: str, parameters: dict[str, str]) -> None:
        self.directory = directory
        #: Whether the directory held a state when the embedded AWS started.
        self.resumed = False
        self._region = region
        self._parameters = parameters

    def port(self) -> int:
        """The port that the state belongs to; 0 if there is no state.

        Raises:
            LocalError: the state is incomplete, or the directory is not eventcron's.
        """
        stored = self._stored()
        return 0 if stored is None else stored.port

    def begin(self, port: int) -> None:
        """Prepare the directory for an embedded AWS on *port*.

        Raises:
            LocalError: the state has another origin or is incomplete, or the directory is not eventcron's.
        """
        digest = hashlib.sha256(template.find().read_bytes()).hexdigest()
        wanted = Origin(port, self._region, self._parameters, digest, version("ministack"))
        stored = self._stored()
        if stored is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            (self.directory / _ORIGIN).write_bytes(msgspec.json.encode(wanted))
            (self.directory / COMPLETE).touch()  # there is nothing to save yet
            return
        changed = [name for name in Origin.__struct_fields__ if getattr(stored, name) != getattr(wanted, name)]
        if changed:
            raise LocalError(
                f"the state in {self.directory} was saved by a run that differs in {', '.join(changed)}; "
                "start with the same options, or give --keep another directory"
            )
        self.resumed = True

    def end(self) -> None:
        """Check the state after the embedded AWS has stopped.

        Raises:
            LocalError: the embedded AWS could not save everything.
        """
        if not (self.directory / COMPLETE).exists():
            raise LocalError(
                f"could not save everything in {self.directory}, so the next run cannot load it; "
                "check the free space and the permissions"
            )

    def _stored(self) -> Origin | None:
        if not self.directory.exists():
            return None
        if not self.directory.is_dir():
            raise LocalError(f"{self.directory} is not a directory; give --keep a directory")
        if not any(self.directory.iterdir()):
            return None
        try:
            found = msgspec.json.decode((self.directory / _ORIGIN).read_bytes(), type=Origin)
        except (OSError, msgspec.MsgspecError):
            raise LocalError(
                f"{self.directory} is not empty and not eventcron's; give --keep another directory"
            ) from None
        if not (self.directory / COMPLETE).exists():
            raise LocalError(
                f"{self.directory} is in use, or its embedded AWS ended before it could save; "
                "if no process uses it, remove it or give --keep another directory"
            )
        return found


class SnapshotWriter:
    """Saves the state of ministack into *directory*, from within the process of ministack.

    ministack loads the state itself. When it saves by itself, it serves requests meanwhile, and only its log says what
    it could not save. Here it saves between two requests, and the state counts as complete only if all was saved.
    """

    def __init__(self, directory: Path) -> None:
        self._complete = directory / COMPLETE
        self._loop: asyncio.AbstractEventLoop | None = None

    def install(self) -> None:
        """Mark the state as incomplete once ministack has loaded it. Only ``save`` makes it complete again.

        The stack's functions get the running code before anything invokes them. ministack removes a worker's files when
        it replaces the code, and a worker that starts at that moment fails its batch.
        """
        from ministack import app  # noqa: PLC0415
        from ministack.services import lambda_svc  # noqa: PLC0415

        load = app._load_persisted_state
        poll_event_sources = lambda_svc._ensure_poller

        def load_and_mark() -> None:
            lambda_svc._ensure_poller = lambda: None  # loading an event source mapping starts the polling
            load()
            _replace_code(bundle())
            self._complete.unlink(missing_ok=True)
            self._loop = asyncio.get_running_loop()
            lambda_svc._ensure_poller = poll_event_sources
            if lambda_svc._esms.has_any():
                poll_event_sources()

        app._load_persisted_state = load_and_mark

    def save(self) -> None:
        """Save, called from another thread. From then on no request is answered any more; the caller ends the process.

        Raises:
            TimeoutError: saving took longer than ``SAVE_SECONDS``.
        """
        if self._loop is None:
            return  # ministack has not loaded the state yet, so the state on disk is still complete
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
            if not failures.logged:
                self._complete.touch()
        finally:
            done.set_result(None)
            # The process ends now. Whatever a request would still change is not saved, so none may be answered.
            while True:
                signal.pause()


def _replace_code(code: bytes) -> None:
    """Replace the code of the loaded stack's functions by *code*, where it differs.

    Raises:
        RuntimeError: ministack rejected the code of a function.
    """
    from ministack.services import cloudformation, lambda_svc  # noqa: PLC0415

    digest = base64.b64encode(hashlib.sha256(code).digest()).decode()
    # Outside a request, the account and the Region are those of the stack.
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
    """Notices errors in ministack's log: only there ministack says that it could not save something."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.logged = False

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002  # any record is a failure
        self.logged = True
