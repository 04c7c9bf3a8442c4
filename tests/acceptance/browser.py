"""A browser for tests: Debian's Chromium, which the system's package manager installs if it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Browser, Page, sync_playwright

from tests.tools import missing

#: Seconds. A test may take 600, and has other things to do.
DOWNLOAD_SECONDS = 240
NAMES = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
#: What axe-core calls a fault that keeps somebody from using a page.
SERIOUS = {"serious", "critical"}


def chromium() -> str:
    """The path of a Chromium. Skips the test where there is none and none can be installed, or fails it."""
    if (path := _found()) is not None:
        return path
    if not shutil.which("apt-get") or os.geteuid() != 0:
        missing("there is no Chromium, and only root can install it by apt-get")
    _install()
    return _found() or missing(f"there is no Chromium, and apt-get does not install it within {DOWNLOAD_SECONDS} s")


def _install() -> None:
    """Install Debian's Chromium. A download that hangs is given up; dpkg, which follows it, is not stopped halfway."""
    install = ["install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
    with suppress(subprocess.TimeoutExpired):
        _apt_get("update", timeout=DOWNLOAD_SECONDS / 2)
        _apt_get(*install, "--download-only", timeout=DOWNLOAD_SECONDS)
        _apt_get(*install, "--no-download")


def _apt_get(*arguments: str, timeout: float | None = None) -> None:
    subprocess.run(
        ["apt-get", *arguments],
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=timeout,
    )


def _found() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    path = chromium()
    with sync_playwright() as playwright:
        # The sandbox needs a user that is not root. Only pages of this machine are opened.
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield launched
        finally:
            launched.close()


def faults(page: Page, only: Sequence[str] = ()) -> list[str]:
    """What axe-core finds on *page* that keeps somebody from using it. By its rules *only*; none means all."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    rules = {"runOnly": list(only)} if only else {}
    found: dict[str, Any] = page.evaluate(
        "options => axe.run(document, options)", {"resultTypes": ["violations"], **rules}
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]
