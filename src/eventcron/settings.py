"""A deployment's parameters, without where they come from."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from eventcron.errors import EventcronError
from eventcron.model.names import MAX_SEGMENTS
from eventcron.ports import MAX_DELAY_SECONDS

#: The ARN of a bus, as the service model of ``eventbridgev2`` describes it; or nothing.
EVENT_BUS_V2_ARN = (
    r"^(arn:aws(-[a-z0-9]+)*:events:[a-z][a-z0-9]*(-[a-z0-9]+)*:[0-9]{12}"
    r":event-busv2/[A-Za-z0-9][._A-Za-z0-9-]{0,255}/[a-z0-9]{25})?\Z"
)


class InvalidSettings(EventcronError):
    """The settings describe no deployment that can work: says which setting, what it is, and what is allowed."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deployment's parameters. ``infra/template.yaml`` sets each as ``EVENTCRON_<NAME>``."""

    schedules_table: str
    ledger_table: str
    bus_name: str
    fire_queue_url: str
    command_dlq_url: str
    fire_dlq_url: str
    #: Where a tick hands segments out to planners, and where such a message ends that is none. Only with several.
    segment_queue_url: str = ""
    segment_dlq_url: str = ""
    #: A bus of EventBridge's newer API, ``eventbridgev2``, that takes the facts instead of ``bus_name``; "" = none.
    event_bus_v2_arn: Annotated[str, Meta(pattern=EVENT_BUS_V2_ARN)] = ""
    #: Equal shares of all schedules; fixed per deployment.
    segments: Annotated[int, Meta(ge=1, le=MAX_SEGMENTS)] = 64
    #: Seconds between planner runs.
    tick_seconds: Annotated[int, Meta(ge=1, le=600)] = 300
    #: Seconds planned ahead. At least the tick, so that windows meet before they are due.
    horizon_seconds: Annotated[int, Meta(ge=2, le=840)] = 720
    #: Seconds beyond the horizon that the registrar plans itself when it stores a schedule; longer than the index lags.
    guard_seconds: Annotated[int, Meta(ge=1, le=60)] = 45
    #: Seconds by which a pack is visible before it is due.
    lead_seconds: Annotated[int, Meta(ge=1, le=10)] = 1
    #: Fires a pack.
    pack_size: Annotated[int, Meta(ge=1, le=500)] = 200
    #: Planners at work at once. 1: the tick plans all segments itself; more: it hands them out by the plan queue.
    planner_workers: Annotated[int, Meta(ge=1, le=256)] = 1
    #: Segments planned, packs executed or commands handled at once in one invocation.
    concurrency: Annotated[int, Meta(ge=1, le=256)] = 16
    #: Days the ledger remembers a published pack. The fire queue's own retention is 4.
    ledger_days: Annotated[int, Meta(ge=1, le=30)] = 5
    #: Days a tombstone keeps a late put from raising the dead.
    tombstone_days: Annotated[int, Meta(ge=1, le=365)] = 14
    #: Fires that a tenant may publish in one minute; what is beyond is skipped, reason ``quota``. 0 = no limit.
    tenant_fires_per_minute: Annotated[int, Meta(ge=0, le=6_000_000)] = 0
    #: Sources, beside ``eventcron.tenant.<tenant>``, that may act for every tenant; comma-separated in the environment.
    trusted_sources: frozenset[str] = frozenset()
    #: Milliseconds after its instant from which a fire is logged as late.
    late_ms: Annotated[int, Meta(ge=100, le=60_000)] = 1_000
    #: Tenants whose fires are metrics of their own, comma-separated in the environment. CloudWatch charges for each.
    watched_tenants: Annotated[frozenset[str], Meta(max_length=20)] = frozenset()
    #: The one who may call the REST API for a tenant: ``role/NAME`` or ``user/NAME``.
    rest_tenant_principal: Annotated[str, Meta(pattern=r"^(role|user)/[^{}/]*\{tenant\}[^{}/]*\Z")] = (
        "role/eventcron-tenant-{tenant}"
    )
    #: Who may call it for every tenant: ``role/NAME``, ``user/NAME`` or ``root``; comma-separated in the environment.
    rest_trusted_principals: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        planned = self.horizon_seconds + self.guard_seconds + self.lead_seconds
        if planned > MAX_DELAY_SECONDS:
            raise InvalidSettings(
                f"horizon_seconds {self.horizon_seconds} + guard_seconds {self.guard_seconds}"
                f" + lead_seconds {self.lead_seconds} is {planned}; SQS delays at most {MAX_DELAY_SECONDS} s"
            )
        if self.horizon_seconds < self.tick_seconds:
            raise InvalidSettings(
                f"horizon_seconds is {self.horizon_seconds}; it must be at least tick_seconds, {self.tick_seconds},"
                " or fires between two ticks would be late"
            )
        if self.planner_workers > 1 and not (self.segment_queue_url and self.segment_dlq_url):
            raise InvalidSettings(
                f"planner_workers is {self.planner_workers}; more than one need segment_queue_url and segment_dlq_url"
            )
