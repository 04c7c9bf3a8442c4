"""Who subscribes to what: each kind of target and the tenants whose fires its rule passes on."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

LAMBDA = "lambda"
STEP_FUNCTIONS = "step_functions"
API_DESTINATION = "api_destination"


class Share(Struct, frozen=True, kw_only=True):
    """The fires of some tenants, or with neither *tenants* nor *prefixes*, of all."""

    tenants: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    def takes(self, tenant: str) -> bool:
        """What ``pattern`` says, worked out here, for the comparison."""
        everyone = not self.tenants and not self.prefixes
        return everyone or tenant in self.tenants or tenant.startswith(self.prefixes)

    def pattern(self) -> dict[str, Any]:
        """The event pattern of the rule."""
        whose: list[Any] = [*self.tenants, *({"prefix": prefix} for prefix in self.prefixes)]
        fires: dict[str, Any] = {"source": ["eventcron"], "detail-type": ["Schedule Fired"]}
        return fires | ({"detail": {"tenant": whose}} if whose else {})


#: Every fire goes to the API destination, and some go to one of the others too: a Lambda invocation costs this
#: machine fifty times what an HTTP request does.
SHARES = {
    LAMBDA: Share(tenants=("acme",), prefixes=("kubernetes-sigs-",)),
    STEP_FUNCTIONS: Share(tenants=("globex",), prefixes=("kubernetes-sig-", "etcd")),
    API_DESTINATION: Share(),
}
