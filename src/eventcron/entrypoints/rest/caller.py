"""Who calls, and for which tenants they may.

API Gateway has checked the signature, and IAM that the caller's policies allow the method and path: a tenant's role is
allowed ``…/*/tenants/acme/*`` and no more. This is the second lock, for the day on which a policy is too wide: the
caller's role or user must be the tenant's own by its name, or one that the deployment trusts with every tenant.
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
    """``role/NAME``, ``user/NAME`` or ``root``; None for anyone else.

    A session's name and a user's path are not in it: whoever assumes a role chooses the first.

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
    """Let *caller*, a principal, act for *tenant*, or not.

    Raises:
        Refused: 403, whether or not there is such a tenant.
    """
    own = settings.rest_tenant_principal.replace("{tenant}", tenant)
    if caller is None or caller not in settings.rest_trusted_principals | {own}:
        who = "a caller without an identity" if caller is None else repr(caller)
        raise Refused(HTTPStatus.FORBIDDEN, "not_allowed", f"{who} may not act for tenant {tenant!r}")
