"""What a program imports that does the work of fires: a decorator for Lambda functions, a worker for servers.

>>> from eventcron import consumer
>>> @consumer.handler(once=consumer.REPEATABLE)
... def export(fire):
...     return f"exported {fire.input['report']}"
>>> from eventcron.testing import fire_event
>>> export(fire_event("acme", "nightly", input={"report": "leads"}), None)
'exported leads'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventcron.consumer.lambda_handler import REPEATABLE, handler
from eventcron.errors import Undecodable
from eventcron.model.fires import Fire

if TYPE_CHECKING:
    from eventcron.adapters.memory.work import MemorySeen
    from eventcron.app.jobs import Handled
    from eventcron.consumer.worker import Worker
    from eventcron.ports.work import Claim, Seen
    from eventcron.rules.jobs import JobEnd

__all__ = [
    "REPEATABLE",
    "Claim",
    "Fire",
    "Handled",
    "JobEnd",
    "MemorySeen",
    "Seen",
    "Undecodable",
    "Worker",
    "handler",
]

#: Where the names are that only a worker needs. A Lambda function never imports them.
_LATER = {
    "Claim": "eventcron.ports.work",
    "Handled": "eventcron.app.jobs",
    "JobEnd": "eventcron.rules.jobs",
    "MemorySeen": "eventcron.adapters.memory.work",
    "Seen": "eventcron.ports.work",
    "Worker": "eventcron.consumer.worker",
}


def __getattr__(name: str) -> Any:
    """Import what only a worker needs when a program asks for it."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  # see above

    return getattr(import_module(_LATER[name]), name)
