"""Fires → packs: those of one second travel together, a busy tenant's by themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from eventcron.model.messages import Fire, Pack
from eventcron.model.names import Instant
from eventcron.wire.encode import pack_id

#: A tenant with this share of a full pack in one second gets packs of its own: the queue can then be fair to the rest.
OWN_PACK_SHARE = 0.25


def pack_fires(fires: Iterable[Fire], *, size: int) -> list[Pack]:
    """Packs of at most *size* fires, each of one second of publication, by second.

    Deterministic: the same fires make the same packs with the same ids, in whatever order they are given.
    """
    packs: list[Pack] = []
    by_second: dict[int, list[Fire]] = defaultdict(list)
    for fire in fires:
        by_second[fire.at // 1000].append(fire)
    for second in sorted(by_second):
        for group in _split_by_tenant(by_second[second], size):
            ordered = iter(sorted(group, key=_order))
            while chunk := list(islice(ordered, size)):
                packs.append(make_pack(chunk))
    return packs


def make_pack(fires: Sequence[Fire], *, attempt: int = 1) -> Pack:
    """One pack of *fires*; its id says what is in it, and which round through the queue this is.

    A pack put back must not carry the id under which the ledger records the round before.
    """
    at: Instant = min(fire.at for fire in fires)
    content = pack_id(fires)
    return Pack(id=content if attempt == 1 else f"{content}-{attempt}", at=at, fires=list(fires), attempt=attempt)


def _split_by_tenant(fires: list[Fire], size: int) -> list[list[Fire]]:
    if len(fires) <= 1:
        return [fires]
    by_tenant: dict[str, list[Fire]] = defaultdict(list)
    for fire in fires:
        by_tenant[fire.tenant].append(fire)
    if len(by_tenant) == 1:
        return [fires]
    busy = {tenant for tenant, theirs in by_tenant.items() if len(theirs) >= size * OWN_PACK_SHARE}
    groups = [by_tenant[tenant] for tenant in sorted(busy)]
    rest = [fire for fire in fires if fire.tenant not in busy]
    return [*groups, rest] if rest else groups


def _order(fire: Fire) -> tuple[Instant, str, str, Instant, str, str]:
    return (fire.at, fire.tenant, fire.name, fire.due, fire.cause, fire.cause_id)
