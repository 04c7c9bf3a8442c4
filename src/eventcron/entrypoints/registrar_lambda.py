"""Lambda: command queue → registrar."""

from __future__ import annotations

from collections import Counter
from typing import Any

from eventcron.app.registrar import Outcome, Result
from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.process import process
from eventcron.entrypoints.records import each_record, receives
from eventcron.entrypoints.telemetry import LambdaContext, emit, logger

#: Outcome → metric.
METRICS = {
    Outcome.ACCEPTED: "CommandsAccepted",
    Outcome.DUPLICATE: "CommandsDuplicate",
    Outcome.REJECTED: "CommandsRejected",
    Outcome.DEAD_LETTERED: "CommandsDeadLettered",
}


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Apply the commands of one SQS batch; answers with the messages to be received again."""
    return process.run(lambda cases: _handle(cases, event))


async def _handle(cases: UseCases, event: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    async def apply(record: dict[str, Any]) -> Result:
        result = await cases.registrar.handle(record["body"], redelivered=receives(record) > 1)
        _report(record, result)
        return result

    handled = await each_record(event, apply)
    counts = Counter(METRICS[result.outcome] for result in handled.results)
    counts["CommandsFailed"] = len(handled.response["batchItemFailures"])
    emit("registrar", {name: count for name, count in counts.items() if count})
    return handled.response


def _report(record: dict[str, Any], result: Result) -> None:
    log = logger.warning if result.outcome in {Outcome.REJECTED, Outcome.DEAD_LETTERED} else logger.info
    log(
        f"command_{result.outcome}",
        message_id=record["messageId"],
        schedule=None if result.key is None else str(result.key),
        reason=result.reason or None,
    )
