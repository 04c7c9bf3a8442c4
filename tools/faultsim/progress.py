"""A line on a terminal that says how far a long run is."""

from __future__ import annotations

import sys
import time

#: Seconds between two lines.
EVERY_S = 2.0


class Progress:
    """Shows how many of *total* are done, on stderr and only if that is a terminal."""

    def __init__(self, total: int, what: str) -> None:
        self._total = total
        self._what = what
        self._began = self._shown = time.monotonic()
        self._visible = sys.stderr.isatty()

    def show(self, done: int, *, failed: int = 0) -> None:
        """Replace the line, at most every ``EVERY_S`` seconds."""
        now = time.monotonic()
        if not self._visible or now - self._shown < EVERY_S:
            return
        self._shown = now
        took = now - self._began
        left = took / done * (self._total - done) if done else 0
        failures = f", {failed} failed" if failed else ""
        self._write(f"{done:,} of {self._total:,} {self._what}{failures}, {took:.0f} s, about {left:.0f} s left")

    def clear(self) -> None:
        """Remove the line, before something else is printed."""
        if self._visible:
            self._write("")

    def _write(self, text: str) -> None:
        # "\r" returns to the start of the line, and "\x1b[K" erases what is there.
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()
