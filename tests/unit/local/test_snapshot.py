"""A directory that an embedded AWS was kept in is gone on with as it was, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventcron.local.embedded import LocalError
from eventcron.local.snapshot import WHOLE, Kept

PARAMETERS = {"Segments": "4"}


def kept(directory: Path, *, region: str = "us-east-1", parameters: dict[str, str] = PARAMETERS) -> Kept:
    return Kept(directory, region=region, parameters=parameters)


@pytest.fixture(name="whole")
def _whole(tmp_path: Path) -> Path:
    """What an embedded AWS on port 4566 left."""
    directory = tmp_path / "kept"
    kept(directory).begin(4566)
    return directory


@pytest.mark.parametrize("exists", [True, False], ids=["empty", "not-there"])
def test_an_empty_directory_is_begun_in(tmp_path: Path, *, exists: bool) -> None:
    directory = tmp_path if exists else tmp_path / "deep" / "down"
    fresh = kept(directory)

    assert fresh.port() == 0
    fresh.begin(4566)
    assert not fresh.resumed
    assert directory.is_dir()


def test_what_was_saved_is_gone_on_with_on_its_port(whole: Path) -> None:
    again = kept(whole)

    assert again.port() == 4566
    again.begin(4566)
    assert again.resumed


def test_another_port_region_or_parameter_is_refused(whole: Path) -> None:
    again = kept(whole, region="eu-north-1", parameters={"Segments": "8"})
    with pytest.raises(LocalError, match="by a run that differs in port, region, parameters; start as it was started"):
        again.begin(4567)

    assert not again.resumed


def test_what_was_not_saved_is_refused(whole: Path) -> None:
    begun = kept(whole)
    begun.begin(4566)
    begun.end()
    (whole / WHOLE).unlink()
    with pytest.raises(LocalError, match="not everything could be saved in"):
        begun.end()
    for ask in (kept(whole).port, lambda: kept(whole).begin(4566)):
        with pytest.raises(LocalError, match="is in use, or its embedded AWS ended before it could save"):
            ask()


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"port": "4566"}'])
def test_a_directory_of_someone_else_s_is_refused_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    if content is not None:
        (tmp_path / "made.json").write_bytes(content)
    with pytest.raises(LocalError, match="is not empty and not eventcron's"):
        kept(tmp_path).begin(4566)

    assert (tmp_path / "letter.txt").read_text() == "dear"
    assert not (tmp_path / WHOLE).exists()


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(LocalError, match="is not a directory"):
        kept(tmp_path / "kept").port()
