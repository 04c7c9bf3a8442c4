"""Commands find a running ``eventcron dev`` by the file it writes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventcron.adapters.aws.accounts import Account
from eventcron.client.dev_file import EXPLICIT, FILE, Dev, StaleDev, account_near, announced, find_dev


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def dev(port: int, **other: object) -> Dev:
    fields = {
        "pid": os.getpid(),
        "endpoint": f"http://127.0.0.1:{port}",
        "region": "eu-north-1",
        "access_key_id": "test",
        "secret_access_key": "test",
    }
    return Dev(**(fields | other))  # type: ignore[arg-type]  # the test says which


def test_it_is_found_where_it_was_started_and_below(tmp_path: Path, port: int) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    with announced(dev(port), tmp_path):
        for directory in (tmp_path, below):
            found = find_dev(directory, {})
            assert found is not None
            assert (found.dev, found.file) == (dev(port), tmp_path / FILE)
        assert find_dev(tmp_path.parent, {}) is None


def test_nothing_is_left_when_it_ends_even_by_an_error(tmp_path: Path, port: int) -> None:
    with pytest.raises(KeyboardInterrupt), announced(dev(port), tmp_path):
        raise KeyboardInterrupt

    assert list(tmp_path.iterdir()) == []


def test_the_file_of_a_later_one_stays(tmp_path: Path, port: int) -> None:
    with announced(dev(port), tmp_path):
        later = announced(dev(port, region="us-east-1"), tmp_path)
        later.__enter__()

    found = find_dev(tmp_path, {})
    assert found is not None
    assert found.dev.region == "us-east-1"


def test_where_it_cannot_be_written_dev_runs_all_the_same(tmp_path: Path, port: int) -> None:
    (tmp_path / FILE.parent).write_text("a file")

    with announced(dev(port), tmp_path):
        pass

    assert (tmp_path / FILE.parent).read_text() == "a file"


@pytest.mark.parametrize("variable", EXPLICIT)
def test_what_names_an_account_or_endpoint_wins(tmp_path: Path, port: int, variable: str) -> None:
    with announced(dev(port), tmp_path):
        assert find_dev(tmp_path, {variable: "anything"}) is None
        assert find_dev(tmp_path, {variable: ""}) is not None


def test_a_region_alone_is_looked_into_there(tmp_path: Path, port: int) -> None:
    with announced(dev(port), tmp_path):
        account, found = account_near(Account(region="eu-west-1"), tmp_path, {})

        assert (account.endpoint, account.region) == (dev(port).endpoint, "eu-west-1")
        assert found is not None
        assert account_near(Account(profile="mine"), tmp_path, {}) == (Account(profile="mine"), None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param({"pid": 2**22 + 1}, "has ended (process 4194305)", id="its process is gone"),
        pytest.param({"endpoint": "http://127.0.0.1:1"}, "has ended", id="nothing listens"),
        pytest.param({"endpoint": "http://10.0.0.1:4566"}, "not a port of this machine", id="elsewhere"),
        pytest.param({"endpoint": "http://127.0.0.1"}, "not a port of this machine", id="no port"),
        pytest.param({"endpoint": "http://example.com:80"}, "does not say where", id="a name"),
    ],
)
def test_one_that_has_ended_is_said_so_that_nothing_goes_elsewhere(
    tmp_path: Path, port: int, content: dict[str, object], says: str
) -> None:
    with announced(dev(port, **content), tmp_path), pytest.raises(StaleDev) as caught:
        find_dev(tmp_path, {})

    message = str(caught.value)
    assert says in message
    assert str(tmp_path / FILE) in message
    assert "start `eventcron dev` again, remove the file, or name an account with --profile or AWS_PROFILE" in message


def test_a_file_that_is_none_of_ours_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE.parent).mkdir()
    (tmp_path / FILE).write_text("{")

    with pytest.raises(StaleDev, match="does not say where"):
        find_dev(tmp_path, {})


def test_the_file_of_another_user_is_ignored(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with announced(dev(port), tmp_path):
        monkeypatch.setattr(os, "getuid", lambda: 4711)

        assert find_dev(tmp_path, {}) is None
