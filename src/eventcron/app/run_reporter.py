"""Says to eventcron how the work of tracked fires goes. What becomes of a report never changes what becomes of work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from eventcron.model.fires import Fire
from eventcron.model.tracking import MAX_MESSAGE_CHARS, MAX_RESULT_BYTES, RunStatus
from eventcron.ports.work import NotReported, RunReport, RunReports

_NULL = b"null"


class RunReporter:
    """Reports the runs of tracked fires to *reports*; None: it reports nothing. *lost* hears of reports not taken.

    A run ends once, and the first report of an end counts. So a failure after which the work is tried again is reported
    as progress, and only the last one as the end.
    """

    def __init__(self, reports: RunReports | None, *, lost: Callable[[RunReport, NotReported], None]) -> None:
        self._reports = reports
        self._lost = lost

    async def started(self, fire: Fire[Any]) -> None:
        """The work begins."""
        await self._report(fire, RunStatus.STARTED)

    async def succeeded(self, fire: Fire[Any], result: object = None) -> None:
        """The work is done. *result* is sent along if it is JSON and small enough; the message says if it is not."""
        text, message = result_of(result)
        await self._report(fire, RunStatus.SUCCEEDED, message, text)

    async def failed(self, fire: Fire[Any], reason: str, *, last: bool) -> None:
        """The work failed. *last*: nobody tries again."""
        if last:
            await self._report(fire, RunStatus.FAILED, reason)
        else:
            await self._report(fire, RunStatus.PROGRESS, f"is tried again: {reason}")

    async def stopped(self, fire: Fire[Any]) -> None:
        """The work was stopped before its end, and another worker begins it anew."""
        await self._report(fire, RunStatus.PROGRESS, "is begun again: its worker was stopped")

    async def _report(self, fire: Fire[Any], status: RunStatus, message: str = "", result: bytes = _NULL) -> None:
        if self._reports is None or not fire.tracked:
            return
        report = RunReport(fire=fire, status=status, message=short_message(message), result=result)
        try:
            await self._reports.report(report)
        except NotReported as error:
            self._lost(report, error)


def result_of(result: object) -> tuple[bytes, str]:
    """*result* as JSON text, or null and why it is not sent.

    >>> result_of({"rows": 3}), result_of(None), result_of({1j})[1]
    ((b'{"rows":3}', ''), (b'null', ''), 'its result is no JSON')
    >>> result_of("x" * 5000)[1]
    'its result is too large to report: 5,002 bytes of JSON'
    """
    try:
        text = msgspec.json.encode(result)
    except (TypeError, ValueError, RecursionError):
        return _NULL, "its result is no JSON"
    if len(text) > MAX_RESULT_BYTES:
        return _NULL, f"its result is too large to report: {len(text):,} bytes of JSON"
    return text, ""


def reason_of(error: BaseException) -> str:
    """What *error* is called and says.

    >>> reason_of(ValueError("no rows")), reason_of(TimeoutError())
    ('ValueError: no rows', 'TimeoutError')
    """
    name, said = type(error).__name__, str(error)
    return f"{name}: {said}" if said else name


def short_message(text: str) -> str:
    """*text* without halves of characters, cut to what a report carries."""
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"
