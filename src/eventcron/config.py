"""Environment → settings. The only module that knows the names of the functions' environment variables."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from eventcron.settings import InvalidSettings, Settings

PREFIX = "EVENTCRON_"

#: Settings that are comma-separated in the environment.
_LISTS = frozenset({"trusted_sources", "watched_tenants", "rest_trusted_principals"})


def read(environ: Mapping[str, str]) -> Settings:
    """The settings in the variables ``EVENTCRON_<NAME>``; other variables are ignored.

    Raises:
        InvalidSettings: a variable is missing, or the deployment they describe cannot work.
    """
    given: dict[str, object] = {}
    for name in Settings.__struct_fields__:
        text = environ.get(PREFIX + name.upper())
        if text is None:
            continue
        given[name] = [part.strip() for part in text.split(",") if part.strip()] if name in _LISTS else text
    try:
        return msgspec.convert(given, Settings, strict=False)
    except (msgspec.ValidationError, InvalidSettings) as error:
        raise InvalidSettings(f"environment {PREFIX}*: {error}") from error


def metrics_namespace(environ: Mapping[str, str]) -> str:
    """The CloudWatch namespace. The template sets it to the bus's name, which differs between deployments."""
    return environ.get("POWERTOOLS_METRICS_NAMESPACE", "eventcron")
