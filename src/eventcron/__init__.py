"""eventcron: a multi-tenant scheduler for AWS.

Schedules go in by EventBridge PutEvents; fires come out on an EventBridge bus at the exact instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eventcron.client import Client, Rejected, Schedule

__version__ = "0.1.0"
__all__ = ["Client", "Rejected", "Schedule"]


def __getattr__(name: str) -> Any:
    """Import the client when a program asks for it: the Lambda functions never do."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from eventcron import client  # noqa: PLC0415  # see above

    return getattr(client, name)
