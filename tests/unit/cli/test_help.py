"""``eventcron --help`` says what every command does, and imports none of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from eventcron.entrypoints.cli.main import COMMANDS, _summary


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from eventcron.entrypoints.cli.main import cli;"
        "print(CliRunner().invoke(cli, ['--help']).output); print('modules:', *sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    shown, _, modules = out.partition("modules:")

    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert {f"eventcron.entrypoints.cli.{module}" for module in COMMANDS.values()}.isdisjoint(modules.split())
    assert "aiobotocore" not in modules.split()


@pytest.mark.parametrize("module", COMMANDS.values())
def test_every_command_is_summed_up_in_a_sentence(module: str) -> None:
    assert _summary(module).endswith(".")
