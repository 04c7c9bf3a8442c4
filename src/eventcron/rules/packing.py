"""Group fires into packs. A pack holds fires of one second; a busy tenant gets packs of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import attrgetter

from eventcron.model.messages import Fire, Pack
from eventcron.model.names import Instant
from eventcron.rules.turns import in_turn
from eventcron.wire.encode import pack_id

#: A tenant whose fires of one second fill this share of a pack gets packs of its own. SQS can then be fair to others.
OWN_PACK_SHARE = 0.25

_order = attrgetter("at", "tenant", "name", "due", "cause", "cause_id")


def pack_fires(fires: Iterable[Fire], *, size: int) -> list[Pack]:
    """Return packs of at most *size* fires, ordered by second. All fires of a pack are published in the same second.

    The result is deterministic: the same fires make the same packs with the same ids, in any order. Where one tenant
    fills several packs, ``in_turn`` decides which fires share one: under a limit, only some of the packs are granted.
    """
    packs: list[Pack] = []
    by_second: dict[int, list[Fire]] = defaultdict(list)
    for fire in fires:
        by_second[fire.at // 1000].append(fire)
    for second in sorted(by_second):
        for group in _split_by_tenant(by_second[second], size):
            ordered = iter(_ordered(group, size))
            while chunk := list(islice(ordered, size)):
                packs.append(make_pack(chunk))
    return packs


def make_pack(fires: Sequence[Fire], *, after: Pack | None = None) -> Pack:
    """Return one pack of *fires*: for their first round through the queue, or for the round that follows *after*.

    Each round needs an id that no other round has, because the ledger may have recorded any other round. An id of the
    first round depends on the fires alone. An id of a later round depends on the id of *after* too: a pack that was
    sent back from the dead letters has an id of its own, and so have all the rounds that follow.
    """
    at: Instant = min([fire.at for fire in fires])
    if after is None:
        return Pack(id=pack_id(fires), at=at, fires=list(fires))
    return Pack(
        v=after.v,
        id=pack_id(fires, after=after.id),
        at=at,
        fires=list(fires),
        attempt=after.attempt + 1,
        kind=after.kind,
        lane=after.lane,
    )


def _split_by_tenant(fires: list[Fire], size: int) -> list[list[Fire]]:
    if len(fires) <= 1:
        return [fires]
    by_tenant: dict[str, list[Fire]] = defaultdict(list)
    for fire in fires:
        by_tenant[fire.tenant].append(fire)
    if len(by_tenant) == 1:
        return [fires]
    busy = {tenant for tenant, of_tenant in by_tenant.items() if len(of_tenant) >= size * OWN_PACK_SHARE}
    groups = [by_tenant[tenant] for tenant in sorted(busy)]
    others = [fire for fire in fires if fire.tenant not in busy]
    return [*groups, others] if others else groups


def _ordered(group: list[Fire], size: int) -> list[Fire]:
    """*group* in order of its fires; or in turn, if it has one tenant and does not fit into a pack."""
    if len(group) > size and len({fire.tenant for fire in group}) == 1:
        return in_turn(group)
    return sorted(group, key=_order)
