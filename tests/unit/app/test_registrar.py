"""The registrar's table of commands."""

from __future__ import annotations

from eventcron.app.registrar import TABLE
from eventcron.model.commands import COMMANDS


def test_every_command_has_a_row() -> None:
    assert set(TABLE) == set(COMMANDS.values())
