"""Which libraries of a Lambda package are left out, because this process has them."""

from __future__ import annotations

import io
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import version

import pytest

from eventcron.local.packages import runnable

HERE = EXTENSION_SUFFIXES[0]
ELSEWHERE = ".cpython-399-aarch64-linux-gnu.so"
MSGSPEC = f"msgspec-{version('msgspec')}.dist-info/METADATA"
#: A release that nobody has installed.
OTHER = "msgspec-0.0.1.dist-info/METADATA"


def package(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return buffer.getvalue()


def left(*names: str) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(runnable(package(*names)))) as archive:
        assert [archive.read(name).decode() for name in archive.namelist()] == archive.namelist()
        return archive.namelist()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["main.py"], ["main.py"], id="code without libraries stays"),
        pytest.param([MSGSPEC, "msgspec/_core.py", "main.py"], [MSGSPEC, "main.py"], id="the same release is left out"),
        pytest.param([OTHER, "msgspec/x.py"], [OTHER, "msgspec/x.py"], id="another release stays"),
        pytest.param(
            [OTHER, "msgspec/_core" + HERE], [OTHER, "msgspec/_core" + HERE], id="also if it is compiled here"
        ),
        pytest.param([OTHER, "msgspec/_core.abi3.so"], [OTHER, "msgspec/_core.abi3.so"], id="or for every Python"),
        pytest.param(
            [OTHER, "msgspec/_core" + ELSEWHERE, "msgspec/x.py"], [OTHER], id="but not compiled for elsewhere"
        ),
        pytest.param(
            ["only-1.0.dist-info/METADATA", "only/_core" + ELSEWHERE],
            ["only-1.0.dist-info/METADATA", "only/_core" + ELSEWHERE],
            id="a library that is not installed here stays, and fails with its own error",
        ),
        pytest.param(
            ["six-9.dist-info/METADATA", "six.py"], ["six-9.dist-info/METADATA", "six.py"], id="a lone module"
        ),
        pytest.param(
            [f"six-{version('six')}.dist-info/METADATA", "six.py", "sixth.py"],
            [f"six-{version('six')}.dist-info/METADATA", "sixth.py"],
            id="a lone module of the same release is left out",
        ),
    ],
)
def test_libraries(names: list[str], expected: list[str]) -> None:
    assert left(*names) == expected


def test_a_package_of_which_nothing_is_left_out_is_the_same() -> None:
    whole = package("main.py")

    assert runnable(whole) is whole
