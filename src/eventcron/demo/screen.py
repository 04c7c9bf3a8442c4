"""What the demo shows while it runs: a live table on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from eventcron.demo.comparison import Lateness, lateness_of
from eventcron.demo.observations import Observations, Publication
from eventcron.model.names import Instant, Window
from eventcron.timing.instant import rfc3339

#: Fires shown one by one.
LATEST = 8


class Progress(Struct, frozen=True, kw_only=True):
    """The fires due in a span, as observed at some instant."""

    seconds: int
    of_seconds: int
    published: int
    received: dict[str, int]
    lateness_ms: Lateness
    latest: list[Publication]


def progress_of(observed: Observations, span: Window, now: Instant, targets: Sequence[str]) -> Progress:
    """The progress through *span* at *now*. It lists *targets* in their order."""
    published = [one for one in observed.publications if span.start <= one.due.at < span.end]
    received = Counter(one.target for one in observed.receipts if span.start <= one.due.at < span.end)
    return Progress(
        seconds=max(0, min(now, span.end) - span.start) // 1000,
        of_seconds=(span.end - span.start) // 1000,
        published=len(published),
        received={target: received[target] for target in targets},
        lateness_ms=lateness_of(published),
        latest=published[-LATEST:],
    )


class Screen(Protocol):
    """Shows the progress of a run."""

    @property
    def every(self) -> float:
        """Seconds between two calls of ``fires``."""

    def step(self, text: str) -> None:
        """Show that a step begins."""

    def answers(self, count: int, total: int) -> None:
        """Show how many commands are answered."""

    def fires(self, progress: Progress) -> None:
        """Show the fires so far."""

    def close(self) -> None:
        """Restore the terminal."""


class Lines:
    """Writes a line for each step, for logs."""

    every = 10.0

    def __init__(self, echo: Callable[[str], None]) -> None:
        self._echo = echo
        self._quarters = 0

    def step(self, text: str) -> None:
        self._quarters = 0
        self._echo(text)

    def answers(self, count: int, total: int) -> None:
        quarters = count * 4 // total
        if quarters > self._quarters:
            self._quarters = quarters
            self._echo(f"  {count:,} of {total:,} answered")

    def fires(self, progress: Progress) -> None:
        if not progress.seconds:
            return
        received = ", ".join(f"{target} {count:,}" for target, count in progress.received.items())
        self._echo(
            f"  {_clock(progress)}: {progress.published:,} published; received: {received}; {_lateness(progress)}"
        )

    def close(self) -> None:
        """Nothing to restore."""


class Terminal:
    """Draws a live display below the steps."""

    every = 0.25

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def step(self, text: str) -> None:
        self.close()
        self._console.print(text, style="dim")

    def answers(self, count: int, total: int) -> None:
        bar = Table.grid(padding=(0, 1))
        bar.add_row("  answered", ProgressBar(total=total, completed=count, width=40), f"{count:,} of {total:,}")
        self._draw(bar)

    def fires(self, progress: Progress) -> None:
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=progress.of_seconds, completed=progress.seconds, width=40),
            _clock(progress),
            _lateness(progress),
        )
        self._draw(Group("", bar, "", _targets(progress), "", _latest(progress)))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self, what: RenderableType) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(what, refresh=True)


def _targets(progress: Progress) -> Table:
    table = Table(box=None, padding=(0, 2))
    table.add_column("fires")
    table.add_column("so far", justify="right")
    table.add_row("published on the bus", f"{progress.published:,}")
    for target, count in progress.received.items():
        table.add_row(f"received by {target}", f"{count:,}")
    return table


def _latest(progress: Progress) -> Table:
    table = Table(box=None, padding=(0, 2))
    table.add_column("latest")
    table.add_column("due")
    table.add_column("late by", justify="right")
    for one in reversed(progress.latest):
        time = rfc3339(one.due.at, millis=True).partition("T")[2]
        table.add_row(Text(str(one.due.key), overflow="ellipsis", no_wrap=True), time, f"{one.at - one.due.at} ms")
    for _ in range(LATEST - len(progress.latest)):
        table.add_row("", "", "")
    return table


def _clock(progress: Progress) -> str:
    return f"{progress.seconds} of {progress.of_seconds} s"


def _lateness(progress: Progress) -> str:
    late = progress.lateness_ms
    return f"late by {late.p50} ms (p50), {late.p99} (p99), {late.max} (max)"
