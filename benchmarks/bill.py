"""What a million fires cost on AWS besides the bus's own price, from what the rig has counted. us-east-1, on demand."""

from __future__ import annotations

from benchmarks.runs import Ran
from eventcron.local import template
from eventcron.preview.prices import GB_SECOND, INVOCATIONS, LOGS_GB, MILLION, READ_UNITS, SQS_REQUESTS, WRITE_UNITS

CHUNK = 65_536


def per_million(ran: Ran, *, message_bytes: int) -> dict[str, float]:
    """Dollars for a million fires by part, where *ran* is one invocation of ten packs that are *message_bytes* long.

    The part of the planner depends on schedules, not on fires, and is not in it.
    """
    fires, seen = ran.units, ran.seen
    chunks = -(-message_bytes // CHUNK)
    memory = int(template.read()["Parameters"]["MemoryMegabytes"]["Default"])
    dollars = {
        "reading schedules again": seen.read_units * READ_UNITS / MILLION,
        "remembering packs": seen.write_units * WRITE_UNITS / MILLION,
        # Sent by ten, received by ten, deleted by ten.
        "queue": (2 * chunks + 1) * SQS_REQUESTS / MILLION,
        "function": ran.spent.wall * memory / 1024 * GB_SECOND + INVOCATIONS / MILLION,
        "logs and metrics": ran.spent.logged * LOGS_GB / 1024**3,
    }
    return {part: one / fires * MILLION for part, one in dollars.items()}
