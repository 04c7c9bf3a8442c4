"""What a worker does, in the log ``eventcron.consumer`` of Python's own logging."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from eventcron.rules.jobs import JobEnd

if TYPE_CHECKING:  # a Lambda function imports this module at every cold start
    from eventcron.app.jobs import Handled
    from eventcron.errors import Unavailable
    from eventcron.ports import Refusal
    from eventcron.ports.work import NotReported, RunReport, WorkMessage

log = logging.getLogger("eventcron.consumer")

_LEVELS = {
    JobEnd.SUCCEEDED: logging.INFO,
    JobEnd.REPEATED: logging.INFO,
    JobEnd.BUSY: logging.INFO,
    JobEnd.STOPPED: logging.WARNING,
    JobEnd.FAILED: logging.WARNING,
    JobEnd.UNREADABLE: logging.ERROR,
    JobEnd.UNHANDLED: logging.ERROR,
}


def lost(report: RunReport, error: NotReported) -> None:
    """Log a report that was not taken."""
    log.error("eventcron did not take the report that the run of %s %s: %s", report.fire, report.status, error)


class LogWatch:
    """Logs each message with what became of it. The dead-letter queue gets what is logged as an error."""

    def began(self, max_receives: int | None) -> None:
        if max_receives is None:
            log.warning("the queue has no dead-letter queue: a message that no job can do comes back until it expires")
        else:
            log.info("asking for messages; the queue gives one up after %d deliveries", max_receives)

    def handled(self, message: WorkMessage, how: Handled) -> None:
        log.log(
            _LEVELS[how.end],
            "%s %s, delivery %d of message %s%s",
            how.fire or "a message",
            how.end,
            message.receives,
            message.id,
            f": {how.reason}" if how.reason else "",
            exc_info=how.error,
        )

    def refused(self, doing: str, message_id: str, refusal: Refusal) -> None:
        log.warning("the queue did not %s message %s: %s %s", doing, message_id, refusal.code, refusal.message)

    def waiting(self, error: Unavailable) -> None:
        log.warning("no messages for now: %s", error)
