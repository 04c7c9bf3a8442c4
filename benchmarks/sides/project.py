"""eventcron, driven as Lambda drives it: by its two handlers, with AWS where the environment says."""

from __future__ import annotations

from typing import Any

from benchmarks.stocks import LEDGER_TABLE, SCHEDULES_TABLE, SEGMENTS
from eventcron.entrypoints import executor_lambda, planner_lambda
from eventcron.entrypoints.process import process

#: Milliseconds. The handlers plan with what is left; a run needs less.
REMAINING_MS = 900_000


#: Moves a second: no limit, as what counts is the processor time.
UNPACED = 1_000_000


def environ(url: str, *, segments: int = SEGMENTS, moves: int = UNPACED) -> dict[str, str]:
    """The settings of a deployment, as the template gives them to its functions."""
    queues = {
        "FIRE_QUEUE": "fires",
        "REGISTRAR_QUEUE": "commands-sorted",
        "COMMAND_DLQ": "commands-dead",
        "FIRE_DLQ": "fires-dead",
    }
    settings = {"SCHEDULES_TABLE": SCHEDULES_TABLE, "LEDGER_TABLE": LEDGER_TABLE, "BUS_NAME": "eventcron"}
    settings |= {"SEGMENTS": str(segments), "MOVES_PER_SECOND": str(moves)}
    settings |= {f"{name}_URL": f"{url}/123456789012/{queue}" for name, queue in queues.items()}
    return {f"EVENTCRON_{name}": value for name, value in settings.items()} | {
        "POWERTOOLS_SERVICE_NAME": "benchmark",
        "POWERTOOLS_METRICS_NAMESPACE": "eventcron",
    }


class _Context:
    aws_request_id = "00000000-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return REMAINING_MS


class Project:
    """Both functions in one process."""

    def plan(self, *_: int) -> dict[str, Any]:
        """One tick. The ledger and the clock say when its window begins and ends, not the arguments."""
        return planner_lambda.handler({"source": "aws.events", "detail-type": "Scheduled Event"}, _Context())

    def execute(self, event: dict[str, Any]) -> dict[str, Any]:
        """One batch of packs. Returns the answer, which names the messages that come back."""
        return executor_lambda.handler(event, _Context())

    def close(self) -> None:
        process.close()
