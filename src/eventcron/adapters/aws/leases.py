"""``Leases`` on DynamoDB, in the ledger's table.

pk = "segment#<n>"  v N (the format), planned N, claimed N (instants), lease N (instant, 0 = none), fence N, cursor S,
                   lagging BOOL
"""

from __future__ import annotations

from eventcron.adapters.aws.item_format import MARK_VALUE, MARKED, readable
from eventcron.adapters.aws.table import DynamoTable, Item, number, text
from eventcron.adapters.next_lease import is_held_in, next_lease
from eventcron.model.names import Instant
from eventcron.ports import Lease, SegmentState
from eventcron.rules.leases import is_held

#: How often a lease is tried for anew after another planner wrote between its read and its write.
ACQUIRE_TRIES = 5


class DynamoLeases:
    """One item a segment."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table
        self._unrepeated = table.unrepeated()

    async def acquire(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        for _ in range(ACQUIRE_TRIES):
            item = await self._table.get(_key(segment)) or {}
            state = _state(segment, item)
            if is_held(state.lease_until, now=now):
                return None
            cursor = item["cursor"]["S"] if "cursor" in item else None
            lease = next_lease(state, cursor, end=end, lease_until=lease_until)
            if lease.start >= lease.end or await self._store(lease, state):
                return lease
        # Another planner won each of these races, so another planner holds the segment.
        return None

    async def _store(self, lease: Lease, state: SegmentState) -> bool:
        """Store *lease* if the segment is still as in *state*: no later lease, and the same one not given up."""
        values = {
            ":claimed": number(lease.end),
            ":lease": number(lease.lease_until),
            ":fence": number(lease.fence),
        }
        when = "attribute_not_exists(#pk)"
        if state.fence:
            when = "#fence = :seen AND #lease = :held"
            values |= {":seen": number(state.fence), ":held": number(state.lease_until)}
        return await self._table.update(
            _key(lease.segment),
            f"SET {MARKED}, #claimed = :claimed, #lease = :lease, #fence = :fence",
            when=when,
            values=values | MARK_VALUE,
        )

    async def save(self, lease: Lease, cursor: str) -> bool:
        return await self._end(lease, ", #cursor = :cursor", {":cursor": text(cursor)})

    async def commit(self, lease: Lease) -> bool:
        # A commit whose answer was lost is sent again, and then finds the segment planned under its own fence.
        return await self._end(
            lease,
            ", #planned = :planned, #claimed = :planned REMOVE #cursor",
            {":planned": number(max(lease.start, lease.end))},
            or_when=" OR #planned = :planned",
        )

    async def release(self, lease: Lease) -> bool:
        return await self._end(lease, " REMOVE #cursor", {})

    async def _end(self, lease: Lease, change: str, values: Item, *, or_when: str = "") -> bool:
        """End *lease* if it is still the segment's: a lease ends once."""
        given_up: Item = {":none": number(0), ":lagging": {"BOOL": lease.lagging}}
        held = {":fence": number(lease.fence), ":held": number(lease.lease_until)}
        return await self._table.update(
            _key(lease.segment),
            f"SET #lease = :none, #lagging = :lagging{change}",
            when=f"#fence = :fence AND (#lease = :held{or_when})",
            values=given_up | held | values,
        )

    async def holds(self, lease: Lease) -> bool:
        return is_held_in(_state(lease.segment, await self._unrepeated.get(_key(lease.segment)) or {}), lease)

    async def planned_through(self, segment: int) -> Instant:
        return _state(segment, await self._table.get(_key(segment)) or {}).planned_through

    async def segments(self, count: int) -> list[SegmentState]:
        items = await self._table.get_many([_key(segment) for segment in range(count)])
        stored = {item["pk"]["S"]: item for item in items}
        return [_state(segment, stored.get(_key(segment)["pk"]["S"], {})) for segment in range(count)]


def _state(segment: int, item: Item) -> SegmentState:
    """The state that *item* holds; an empty item means that the segment was never planned.

    Raises:
        Undecodable: the item is of another format.
    """
    readable(item or _key(segment))

    def instant(name: str) -> int:
        return int(item[name]["N"]) if name in item else 0

    return SegmentState(
        segment=segment,
        planned_through=instant("planned"),
        claimed_through=instant("claimed"),
        lease_until=instant("lease"),
        fence=instant("fence"),
        lagging="lagging" in item and item["lagging"]["BOOL"],
    )


def _key(segment: int) -> Item:
    return {"pk": text(f"segment#{segment}")}
