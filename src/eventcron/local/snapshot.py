"""What an embedded AWS leaves in a directory for the next one to go on with, and whether that one may."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

import msgspec
from msgspec import Struct

from eventcron.local import template
from eventcron.local.embedded import LocalError

#: There when all that was in memory is on disk, and only then.
WHOLE = "whole"
_MADE = "made.json"


class Made(Struct, frozen=True):
    """What everything in a directory depends on, so that nothing of it may change."""

    #: Part of each queue's URL.
    port: int
    region: str
    parameters: dict[str, str]
    #: SHA-256 of the stack's template.
    template: str
    #: Whose formats it is in.
    ministack: str


class Kept:
    """A directory of an embedded AWS that ended, or of one that is to begin as *region* and *parameters* say."""

    def __init__(self, directory: Path, *, region: str, parameters: dict[str, str]) -> None:
        self.directory = directory
        #: Whether there was something to go on with.
        self.resumed = False
        self._region = region
        self._parameters = parameters

    def port(self) -> int:
        """The port that what is kept there belongs to; 0 = nothing is.

        Raises:
            LocalError: what is there is not whole, or not ours.
        """
        there = self._there()
        return 0 if there is None else there.port

    def begin(self, port: int) -> None:
        """Make the directory that of an embedded AWS on *port*.

        Raises:
            LocalError: it was made in another way, is not whole, or not ours.
        """
        now = self._made(port)
        there = self._there()
        if there is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            (self.directory / _MADE).write_bytes(msgspec.json.encode(now))
            (self.directory / WHOLE).touch()  # nothing is all there is
            return
        changed = [name for name in Made.__struct_fields__ if getattr(there, name) != getattr(now, name)]
        if changed:
            raise LocalError(
                f"{self.directory} was kept by a run that differs in {', '.join(changed)}; "
                "start as it was started, or keep in another directory"
            )
        self.resumed = True

    def end(self) -> None:
        """Look at what an embedded AWS left that was told to end.

        Raises:
            LocalError: it could not save everything.
        """
        if not (self.directory / WHOLE).exists():
            raise LocalError(
                f"not everything could be saved in {self.directory}, so it cannot be gone on with; "
                "is there space, and may it be written to?"
            )

    def _made(self, port: int) -> Made:
        digest = hashlib.sha256(template.find().read_bytes()).hexdigest()
        return Made(port, self._region, self._parameters, digest, version("ministack"))

    def _there(self) -> Made | None:
        if not self.directory.exists():
            return None
        if not self.directory.is_dir():
            raise LocalError(f"{self.directory} is not a directory; keep in one")
        if not any(self.directory.iterdir()):
            return None
        try:
            found = msgspec.json.decode((self.directory / _MADE).read_bytes(), type=Made)
        except (OSError, msgspec.MsgspecError):
            raise LocalError(f"{self.directory} is not empty and not eventcron's; keep in another directory") from None
        if not (self.directory / WHOLE).exists():
            raise LocalError(
                f"{self.directory} is in use, or its embedded AWS ended before it could save; "
                "if nothing runs on it, remove it or keep in another directory"
            )
        return found
