"""A tenant's limits and what it uses of them, for operators and for the tenant itself."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from eventcron.ports import ScheduleStore
from eventcron.settings import Settings


class TenantLimits(Struct, frozen=True, kw_only=True):
    """What a tenant has, and what the deployment allows each tenant."""

    tenant: str
    schedules: Annotated[
        int,
        Meta(description="Schedules it has. After a crash of eventcron it may be a few too many, for a day."),
    ]
    max_schedules: Annotated[int, Meta(description="0 = no limit.")]
    fires_per_minute: Annotated[int, Meta(description="Further fires are skipped, reason quota. 0 = no limit.")]
    min_period_seconds: Annotated[int, Meta(description="Seconds between two fires of a schedule, at least.")]
    max_input_bytes: Annotated[int, Meta(description="Bytes of JSON that an input may have.")]


async def limits_of(store: ScheduleStore, settings: Settings, tenant: str) -> TenantLimits:
    """The limits of *tenant*, and how many schedules it has.

    Raises:
        Undecodable: this release cannot read the count.
        Unavailable: the store refused.
    """
    return TenantLimits(
        tenant=tenant,
        schedules=await store.count(tenant),
        max_schedules=settings.max_schedules_per_tenant,
        fires_per_minute=settings.tenant_fires_per_minute,
        min_period_seconds=settings.min_period_seconds,
        max_input_bytes=settings.max_input_bytes,
    )
