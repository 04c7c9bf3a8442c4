"""What every test starts from: an empty folder, seeded Hypothesis, no clock of its own."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

# How long an example takes says how busy the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", settings.get_profile("patient"), derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("patient"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def _empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, _empty_folder: Path) -> None:
    """No ``eventcron dev`` of the checkout reaches a test.

    Commands and clients look for one where they run. A developer, or another test, may run or kill one in the checkout.
    """
    monkeypatch.chdir(_empty_folder)


#: Folders and files of tests of what coverage does not measure, from outside, or in sweeps. Traced, a test takes three
#: times as long. A single test is marked ``no_cover`` by hand.
NOT_MEASURED = {
    *("acceptance", "adapters", "bench", "contract", "docs", "house", "infra", "performance", "pins", "rest"),
    *("simulation", "time", "upgrade"),
    *("cli", "client", "console", "consumer", "demo", "local", "migrate", "model", "oracle"),
    *("test_bursts.py", "test_catching_up.py", "test_fair_quota.py", "test_memory.py", "test_repeated_commands.py"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "slow" in item.keywords or NOT_MEASURED & set(item.path.relative_to(TESTS.parent).parts):
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop the first of the two measurements that pytest-cov starts in each worker of xdist.

    It would trace every line a second time, those of the tests that are not measured too, and nobody reads it.
    """
    plugin = session.config.pluginmanager.getplugin("_cov")
    early = getattr(plugin, "cov_controller", None)
    if early is not None and hasattr(session.config, "workerinput"):
        early.cov.stop()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Collect without looking for garbage, which takes a fifth of the time, and without coverage, which doubles it."""
    plugin = session.config.pluginmanager.getplugin("_cov")
    with _paused(getattr(plugin, "cov_controller", None)), _nothing_made_is_garbage():
        return (yield)


@contextmanager
def _paused(coverage: Any) -> Iterator[None]:
    """Import what *coverage* measures, if it runs. Then pause it."""
    if coverage is None or not coverage.started:
        yield
        return
    for name in coverage.cov.get_option("run:source_pkgs"):
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    coverage.pause()
    try:
        yield
    finally:
        coverage.resume()


@contextmanager
def _nothing_made_is_garbage() -> Iterator[None]:
    """Let the garbage collector not run meanwhile, and later pass over all that was made."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
