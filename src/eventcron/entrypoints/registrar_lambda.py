"""Lambda: command queue → registrar."""

from __future__ import annotations

from collections import Counter
from typing import Any

from eventcron.app.handlers import Handled, MessageOutcome
from eventcron.app.results import Outcome, Result
from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.process import process
from eventcron.entrypoints.records import SqsMessage, batch_response, messages
from eventcron.entrypoints.telemetry import LambdaContext, begin, emit, emit_runs, log_skips, logger

#: Outcome → metric.
METRICS = {
    Outcome.ACCEPTED: "CommandsAccepted",
    Outcome.UNCHANGED: "CommandsUnchanged",
    Outcome.DUPLICATE: "CommandsDuplicate",
    Outcome.REJECTED: "CommandsRejected",
}


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Apply the commands of one SQS batch. Returns the messages that the queue is to show again."""
    begin(context)
    return process.run(lambda cases: handle(cases, event))


async def handle(cases: UseCases, event: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    """As ``handler``, on *cases*."""
    batch = messages(event)
    handled = list(zip(batch, await cases.handlers.on_commands(batch), strict=True))
    for message, how in handled:
        _log(message, how)
    response = batch_response(handled)
    counts = Counter(METRICS[how.result.outcome] for _, how in handled if how.result is not None)
    counts["CommandsDeadLettered"] = sum(how.outcome is MessageOutcome.DEAD_LETTERED for _, how in handled)
    counts["CommandsFailed"] = len(response["batchItemFailures"])
    emit("registrar", {name: count for name, count in counts.items() if count})
    results = [how.result for _, how in handled if how.result is not None]
    emit_runs("registrar", [result.ended for result in results if result.ended is not None])
    return response


def _log(message: SqsMessage, how: Handled[Result]) -> None:
    result = how.result
    if how.outcome is MessageOutcome.DEAD_LETTERED:
        logger.warning("command_dead_lettered", message_id=message.id, schedule=None, reason=how.reason)
    elif result is not None:
        log_skips(logger.info, result.skips, skipped=sum(notice.count for notice in result.skips))
        log = logger.warning if result.outcome is Outcome.REJECTED else logger.info
        log(
            f"command_{result.outcome}",
            message_id=message.id,
            schedule=None if result.key is None else str(result.key),
            reason=result.reason or None,
        )
