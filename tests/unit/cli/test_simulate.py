"""``eventcron simulate``: what it refuses before it runs anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventcron.entrypoints.cli.main import main


def test_a_span_beyond_the_last_year_is_refused_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "schedules.jsonl"
    path.write_text('{"tenant": "acme", "name": "job", "expression": "@daily"}\n')

    with pytest.raises(SystemExit) as exited:
        main(["simulate", str(path), "--from", "2199-12-31T12:00:00Z", "--for", "24h"])

    assert exited.value.code == 2
    assert "--from: got '2199-12-31T12:00:00Z'; allowed: a span that ends with the year 2199" in capsys.readouterr().err
