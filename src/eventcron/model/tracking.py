"""What a schedule says about its runs, and how a run ends.

A run is what a target makes of one tracked fire. It is named by the fire's ``fire_id``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

#: Characters of a report's message, and bytes of JSON of its result.
MAX_MESSAGE_CHARS = 1_024
MAX_RESULT_BYTES = 4_096


class Overlap(StrEnum):
    """What becomes of an occurrence while a run of the same schedule is open."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE_ONE = "queue_one"  # one waits, more are skipped


class RunStatus(StrEnum):
    """What a report says about a run: ``status`` of Report Run."""

    STARTED = "started"
    PROGRESS = "progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RunEnd(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    OVERDUE = "overdue"


class Expect(Struct, frozen=True, forbid_unknown_fields=True):
    """A schedule that fires nothing: it expects a report by each of its instants, and says when none came."""

    within_seconds: Annotated[
        int,
        Meta(ge=1, le=604_800, description="Seconds after each instant by which a report is to have come."),
    ]


class Runs(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whether eventcron follows what becomes of a schedule's fires, and what it does about it."""

    track: Annotated[
        bool,
        Meta(description="Each fire carries a run_token. Whoever presents it may say how the run went."),
    ] = False
    timeout_seconds: Annotated[
        int,
        Meta(ge=1, le=86_400, description="Seconds from the fire. A run that has not ended by then is overdue."),
    ] = 3_600
    overlap: Annotated[
        Overlap,
        Meta(
            description="An occurrence that falls due while a run is open: allow fires it, skip does not, queue_one "
            "fires one of them when the run ends or is overdue."
        ),
    ] = Overlap.ALLOW
    pause_after_failures: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="The schedule is paused after this number of runs in a row that failed or were overdue. "
            "0 never pauses it.",
        ),
    ] = 0
