"""An embedded AWS loads a snapshot only if it is complete and was saved with the same options."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from eventcron.local.errors import LocalError
from eventcron.local.snapshot import COMPLETE, Snapshot, SnapshotWriter

PARAMETERS = {"Segments": "4"}


def snapshot(directory: Path, *, region: str = "us-east-1", parameters: dict[str, str] = PARAMETERS) -> Snapshot:
    return Snapshot(directory, region=region, parameters=parameters)


@pytest.fixture(name="saved")
def _saved(tmp_path: Path) -> Path:
    """The directory after a run on port 4566."""
    directory = tmp_path / "snapshot"
    snapshot(directory).begin(4566)
    return directory


@pytest.mark.parametrize("exists", [True, False], ids=["empty", "missing"])
def test_an_empty_directory_starts_a_new_state(tmp_path: Path, *, exists: bool) -> None:
    directory = tmp_path if exists else tmp_path / "deep" / "down"
    fresh = snapshot(directory)

    assert fresh.port() == 0
    fresh.begin(4566)
    assert not fresh.resumed
    assert directory.is_dir()


def test_a_saved_state_is_resumed_on_its_port(saved: Path) -> None:
    again = snapshot(saved)

    assert again.port() == 4566
    again.begin(4566)
    assert again.resumed


def test_another_port_region_or_parameter_is_an_error(saved: Path) -> None:
    again = snapshot(saved, region="eu-north-1", parameters={"Segments": "8"})
    with pytest.raises(LocalError, match="differs in port, region, parameters; start with the same options"):
        again.begin(4567)

    assert not again.resumed


def test_an_incomplete_state_is_an_error(saved: Path) -> None:
    begun = snapshot(saved)
    begun.begin(4566)
    begun.end()
    (saved / COMPLETE).unlink()
    with pytest.raises(LocalError, match="could not save everything in"):
        begun.end()
    for ask in (snapshot(saved).port, lambda: snapshot(saved).begin(4566)):
        with pytest.raises(LocalError, match="is in use, or its embedded AWS ended before it could save"):
            ask()


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"port": "4566"}'])
def test_a_directory_with_other_files_is_an_error_and_stays_unchanged(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    if content is not None:
        (tmp_path / "origin.json").write_bytes(content)
    with pytest.raises(LocalError, match="is not empty and not eventcron's"):
        snapshot(tmp_path).begin(4566)

    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / COMPLETE).exists()


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "snapshot").touch()
    with pytest.raises(LocalError, match="is not a directory"):
        snapshot(tmp_path / "snapshot").port()


def test_nothing_is_answered_after_the_state_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answered, loaded = threading.Event(), threading.Event()
    loop = asyncio.new_event_loop()

    def save_all(_state: object) -> None:
        loop.call_soon(answered.set)  # a request that comes while the state is saved

    persistence = SimpleNamespace(save_all=save_all, logger=logging.getLogger("persistence"))
    app = SimpleNamespace(_build_persistence_save_dict=dict)
    monkeypatch.setitem(sys.modules, "ministack", SimpleNamespace(app=app))
    monkeypatch.setitem(sys.modules, "ministack.core", SimpleNamespace(persistence=persistence))
    writer = SnapshotWriter(tmp_path)
    writer._loop = loop
    loop.call_soon(loaded.set)
    threading.Thread(target=loop.run_forever, daemon=True, name="the host's loop").start()
    assert loaded.wait(60)

    writer.save()

    assert (tmp_path / COMPLETE).exists()
    assert not answered.wait(0.2)  # at once, if the loop still runs
