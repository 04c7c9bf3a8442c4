"""How often a change is decided anew because another writer was first. No other module decides that either."""

from __future__ import annotations

from eventcron.errors import Conflict

#: What is still contended then comes back with its message, whose delay spreads a burst of commands, or with the next
#: run.
MAX_TRIES = 8


def contended(what: object) -> Conflict:
    """Other writers were first at every try."""
    return Conflict(f"{what} is being changed by others: not changed in {MAX_TRIES} tries")
