"""Takes the host's settings out of the environment. What tests start inherits it, and so do the workers of xdist."""

from __future__ import annotations

import os
import time

#: Beginnings of the names of variables that would change what tests see.
_UNWANTED = (
    # A developer's own AWS account, profile, Region and deployment.
    *("AWS_", "EVENTCRON_", "POWERTOOLS_"),
    # What the emulators read.
    *("LAMBDA_", "LOCALSTACK_", "MINISTACK_", "MOTO_", "DOCKER_", "SFN_"),
    *("AUTH", "SERVICES", "USE_SSL", "EDGE_PORT", "PERSIST_STATE", "S3_PERSIST"),
    # How output looks: colours, widths, languages.
    *("CLICOLOR", "COLORTERM", "COLUMNS", "FORCE_COLOR", "JUPYTER_", "LINES", "NO_COLOR", "PAGER", "TTY_"),
    *("LANG", "LC_"),
    # What Python warns of, where it looks for modules, how it writes.
    "PYTHON",
)
#: ``make`` and ``.ci/run`` set the first two. The others say where modules are, or repeat a run.
_WANTED = {"EVENTCRON_REQUIRE_TOOLS", "PYTHON", "PYTHONHASHSEED", "PYTHONHOME", "PYTHONPATH"}
_NEUTRAL = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "LC_ALL": "C.UTF-8",
    "TERM": "xterm",
    "TZ": "UTC",
}


def forget() -> None:
    """Take the host's settings out of this process's environment. A second call changes nothing."""
    for name in [name for name in os.environ if name.startswith(_UNWANTED) and name not in _WANTED]:
        del os.environ[name]
    os.environ.update(_NEUTRAL)
    time.tzset()
    _reach_loopback_without_a_proxy()


def _reach_loopback_without_a_proxy() -> None:
    """The proxies stay: npm, pip and apt-get may need them."""
    listed = ",".join(os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY")).split(",")
    direct = dict.fromkeys(filter(None, listed))
    if list(direct) != ["*"]:  # which means every host, but nothing in a longer list
        both = ",".join(direct | dict.fromkeys(["127.0.0.1", "localhost"]))
        os.environ |= {"no_proxy": both, "NO_PROXY": both}
