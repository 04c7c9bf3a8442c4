"""The caller's identity, and the tenants that the caller may act for.

API Gateway has checked the signature. IAM has checked that the caller's policies allow the method and path: a tenant's
role may call ``…/*/tenants/acme/*`` only. The check here is a second one, in case a policy allows too much: the
caller must be the role or user that is named after the tenant, or one that the deployment trusts with every tenant.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from eventcron.entrypoints.rest.problem import Refused
from eventcron.settings import Settings

#: ``arn:aws:sts::123456789012:assumed-role/NAME/SESSION``, ``arn:aws:iam::123456789012:user/PATH/NAME`` and
#: ``arn:aws:iam::123456789012:root``, in any partition.
_ROLE = re.compile(r"arn:[a-z-]+:sts::\d{12}:assumed-role/([^/]+)/[^/]+\Z")
_USER = re.compile(r"arn:[a-z-]+:iam::\d{12}:user/(?:[^/]+/)*([^/]+)\Z")
_ROOT = re.compile(r"arn:[a-z-]+:iam::\d{12}:root\Z")


def principal(arn: str | None) -> str | None:
    """``role/NAME``, ``user/NAME`` or ``root``; None for any other caller.

    The session's name and the user's path are left out: a caller chooses the session's name when it assumes the role.

    >>> principal("arn:aws:sts::123456789012:assumed-role/eventcron-tenant-acme/deploy-7")
    'role/eventcron-tenant-acme'
    """
    if arn is None:
        return None
    if role := _ROLE.match(arn):
        return f"role/{role[1]}"
    if user := _USER.match(arn):
        return f"user/{user[1]}"
    return "root" if _ROOT.match(arn) else None


def authorise(caller: str | None, tenant: str, settings: Settings) -> None:
    """Return if *caller*, a principal, may act for *tenant*.

    Raises:
        Refused: 403; the answer is the same whether or not the tenant exists.
    """
    own = settings.rest_tenant_principal.replace("{tenant}", tenant)
    if caller is None or caller not in settings.rest_trusted_principals | {own}:
        who = "a caller without an identity" if caller is None else repr(caller)
        raise Refused(HTTPStatus.FORBIDDEN, "not_allowed", f"{who} may not act for tenant {tenant!r}")
