"""``Ledger`` on DynamoDB.

pk = "segment#<n>"                       v N (the format), planned N, claimed N (instants), lease N (instant, 0 = none),
                                         fence N, cursor S
pk = "pack#<id>"                         v N, published N (instant), expires N (the TTL attribute, in seconds)
pk = "minute#<tenant>#<minute>"          v N, wanted N (fires), expires N
pk = "places#<tenant>#<minute>#<pack>"   v N, expires N, places N (fires; only where not all had one)
pk = "rules"                             v N, rules S

That a pack is there says all, in whatever format. Items of a minute stay small, however many packs it has: a set of
packs in one of them would be written whole, and paid for, with each.
"""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.adapters.aws.backoff import Backoff
from eventcron.adapters.aws.clients import DynamoClient
from eventcron.adapters.aws.formats import MARK, MARK_VALUE, MARKED, readable
from eventcron.adapters.aws.table import DynamoTable, Item, number, text
from eventcron.adapters.leasing import next_claim
from eventcron.model.names import Instant
from eventcron.ports import Lease, QuotaRequest, SegmentState

#: Times a claim reads again after another writer came between its read and its write.
CLAIM_TRIES = 5

_RULES: Item = {"pk": text("rules")}


class DynamoLedger:
    """Segments and packs in one table, by ``pk``."""

    def __init__(
        self,
        client: DynamoClient,
        table: str,
        *,
        concurrency: int = 16,
        backoff: Backoff = Backoff(),  # noqa: B008  immutable
    ) -> None:
        self._table = DynamoTable(client, table, concurrency=concurrency, backoff=backoff)

    async def claim(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        for _ in range(CLAIM_TRIES):
            item = await self._table.get(_segment(segment)) or {}
            state = _state(segment, item)
            if state.lease_until > now:
                return None
            cursor = item["cursor"]["S"] if "cursor" in item else None
            claim = next_claim(state, cursor, end=end, lease_until=lease_until)
            if claim.start >= claim.end or await self._take(claim, state):
                return claim
        # Each lost race was won by another claim, so another holds the segment.
        return None

    async def _take(self, claim: Lease, state: SegmentState) -> bool:
        """Write *claim* if the segment is still as in *state*: no claim since, and the same lease not given up."""
        values = {
            ":claimed": number(claim.end),
            ":lease": number(claim.lease_until),
            ":fence": number(claim.fence),
        }
        when = "attribute_not_exists(#pk)"
        if state.fence:
            when = "#fence = :seen AND #lease = :held"
            values |= {":seen": number(state.fence), ":held": number(state.lease_until)}
        return await self._table.update(
            _segment(claim.segment),
            f"SET {MARKED}, #claimed = :claimed, #lease = :lease, #fence = :fence",
            when=when,
            values=values | MARK_VALUE,
        )

    async def save(self, claim: Lease, cursor: str) -> bool:
        return await self._give_up(claim, "SET #lease = :none, #cursor = :cursor", {":cursor": text(cursor)})

    async def commit(self, claim: Lease) -> bool:
        # Planned through its end under its own fence: the client sends a commit again if the answer was lost.
        return await self._give_up(
            claim,
            "SET #lease = :none, #planned = :planned REMOVE #cursor",
            {":planned": number(max(claim.start, claim.end))},
            or_when=" OR #planned = :planned",
        )

    async def release(self, claim: Lease) -> bool:
        return await self._give_up(claim, "SET #lease = :none REMOVE #cursor", {})

    async def _give_up(self, claim: Lease, change: str, values: Item, *, or_when: str = "") -> bool:
        """End *claim* if it still has the lease: a claim ends once."""
        held = {":none": number(0), ":fence": number(claim.fence), ":held": number(claim.lease_until)}
        return await self._table.update(
            _segment(claim.segment),
            change,
            when=f"#fence = :fence AND (#lease = :held{or_when})",
            values=held | values,
        )

    async def planned_through(self, segment: int) -> Instant:
        return _state(segment, await self._table.get(_segment(segment)) or {}).planned_through

    async def segments(self, count: int) -> list[SegmentState]:
        items = await self._table.get_many([_segment(segment) for segment in range(count)])
        stored = {item["pk"]["S"]: item for item in items}
        return [_state(segment, stored.get(_segment(segment)["pk"]["S"], {})) for segment in range(count)]

    async def rules(self) -> str:
        item = readable(await self._table.get(_RULES) or _RULES)
        rules: str = item.get("rules", text(""))["S"]
        return rules

    async def note_rules(self, rules: str) -> None:
        await self._table.put(_RULES | MARK | {"rules": text(rules)})

    async def published(self, pack_ids: Sequence[str]) -> set[str]:
        items = await self._table.get_many([_pack(pack_id) for pack_id in dict.fromkeys(pack_ids)])
        return {item["pk"]["S"].removeprefix("pack#") for item in items}

    async def record(self, pack_id: str, *, now: Instant, expires: int) -> None:
        await self._table.put(_pack(pack_id) | MARK | {"published": number(now), "expires": number(expires)})

    async def acquire(self, request: QuotaRequest, *, expires: int) -> int:
        asked = _places(request)
        values = MARK_VALUE | {":expires": number(expires)}
        # First of all, so that whoever dies after it is not counted again.
        new = await self._table.update(
            asked, f"SET {MARKED}, #expires = :expires", when="attribute_not_exists(#pk)", values=values
        )
        if not new:
            items = await self._table.get_many([asked])
            return next((_granted(item) for item in items if "places" in item), request.count)
        minute = await self._table.change(
            _minute(request),
            f"SET {MARKED}, #expires = :expires ADD #wanted :count",
            values=values | {":count": number(request.count)},
        )
        places = request.granted(int(minute["wanted"]["N"]) - request.count)
        if places < request.count:
            await self._table.update(asked, "SET #places = :places", values={":places": number(places)})
        return places


def _state(segment: int, item: Item) -> SegmentState:
    """What *item* says of the segment; empty: it was never planned.

    Raises:
        Undecodable: it is of another format.
    """
    readable(item or _segment(segment))

    def instant(name: str) -> int:
        return int(item[name]["N"]) if name in item else 0

    return SegmentState(
        segment=segment,
        planned_through=instant("planned"),
        claimed_through=instant("claimed"),
        lease_until=instant("lease"),
        fence=instant("fence"),
    )


def _segment(segment: int) -> Item:
    return {"pk": text(f"segment#{segment}")}


def _minute(request: QuotaRequest) -> Item:
    return {"pk": text(f"minute#{request.tenant}#{request.minute}")}


def _places(request: QuotaRequest) -> Item:
    return {"pk": text(f"places#{request.tenant}#{request.minute}#{request.pack_id}")}


def _granted(item: Item) -> int:
    """The places that *item* says a request was given.

    Raises:
        Undecodable: it is of another format.
    """
    return int(readable(item)["places"]["N"])


def _pack(pack_id: str) -> Item:
    return {"pk": text(f"pack#{pack_id}")}
