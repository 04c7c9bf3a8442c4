"""The error of the local runtime."""

from __future__ import annotations

from eventcron.errors import EventcronError


class LocalError(EventcronError):
    """The local runtime cannot do what was asked. The message says why and what to do."""
