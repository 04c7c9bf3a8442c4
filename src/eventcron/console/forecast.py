"""What will fire within the next day, computed at most once a minute and never twice at once."""

from __future__ import annotations

import asyncio

from eventcron.app.upcoming import MAX_SPAN_MS, UpcomingReport
from eventcron.app.use_cases import UseCases
from eventcron.model.names import Instant, Window

#: Milliseconds that a forecast is shown before another one is computed.
FRESH_MS = 60_000
#: Milliseconds. The parts of the heat map then begin at whole quarters of an hour.
QUARTER_MS = 900_000
#: Seconds that a page waits for it. A large table takes longer, and the page then says how far it is.
PATIENCE_SECONDS = 0.5


class Forecast:
    """The latest forecast, and the one that is being computed."""

    def __init__(self) -> None:
        self._latest: UpcomingReport | None = None
        self._computing: asyncio.Task[UpcomingReport] | None = None
        self._began: Instant = 0
        #: Schedules that the one in hand has read.
        self.read = 0

    async def get(self, cases: UseCases) -> UpcomingReport | None:
        """The forecast of a day, from the quarter of an hour on that has begun. None: it takes longer; ask again.

        Raises:
            EventcronError: it could not be computed.
        """
        now = cases.clock.now()
        if self._latest is not None and now < self._began + FRESH_MS:
            return self._latest
        if self._computing is None:
            self._began = now
            self._computing = asyncio.create_task(self._compute(cases), name="forecast")
        computing = self._computing
        await asyncio.wait([computing], timeout=PATIENCE_SECONDS)
        if computing.done():
            self._computing = None
            self._latest = computing.result()
        return self._latest

    async def close(self) -> None:
        """Give up the one in hand."""
        if self._computing is not None:
            self._computing.cancel()
            await asyncio.gather(self._computing, return_exceptions=True)

    async def _compute(self, cases: UseCases) -> UpcomingReport:
        start = self._began // QUARTER_MS * QUARTER_MS

        def note(report: UpcomingReport) -> None:
            self.read = report.schedules

        return await cases.upcoming.look(Window(start, start + MAX_SPAN_MS), limit=0, on_progress=note)
