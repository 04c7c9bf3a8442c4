from __future__ import annotations

import pytest
from click.testing import CliRunner

from eventcron.entrypoints.cli.dev import command


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--keep", ".eventcron"], "--keep"),
        (["--trusted-source", "com.example"], "--trusted-source"),
        (["--planner-workers", "1", "--keep", ".eventcron"], "--planner-workers and --keep"),
    ],
)
def test_an_empty_aws_takes_no_option_of_the_stack(given: list[str], named: str) -> None:
    result = CliRunner().invoke(command, ["--empty", *given])

    assert result.exit_code == 2
    assert f"--empty creates no stack, so it does not take {named}; its state is not kept" in result.output
    assert "sam deploy --parameter-overrides" in result.output
