"""The caller's identity, and the tenants that the caller may act for.

API Gateway has checked the signature. IAM has checked that the caller's policies allow the method and path: a tenant's
role may call ``…/*/tenants/acme/*`` only. The check here is a second one, in case a policy allows too much: the
caller must be the role or user of this account that is named after the tenant, or one that the deployment trusts with
every tenant. Roles of other accounts may have the same names.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from eventcron.entrypoints.rest.problem import Refused
from eventcron.settings import Settings

#: ``arn:aws:sts::123456789012:assumed-role/NAME/SESSION``, ``arn:aws:iam::123456789012:user/PATH/NAME`` and
#: ``arn:aws:iam::123456789012:root``, in any partition.
_ROLE = re.compile(r"arn:[a-z-]+:sts::(\d{12}):assumed-role/([^/]+)/[^/]+\Z")
_USER = re.compile(r"arn:[a-z-]+:iam::(\d{12}):user/(?:[^/]+/)*([^/]+)\Z")
_ROOT = re.compile(r"arn:[a-z-]+:iam::(\d{12}):root\Z")

#: Characters. IAM, CreateRole and CreateUser: "Maximum length of 64."
MAX_PRINCIPAL_CHARS = 64


def principal(arn: str | None, *, account: str | None) -> str | None:
    """``role/NAME``, ``user/NAME`` or ``root`` of *account*, which has the API; None for any other caller.

    The session's name and the user's path are left out: a caller chooses the session's name when it assumes the role.

    >>> principal("arn:aws:sts::123456789012:assumed-role/eventcron-tenant-acme/deploy-7", account="123456789012")
    'role/eventcron-tenant-acme'
    """
    if arn is None:
        return None
    found = _ROLE.match(arn) or _USER.match(arn) or _ROOT.match(arn)
    if found is None or found[1] != account:
        return None
    if found.re is _ROOT:
        return "root"
    return f"{'role' if found.re is _ROLE else 'user'}/{found[2]}"


def authorise(caller: str | None, tenant: str, settings: Settings) -> None:
    """Return if *caller*, a principal, may act for *tenant*.

    Raises:
        Refused: 403; the answer is the same whether or not the tenant exists.
    """
    own = settings.rest_tenant_principal.replace("{tenant}", tenant)
    if caller is None or caller not in settings.rest_trusted_principals | {own}:
        who = "a caller without an identity in this account" if caller is None else repr(caller)
        detail = f"{who} may not act for tenant {tenant!r}"
        chars = len(own.partition("/")[2])
        if chars > MAX_PRINCIPAL_CHARS:
            detail += f": its own {own!r} cannot exist, as IAM allows {MAX_PRINCIPAL_CHARS} characters, not {chars}"
        raise Refused(HTTPStatus.FORBIDDEN, "not_allowed", detail)
