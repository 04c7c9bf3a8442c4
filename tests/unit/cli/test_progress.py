"""Progress is for who watches and has to wait."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator

import pytest

from eventcron.entrypoints.cli.progress import Progress, waiting


def clock(*seconds: float) -> Callable[[], float]:
    times: Iterator[float] = iter(seconds)
    return lambda: next(times)


def test_nothing_within_a_second_then_one_line_that_is_written_over_and_removed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    with Progress(now=clock(0, 0.9, 1.0, 1.05, 1.2)) as progress:
        for text in ("too early", "10 %", "too soon", "20 %"):
            progress.show(text)

    out, err = capsys.readouterr()
    assert (out, err) == ("", "\r\x1b[K10 %\r\x1b[K20 %\r\x1b[K")


def test_who_never_waited_sees_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    with Progress(now=clock(0, 0.5)) as progress:
        progress.show("10 %")

    assert capsys.readouterr().err == ""


def test_a_file_or_a_pipe_gets_none(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(now=clock(0, 5)) as progress:
        progress.show("10 %")

    assert capsys.readouterr().err == ""


async def test_a_wait_shows_that_it_goes_on_and_for_how_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = asyncio.Event()

    class Watched(Progress):
        def show(self, text: str) -> None:
            super().show(text)
            shown.set()

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    async with waiting("waiting", progress=Watched(now=clock(0, 1.5, *([1.6] * 1_000))), every=0.001):
        await shown.wait()

    assert capsys.readouterr().err == "\r\x1b[Kwaiting … 0 s\r\x1b[K"


async def test_the_end_of_a_wait_hides_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError):
        async with waiting("waiting"):
            raise KeyError

    assert capsys.readouterr().err == ""
