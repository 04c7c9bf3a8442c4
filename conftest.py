"""The pages are tests too: what a ``console`` block shows is what happens, and docstring examples are run.

No setting of the host reaches any of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.markdown import CodeBlockParser
from sybil.parsers.rest import DocTestParser

from tests import host
from tests.docs.console import check


# Last, for pytest has then read how its own output is to look. Fixtures of any scope and workers of xdist start later.
@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    host.forget()


class _Docstrings(PythonDocStringDocument):
    """The docstrings of a module; only modules with examples are parsed, which are few."""

    @staticmethod
    def extract_docstrings(python_source_code: str) -> Iterator[tuple[int, int, str]]:
        if ">>>" in python_source_code:
            yield from PythonDocStringDocument.extract_docstrings(python_source_code)


_pages = Sybil(parsers=[CodeBlockParser("console", check)], patterns=["*.md"])
_docstrings = Sybil(parsers=[DocTestParser()], path="src", patterns=["*.py"], document_types={".py": _Docstrings})

pytest_collect_file = (_pages + _docstrings).pytest()
