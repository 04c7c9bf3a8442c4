from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from click.testing import CliRunner

from eventcron.entrypoints.cli import dev
from eventcron.entrypoints.cli.dev import command
from eventcron.local.errors import LocalError
from eventcron.model.events import Answer


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--keep", ".eventcron"], "--keep"),
        (["-q"], "--quiet"),
        (["--trusted-source", "com.example"], "--trusted-source"),
        (["--planner-workers", "1", "--keep", ".eventcron"], "--planner-workers and --keep"),
    ],
)
def test_an_empty_aws_takes_no_option_of_the_stack(given: list[str], named: str) -> None:
    result = CliRunner().invoke(command, ["--empty", *given])

    assert result.exit_code == 2
    assert f"--empty creates no stack, so it does not take {named}; its state is not kept" in result.output
    assert "sam deploy --parameter-overrides" in result.output


class Ends:
    """A runtime that ends once its dead letters are asked for."""

    endpoint, region, bus_name, account, rest_url = "http://127.0.0.1:1", "us-east-1", "eventcron", "1", "http://rest"
    outputs: dict[str, str] = {"FireDeadLettersUrl": "url"}  # noqa: RUF012  # never changed

    def __init__(self, log_file: Path) -> None:
        self.log_file = log_file

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: type[BaseException] | None, _: object, _at: TracebackType | None) -> None:
        """Nothing is open."""

    def client(self, _service: str) -> Any:
        return self

    async def get_queue_attributes(self, **_: object) -> Any:
        raise LocalError("ended")

    async def guard(self, work: Awaitable[Any]) -> Any:
        return await work


class OneFire:
    """Answers with one fire, and then with none."""

    def __init__(self) -> None:
        self._received = 0

    async def receive(self) -> list[Answer]:
        self._received += 1
        if self._received > 1:
            await asyncio.Event().wait()
        due = "2026-12-01T08:00:00.000Z"
        detail = {
            "tenant": "acme",
            "name": "job",
            "fire_id": "0",
            "due": due,
            "local_time": due,
            "cause": "schedule",
            "input": None,
        }
        return [Answer(detail_type="Schedule Fired", detail=detail, time=due)]


@pytest.mark.parametrize(("options", "printed"), [([], True), (["-q"], False)], ids=["all", "quiet"])
def test_fires_are_printed_unless_it_is_quiet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], *, printed: bool
) -> None:
    @asynccontextmanager
    async def answers_on(*_: object, **given: object) -> AsyncIterator[OneFire]:
        assert given["everything"] is True
        yield OneFire()

    log = tmp_path / "log"
    log.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dev, "Runtime", lambda *_, **__: Ends(log))
    monkeypatch.setattr(dev, "answers_on", answers_on)

    result = CliRunner().invoke(command, ["--json", *options])

    assert isinstance(result.exception, LocalError)
    assert ("acme/job  fired  due" in result.output) == printed
