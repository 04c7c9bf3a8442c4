"""A browser for tests: Debian's Chromium, which the system's package manager installs if it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
#: What axe-core calls a fault that keeps somebody from using a page.
SERIOUS = {"serious", "critical"}


def chromium() -> str:
    """The path of a Chromium. Skips the test where there is none and none can be installed; in CI it fails."""
    if (path := _found()) is not None:
        return path
    why = "there is no Chromium, and only root can install it by apt-get"
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"]):
            subprocess.run(["apt-get", *command], check=False, env=environment, **quiet)  # type: ignore[call-overload]
        if (path := _found()) is not None:
            return path
        why = "there is no Chromium, and apt-get cannot install it"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


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
