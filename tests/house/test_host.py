"""Whatever the host has set, tests see the same."""

from __future__ import annotations

import os

import pytest

from tests import host

HOSTS = {
    "AWS_PROFILE": "mine",
    "EVENTCRON_STACK": "mine",
    "LOCALSTACK_HOST": "mine",
    "NO_COLOR": "1",
    "FORCE_COLOR": "1",
    "COLUMNS": "20",
    "LANGUAGE": "de",
    "LC_TIME": "de_DE.UTF-8",
    "PYTHONWARNINGS": "error",
    "TERM": "dumb",
    "TZ": "Asia/Kathmandu",
}


def _after(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> dict[str, str]:
    """What is left of these *variables*, with what is set instead of them."""
    monkeypatch.setattr(os, "environ", dict(variables))
    host.forget()
    return dict(os.environ)


def test_settings_of_the_host_are_taken_out_or_have_neutral_values(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _after(monkeypatch, HOSTS) == _after(monkeypatch, {})


def test_no_fixture_of_any_scope_and_nothing_that_tests_start_has_another_account(session_environ: set[str]) -> None:
    assert {name for name in session_environ if name.startswith("AWS_")} == {
        "AWS_CONFIG_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_SHARED_CREDENTIALS_FILE",
    }


@pytest.fixture(scope="session", name="session_environ")
def _session_environ() -> set[str]:
    return set(os.environ)


def test_what_make_and_ci_say_stays_and_so_does_what_installs_need(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"EVENTCRON_REQUIRE_TOOLS": "1", "PYTHON": "python3.12", "PATH": "/bin", "HTTPS_PROXY": "http://proxy:3128"}

    assert _after(monkeypatch, said).items() >= said.items()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({}, "127.0.0.1,localhost", id="none"),
        pytest.param({"NO_PROXY": "a.example"}, "a.example,127.0.0.1,localhost", id="upper-case"),
        pytest.param({"no_proxy": "a.example,localhost"}, "a.example,localhost,127.0.0.1", id="lower-case"),
        pytest.param({"no_proxy": "a", "NO_PROXY": "b"}, "a,b,127.0.0.1,localhost", id="both"),
    ],
)
def test_loopback_is_reached_without_a_proxy(
    before: dict[str, str], after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = _after(monkeypatch, before)

    assert (once["no_proxy"], once["NO_PROXY"]) == (after, after)
    assert _after(monkeypatch, once) == once  # workers of xdist do it again


def test_where_no_host_is_reached_by_a_proxy_it_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _after(monkeypatch, {"NO_PROXY": "*"})["NO_PROXY"] == "*"
