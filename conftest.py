"""The pages are tests too: what a ``console`` block shows is what happens, and docstring examples are run."""

from __future__ import annotations

from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.markdown import CodeBlockParser
from sybil.parsers.rest import DocTestParser

from tests.docs.console import check

_pages = Sybil(parsers=[CodeBlockParser("console", check)], patterns=["*.md"])
_docstrings = Sybil(
    parsers=[DocTestParser()], path="src", patterns=["*.py"], document_types={".py": PythonDocStringDocument}
)

pytest_collect_file = (_pages + _docstrings).pytest()
