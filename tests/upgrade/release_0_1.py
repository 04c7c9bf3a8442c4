"""How release 0.1 reads packs, ranges and items, frozen: a copy, so that a change of the code cannot change it.

It is what runs again after a rollback, and beside the new release while a deployment goes on.
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


class Body(Struct, frozen=True, kw_only=True):
    schedule: dict[str, Any] | None
    created: int
    defined: int = -1
    deleted: int = -1
    switched: int = -1
    paused: bool = False
    spent: int = 0
    seen: list[str] = []


class Record(NamedTuple):
    tenant: str
    name: str
    revision: int
    state: str
    trigger: str
    first: int
    handoff: int
    until: int | None
    segment: int | None
    wake: int | None
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
        trigger=item["trigger"]["S"],
        first=int(item["first"]["N"]),
        handoff=int(item["handoff"]["N"]),
        until=number("until"),
        segment=number("segment"),
        wake=number("wake"),
        expires=number("expires"),
        body=msgspec.json.decode(item["body"]["S"], type=Body),
    )
