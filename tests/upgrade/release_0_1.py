"""How release 0.1 reads packs, ranges and items, frozen: a copy, so that a change of the code cannot change it.

This code runs again after a rollback. It also runs together with the new release during a deployment.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct


class Fire(Struct, frozen=True, array_like=True):
    tenant: str
    name: str
    revision: int
    due: int
    at: int
    cause: Literal["schedule", "run", "backfill"] = "schedule"
    cause_id: str = ""
    last: bool = False


class Pack(Struct, frozen=True, kw_only=True):
    v: int
    id: str
    at: int
    fires: list[Fire]
    attempt: int = 1


class SegmentRange(Struct, frozen=True, kw_only=True):
    v: int
    tick: int
    first: int
    end: int


class Era(Struct, frozen=True, array_like=True):
    revision: int
    trigger: str
    start: int
    end: int | None = None
    paused: bool = False
    planned_through: int | None = None
    catch_up_until: int = 0
    misfire: dict[str, Any] = {}
    flexible_window_seconds: int = 0
    per_minute: int = 60


class LastCommands(Struct, frozen=True, kw_only=True):
    put_revision: int = -1
    delete_revision: int = -1
    pause_revision: int = -1
    pause: bool = False


class Body(Struct, frozen=True, kw_only=True):
    schedule: dict[str, Any] | None
    created: int
    last_commands: LastCommands = LastCommands()
    spent: int = 0
    recent_event_ids: list[str] = []


class Record(NamedTuple):
    tenant: str
    name: str
    revision: int
    state: str
    eras: list[Era]
    handoff: int
    segment: int | None
    wake: int | None
    pending: int | None
    expires: int | None
    body: Body


def read_pack(body: str) -> Pack:
    """The pack, as executors of 0.1 read it. ValueError: one of a later format, which they dead-letter."""
    pack = msgspec.json.decode(body, type=Pack)
    if pack.v != 1:
        raise ValueError(f"a pack of version {pack.v}")
    return pack


def read_range(body: str) -> tuple[int, int, int]:
    """Tick, first segment and the one after the last, as planners of 0.1 read them. ValueError: a later format."""
    asked = msgspec.json.decode(body, type=SegmentRange)
    if asked.v != 1:
        raise ValueError(f"a range of version {asked.v}")
    return asked.tick, asked.first, asked.end


def read_item(item: dict[str, dict[str, str]]) -> Record:
    """The record, as functions of 0.1 read it. ValueError: one of a later format."""
    if item["v"]["N"] != "1":
        raise ValueError(f"format {item['v']['N']}")

    def number(name: str) -> int | None:
        return int(item[name]["N"]) if name in item else None

    return Record(
        tenant=item["tenant"]["S"],
        name=item["name"]["S"],
        revision=int(item["revision"]["N"]),
        state=item["state"]["S"],
        eras=msgspec.json.decode(item["eras"]["S"], type=list[Era]),
        handoff=int(item["handoff"]["N"]),
        segment=number("segment"),
        wake=number("wake"),
        pending=number("pending"),
        expires=number("expires"),
        body=msgspec.json.decode(item["body"]["S"], type=Body),
    )


class Backfill(Struct, frozen=True, kw_only=True):
    tenant: str
    name: str
    id: str
    state: Literal["RUNNING", "COMPLETED", "CANCELLED"] = "RUNNING"
    event_id: str = ""
    revision: int = 0
    schedule_created: int = 0
    trigger: str = ""
    span: tuple[int, int] = (0, 0)
    per_minute: int = 60
    enqueued_through: int = 0
    at: int = 0
    slice: tuple[int, int] | None = None
    lease_until: int = 0
    version: int = 0
    fires: int = 0
    skipped: int = 0
    reason: Literal["command", "deleted"] | None = None
    expires: int | None = None


class Calendar(Struct, frozen=True, kw_only=True):
    tenant: str
    name: str
    revision: int
    dates: tuple[str, ...] | None
    recent_event_ids: tuple[str, ...] = ()
    expires: int | None = None


class Segment(NamedTuple):
    planned: int
    claimed: int
    lease: int
    fence: int
    cursor: str | None


def read_backfill(item: dict[str, Any]) -> Backfill:
    """The backfill, as functions of 0.1 read it; they knew no format of it."""
    return msgspec.json.decode(item["body"]["S"], type=Backfill)


def read_calendar(item: dict[str, Any]) -> Calendar:
    """The calendar, as functions of 0.1 read it; they knew no format of it."""
    return msgspec.json.decode(item["body"]["S"], type=Calendar)


def read_segment(item: dict[str, Any]) -> Segment:
    """The segment, as planners of 0.1 read it; they knew no format of it."""

    def instant(name: str) -> int:
        return int(item[name]["N"]) if name in item else 0

    cursor = item["cursor"]["S"] if "cursor" in item else None
    return Segment(instant("planned"), instant("claimed"), instant("lease"), instant("fence"), cursor)


def read_open_backfills(item: dict[str, Any]) -> list[str]:
    """The names of the open backfills, as functions of 0.1 read them."""
    return list(item.get("open", {}).get("SS", []))
