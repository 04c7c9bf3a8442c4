"""``Quota`` on DynamoDB, in the ledger's table.

pk = "minute#<tenant>#<minute>"          v N (the format), wanted N (fires asked for), expires N (TTL, in seconds)
pk = "places#<tenant>#<minute>#<pack>"   v N, expires N, places N (fires granted; only if not all were)

A minute's item stays small, however many packs ask for it. If that item held the set of packs, each pack would write,
and be charged for, the whole set.
"""

from __future__ import annotations

from eventcron.adapters.aws.item_format import MARK_VALUE, MARKED, readable
from eventcron.adapters.aws.table import DynamoTable, Item, number, text
from eventcron.ports import QuotaRequest


class DynamoQuota:
    """One item a minute, and one a request."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table

    async def acquire(self, request: QuotaRequest, *, expires: int) -> int:
        key = _request(request)
        values = MARK_VALUE | {":expires": number(expires)}
        # The request comes first: if this process dies after it, the request is not counted a second time.
        new = await self._table.update(
            key, f"SET {MARKED}, #expires = :expires", when="attribute_not_exists(#pk)", values=values
        )
        if not new:
            items = await self._table.get_many([key])
            return next((_granted(item) for item in items if "places" in item), request.count)
        minute = await self._table.change(
            _minute(request.tenant, request.minute),
            f"SET {MARKED}, #expires = :expires ADD #wanted :count",
            values=values | {":count": number(request.count)},
        )
        granted = request.granted(int(minute["wanted"]["N"]) - request.count)
        if granted < request.count:
            await self._table.update(key, "SET #places = :places", values={":places": number(granted)})
        return granted

    async def used(self, tenant: str, minute: int) -> int:
        items = await self._table.get_many([_minute(tenant, minute)])
        return sum(int(readable(item)["wanted"]["N"]) for item in items)


def _minute(tenant: str, minute: int) -> Item:
    return {"pk": text(f"minute#{tenant}#{minute}")}


def _request(request: QuotaRequest) -> Item:
    return {"pk": text(f"places#{request.tenant}#{request.minute}#{request.pack_id}")}


def _granted(item: Item) -> int:
    """The fires that a request was granted.

    Raises:
        Undecodable: the item is of another format.
    """
    return int(readable(item)["places"]["N"])
