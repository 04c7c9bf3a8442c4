"""A fire, as the program receives it that does its work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import asdict

T = TypeVar("T")

#: What ``repr`` shows in place of a run's token.
HIDDEN = "***"


class Fire(Struct, Generic[T], frozen=True, kw_only=True):
    """One occurrence of a schedule. Every delivery of the same occurrence has the same ``fire_id``.

    ``due`` is the nominal instant in UTC, ``local_time`` the same one in the schedule's ``timezone``. ``cause`` is
    ``schedule``, ``run`` or ``backfill``, or a word of a later release. ``attempt`` counts the rounds of the fire
    through eventcron, and says nothing about deliveries to the program.

    ``run_token`` is there if the schedule tracks its runs. Whoever has the token may say how the run ended, so
    ``repr`` hides it.
    """

    tenant: str
    name: str
    fire_id: str
    due: datetime
    local_time: datetime
    timezone: str
    cause: str
    cause_id: str | None = None
    attempt: int
    revision: int
    priority: int
    route: str | None = None
    labels: Mapping[str, str]
    #: The event's, which is ``Schedule Fired`` unless the schedule chose another.
    detail_type: str
    input: T
    run_token: str | None = None

    @property
    def tracked(self) -> bool:
        """Whether eventcron wants to know how the work ends."""
        return self.run_token is not None

    def __str__(self) -> str:
        return f"{self.tenant}/{self.name} {self.fire_id}"

    def __repr__(self) -> str:
        shown = asdict(self) | ({"run_token": HIDDEN} if self.tracked else {})
        return f"Fire({', '.join(f'{name}={value!r}' for name, value in shown.items())})"
