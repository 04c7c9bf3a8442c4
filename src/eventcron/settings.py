"""A deployment's parameters."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from eventcron.errors import EventcronError
from eventcron.model.history import KeepHistory
from eventcron.model.names import MAX_INPUT_BYTES, MAX_PER_MINUTE, MAX_SEGMENTS
from eventcron.ports import MAX_DELAY_SECONDS

#: The ARN of a bus, as the service model of ``eventbridgev2`` describes it; or nothing.
EVENT_BUS_V2_ARN = (
    r"^(arn:aws(-[a-z0-9]+)*:events:[a-z][a-z0-9]*(-[a-z0-9]+)*:[0-9]{12}"
    r":event-busv2/[A-Za-z0-9][._A-Za-z0-9-]{0,255}/[a-z0-9]{25})?\Z"
)

#: IAM, names of roles and users: "[\w+=,.@-]+".
TENANT_PRINCIPAL = r"^(role|user)/[A-Za-z0-9+=,.@_-]*\{tenant\}[A-Za-z0-9+=,.@_-]*\Z"


class FireSource(StrEnum):
    """Whether fires of different tenants have the same source."""

    SHARED = "SHARED"
    PER_TENANT = "PER_TENANT"


class InvalidSettings(EventcronError):
    """The settings describe no deployment that can work: says which setting, what it is, and what is allowed."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deployment's parameters. ``infra/template.yaml`` sets each as ``EVENTCRON_<NAME>``."""

    schedules_table: str
    ledger_table: str
    bus_name: str
    #: The queue of commands that registrars read.
    registrar_queue_url: str
    fire_queue_url: str
    command_dlq_url: str
    fire_dlq_url: str
    #: The queue from which several planners get their segments, and its dead-letter queue.
    segment_queue_url: str = ""
    segment_dlq_url: str = ""
    #: The bus of EventBridge's newer API, ``eventbridgev2``, on which to publish instead of ``bus_name``; "" = none.
    event_bus_v2_arn: Annotated[str, Meta(pattern=EVENT_BUS_V2_ARN)] = ""
    #: The source of fires: ``eventcron`` for all tenants, or ``eventcron.fires.<tenant>``.
    fire_source: FireSource = FireSource.SHARED
    #: Equal shares into which all schedules are divided.
    segments: Annotated[int, Meta(ge=1, le=MAX_SEGMENTS)] = 64
    #: Seconds between planner runs.
    tick_seconds: Annotated[int, Meta(ge=1, le=600)] = 300
    #: Seconds planned ahead. At least the tick, so that each window is planned before it is due.
    horizon_seconds: Annotated[int, Meta(ge=2, le=840)] = 720
    #: Seconds beyond the horizon that the registrar itself plans of a new schedule. More than the index may lag.
    guard_seconds: Annotated[int, Meta(ge=1, le=60)] = 45
    #: Seconds by which a pack is visible before it is due.
    lead_seconds: Annotated[int, Meta(ge=1, le=10)] = 1
    #: Fires in a pack, at most.
    pack_size: Annotated[int, Meta(ge=1, le=500)] = 200
    #: Planners that work at once. 1: the tick plans all segments itself. More: it sends them to the segment queue.
    planner_workers: Annotated[int, Meta(ge=1, le=256)] = 1
    #: Timed schedules that the planners move on each second, together. A move is two write units of the index, and the
    #: index of a new table takes 4,000 a second: a quarter is left for what is put meanwhile.
    moves_per_second: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_500
    #: Calls of PutEvents that an executor makes each second, at most: the account's quota in the Region, or eventcron's
    #: part of it. Executors share what the bus takes, see ``rules.pace.CallPace``. 0 = as many as it takes.
    put_events_per_second: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    #: Segments planned, packs executed or commands handled at once in one invocation.
    concurrency: Annotated[int, Meta(ge=1, le=256)] = 16
    #: Days for which a published pack is remembered. The fire queue retains messages for 4.
    ledger_days: Annotated[int, Meta(ge=1, le=30)] = 5
    #: Days for which a tombstone is stored, so that a late put does not restore a deleted schedule.
    tombstone_days: Annotated[int, Meta(ge=1, le=365)] = 14
    #: Fires that a tenant may publish in one minute; further ones are skipped, reason ``quota``. 0 = no limit.
    #: EventBridge's smallest Regions invoke targets 750 times a second, 45,000 a minute: one tenant gets two thirds.
    tenant_fires_per_minute: Annotated[int, Meta(ge=0, le=6_000_000)] = 30_000
    #: Fires a minute with which a resume catches up, unless it says how many; a backfill has the same default.
    catch_up_per_minute: Annotated[int, Meta(ge=1, le=MAX_PER_MINUTE)] = 60
    #: Schedules that a tenant may have; a further one is rejected. 0 = no limit. All of them may fire in one minute,
    #: three times each, within the default of ``tenant_fires_per_minute``.
    max_schedules_per_tenant: Annotated[int, Meta(ge=0, le=10_000_000)] = 10_000
    #: Seconds between two fires of a schedule, at least; 1 = no bound. ``timing.gaps`` says what is looked at.
    min_period_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 1
    #: Bytes of JSON that an input may have.
    max_input_bytes: Annotated[int, Meta(ge=2, le=MAX_INPUT_BYTES)] = 32_768
    #: Which events are kept for each schedule, in which table, and for how many days.
    keep_history: KeepHistory = KeepHistory.NONE
    history_table: str = ""
    history_days: Annotated[int, Meta(ge=1, le=400)] = 30
    #: Sources that may act for every tenant, besides each tenant's own ``eventcron.tenant.<tenant>``.
    trusted_sources: frozenset[str] = frozenset()
    #: Milliseconds by which a fire must be late to be logged as late.
    late_ms: Annotated[int, Meta(ge=100, le=60_000)] = 1_000
    #: Tenants with metrics of their own. CloudWatch charges for each metric.
    watched_tenants: Annotated[frozenset[str], Meta(max_length=20)] = frozenset()
    #: The IAM principal that may call the REST API for a tenant: ``role/NAME`` or ``user/NAME``.
    rest_tenant_principal: Annotated[str, Meta(pattern=TENANT_PRINCIPAL)] = "role/eventcron-tenant-{tenant}"
    #: Principals that may call it for every tenant: ``role/NAME``, ``user/NAME`` or ``root``.
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
        if self.keep_history is not KeepHistory.NONE and not self.history_table:
            raise InvalidSettings(f"keep_history is {self.keep_history}; it needs history_table")
        if self.planner_workers > 1 and not (self.segment_queue_url and self.segment_dlq_url):
            raise InvalidSettings(
                f"planner_workers is {self.planner_workers}; more than one need segment_queue_url and segment_dlq_url"
            )
