"""The tour of the console shows a picture of each page that the browser tests take one of."""

from __future__ import annotations

import re
import struct

from tests.docs.pages import ROOT, read

PAGE = "docs/how-to/console.md"
FOLDER = ROOT / "docs" / "how-to" / "images"
#: Pixels, and bytes that a clone may grow by with each picture.
WIDTH, MOST_BYTES = 1_280, 150_000


def test_every_picture_is_shown_and_taken_by_the_tests() -> None:
    taken = set(re.findall(r'^    "[\w/-]*": "(\w+)",$', read("tests/acceptance/test_console.py"), re.MULTILINE))
    pictures = {path.name for path in FOLDER.iterdir()}

    assert {f"console-{name}.png" for name in taken} == pictures
    assert set(re.findall(r"!\[[^]]+\]\(images/([^)]+)\)", read(PAGE))) == pictures
    assert "SCREENSHOTS=docs/how-to/images" in read("Makefile")


def test_the_pictures_are_as_wide_as_a_page_and_not_large() -> None:
    for path in FOLDER.iterdir():
        content = path.read_bytes()

        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">I", content[16:20]) == (WIDTH,)
        assert len(content) < MOST_BYTES
