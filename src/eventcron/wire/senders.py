"""Who sent a command: the message group that it gets in the registrar queue, so that senders take turns there."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.wire.outcomes import LAMBDA, STATES

#: The group of all commands whose sender is no tenant and acts for none. No tenant can have this name, as ``~`` is not
#: allowed. Whoever puts such events chooses their source freely, and must not get a turn for each source.
STRANGERS = "~strangers"
#: The group of what AWS says of targets' ends. Its source is no proof of a tenant either.
OUTCOMES = "~outcomes"

#: As ``TenantId``, and so as a message group: "alphanumeric characters and punctuation", at most 128.
_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")


class _Event(Struct):
    source: str = ""
    detail: Any = None


_decode = msgspec.json.Decoder(_Event).decode


def group_of(body: str, *, trusted_sources: frozenset[str]) -> str:
    """The group of the command in *body*: the tenant that sent it, or for which a trusted source did.

    Only a source is proof of a tenant, because IAM limits who may use it. A tenant that names another one in its
    command stays in its own group. Nothing else of the command is checked.
    """
    try:
        event = _decode(body.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return STRANGERS
    if event.source in {LAMBDA, STATES}:
        return OUTCOMES
    tenant: object = event.source.removeprefix(TENANT_SOURCE_PREFIX)
    if tenant == event.source:
        named = event.detail.get("tenant") if isinstance(event.detail, dict) else None
        tenant = named if event.source in trusted_sources else None
    return tenant if isinstance(tenant, str) and _TENANT.fullmatch(tenant) else STRANGERS
