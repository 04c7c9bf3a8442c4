"""The site builds strictly and offline, and would not build with a broken link or a page that nobody finds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

pytestmark = pytest.mark.slow  # two builds

DOCS = ROOT / "docs"


def _build(project: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(project / "mkdocs.yml")]
    # A proxy that nobody listens on: whatever the build would fetch, it could not.
    nowhere = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_MKDOCS_2_WARNING": "true"}
    return subprocess.run(
        [*command, "--site-dir", str(site)],
        cwd=project,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    """A copy of what the site is built from, to spoil."""
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


def test_the_site_has_every_page_and_loads_nothing_from_the_network(tmp_path: Path) -> None:
    done = _build(ROOT, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr

    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    assert {path.with_name("index.html") if path.stem == "README" else path for path in pages} <= {
        path.relative_to(tmp_path) for path in tmp_path.rglob("*.html")
    }
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)\b[^>]*(?:src|href)=\"?(https?:[^\" >]+)", page.read_text("utf-8"))
        assert loaded == [], page


FAULTS = {
    "a page that does not exist": ("quick-start.md", "[x](nowhere.md)", "nowhere.md"),
    "a heading that does not exist": ("quick-start.md", "[x](concepts.md#no-such-heading)", "no-such-heading"),
    "a file outside the site": ("quick-start.md", "[x](../README.md)", "../README.md"),
    "a page outside the navigation": ("lost.md", "# Lost", "lost.md"),
}


def test_the_site_does_not_build_with_a_broken_link_or_a_page_outside_the_navigation(
    project: Path, tmp_path: Path
) -> None:
    for page, text, _ in FAULTS.values():
        with (project / "docs" / page).open("a") as file:
            file.write(f"\n{text}\n")

    done = _build(project, tmp_path / "site")

    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"{len(FAULTS)} warnings in strict mode" in said
    assert [fault for fault, (_, _, named) in FAULTS.items() if named not in said] == []
