"""Lambda packages as `sam build` makes them, for functions that run on this machine's Python."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import Distribution, PackageNotFoundError, distribution

_DIST_INFO = ".dist-info"


@lru_cache(maxsize=8)  # a stack has one package a function
def runnable(package: bytes) -> bytes:
    """*package* without each library that this process has too: in the same version, or as the only one that runs here.

    `sam build` packs libraries that are compiled for Lambda's Python on arm64, which this Python cannot load. Others it
    would have to compile in each new environment. Without them in the package, functions import those of this process.
    """
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        names = archive.namelist()
        folders = frozenset(_top(name) for name in names)
        dropped = frozenset().union(*(_replaceable(folder, names) for folder in folders))
        if not dropped & folders:
            return package
        smaller = io.BytesIO()
        with zipfile.ZipFile(smaller, "w") as kept:
            for name in names:
                if _top(name) not in dropped:
                    kept.writestr(archive.getinfo(name), archive.read(name))
    return smaller.getvalue()


def _replaceable(folder: str, names: Iterable[str]) -> frozenset[str]:
    """The folders of the library whose dist-info is *folder*, if this process's may replace the package's."""
    if not folder.endswith(_DIST_INFO):
        return frozenset()
    library, _, release = folder.removesuffix(_DIST_INFO).rpartition("-")
    try:
        installed = distribution(library)
    except PackageNotFoundError:
        return frozenset()
    own = _folders(installed)
    if installed.version == release or any(_top(name) in own and _is_foreign(name) for name in names):
        return own
    return frozenset()


def _folders(installed: Distribution) -> frozenset[str]:
    """The folders and modules at the top of site-packages that *installed* consists of, but for its dist-info."""
    tops = {_top(str(file)) for file in installed.files or ()}
    return frozenset(top for top in tops if top not in {"..", "__pycache__"} and not top.endswith(_DIST_INFO))


def _is_foreign(name: str) -> bool:
    """Whether *name* is an extension module for another Python or machine: ``x.cpython-313-aarch64-linux-gnu.so``."""
    _, dot, suffix = name.rpartition("/")[2].partition(".")
    return suffix.endswith(".so") and dot + suffix not in EXTENSION_SUFFIXES


def _top(name: str) -> str:
    return name.split("/", 1)[0]
