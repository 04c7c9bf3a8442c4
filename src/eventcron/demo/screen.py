"""What the demo shows while it runs: a live table at a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from eventcron.demo.glance import LATEST, Glance
from eventcron.timing.instant import rfc3339


class Screen(Protocol):
    """Is told what happens, and says it in its own way."""

    @property
    def every(self) -> float:
        """Seconds between two calls of ``fires``."""

    def step(self, text: str) -> None:
        """Say that something begins."""

    def answers(self, count: int, total: int) -> None:
        """Say how many orders were answered."""

    def fires(self, glance: Glance) -> None:
        """Say how the fires go."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


class Lines:
    """A line for each thing of note, as logs like it."""

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

    def fires(self, glance: Glance) -> None:
        if not glance.seconds:
            return
        received = ", ".join(f"{target} {count:,}" for target, count in glance.received.items())
        self._echo(f"  {_clock(glance)}: {glance.published:,} published; received: {received}; {_lateness(glance)}")

    def close(self) -> None:
        """There is nothing to put back."""


class Terminal:
    """A live display that later output scrolls above."""

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

    def fires(self, glance: Glance) -> None:
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=glance.of_seconds, completed=glance.seconds, width=40), _clock(glance), _lateness(glance)
        )
        self._draw(Group("", bar, "", _targets(glance), "", _latest(glance)))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self, what: RenderableType) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(what, refresh=True)


def _targets(glance: Glance) -> Table:
    table = Table(box=None, padding=(0, 2))
    table.add_column("fires")
    table.add_column("so far", justify="right")
    table.add_row("published on the bus", f"{glance.published:,}")
    for target, count in glance.received.items():
        table.add_row(f"received by {target}", f"{count:,}")
    return table


def _latest(glance: Glance) -> Table:
    table = Table(box=None, padding=(0, 2))
    table.add_column("latest")
    table.add_column("due")
    table.add_column("late by", justify="right")
    for one in reversed(glance.latest):
        time = rfc3339(one.due.at, millis=True).partition("T")[2]
        table.add_row(Text(str(one.due.key), overflow="ellipsis", no_wrap=True), time, f"{one.at - one.due.at} ms")
    for _ in range(LATEST - len(glance.latest)):
        table.add_row("", "", "")
    return table


def _clock(glance: Glance) -> str:
    return f"{glance.seconds} of {glance.of_seconds} s"


def _lateness(glance: Glance) -> str:
    late = glance.lateness_ms
    return f"late by {late.p50} ms (p50), {late.p99} (p99), {late.max} (most)"
