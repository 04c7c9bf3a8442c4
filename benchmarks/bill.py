"""What a million fires cost on AWS besides the bus's own price, from what the rig has counted. us-east-1, on demand."""

from __future__ import annotations

from benchmarks.runs import Ran
from eventcron.local import template

MILLION = 1_000_000
#: Dollars. https://aws.amazon.com/dynamodb/pricing/on-demand/: a million read or write units.
READ_UNITS, WRITE_UNITS = 0.125, 0.625
#: Dollars. https://aws.amazon.com/sqs/pricing/: a million requests to a standard queue; each 64 KB count as one.
SQS_REQUESTS = 0.40
#: Dollars. https://aws.amazon.com/lambda/pricing/: a GB-second on arm64, and a million invocations.
GB_SECOND, INVOCATIONS = 0.0000133334, 0.20
#: Dollars. https://aws.amazon.com/cloudwatch/pricing/: a GB of logs.
LOGS_GB = 0.50
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
