"""How many schedules each tenant has, as items of their own in the table of the schedules.

    tenant S "<tenant>#", name S "schedules"    the key; no tenant has "#" in its name
    v N          the format
    count N      records of the tenant without ``expires``, or more
    changed N    when it was changed last, an instant

One item is changed by about a thousand writes a second at most. A transaction with the schedule's own item would keep
the two alike, but those of one tenant would refuse each other.
"""

from __future__ import annotations

from eventcron.adapters.aws.item_format import MARK_VALUE, MARKED, readable
from eventcron.adapters.aws.table import DynamoTable, Item, number, text
from eventcron.errors import Unavailable
from eventcron.ports import Clock
from eventcron.rules.limits import QUIET_MS

_SUFFIX = "#"


class DynamoCounts:
    """One item a tenant."""

    def __init__(self, table: DynamoTable, *, clock: Clock) -> None:
        self._table = table
        self._unrepeated = table.unrepeated()
        self._clock = clock

    async def reserve(self, tenant: str, *, limit: int) -> bool:
        """Count one more. False: *limit* are counted already.

        If the answer is lost, the call is repeated, and one is counted twice: that is for ``recount`` to find.
        """
        values = self._now() | {":one": number(1)}
        within = None
        if limit:
            within = "attribute_not_exists(#count) OR #count < :limit"
            values[":limit"] = number(limit)
        return await self._table.update(
            _key(tenant), f"SET {MARKED}, #changed = :now ADD #count :one", when=within, values=values
        )

    async def release(self, tenant: str) -> None:
        """Count one less. Tried once: repeated after a lost answer, it would leave the count too low."""
        values = self._now() | {":less": number(-1), ":none": number(0)}
        try:
            await self._unrepeated.update(
                _key(tenant), f"SET {MARKED}, #changed = :now ADD #count :less", when="#count > :none", values=values
            )
        except Unavailable:
            return  # the count stays too high until ``recount``

    async def count(self, tenant: str) -> int:
        return (await self._read(tenant))[0]

    async def recount(self, tenant: str) -> int:
        counted, changed = await self._read(tenant)
        if changed > self._clock.now() - QUIET_MS:
            return 0
        there = await self._table.count("#tenant = :tenant", {":tenant": text(tenant)}, without="expires")
        if there == counted:
            return 0
        # A tenant that was never counted has no item.
        unchanged = "#changed = :seen" if changed else "attribute_not_exists(#changed)"
        seen = {":seen": number(changed)} if changed else {}
        corrected = await self._table.update(
            _key(tenant),
            f"SET {MARKED}, #changed = :now, #count = :there",
            when=unchanged,
            values=self._now() | {":there": number(there)} | seen,
        )
        return counted - there if corrected else 0

    async def _read(self, tenant: str) -> tuple[int, int]:
        """The count, and when it was changed; 0 if it never was.

        Raises:
            Undecodable: this release cannot read the item.
        """
        items = await self._table.get_many([_key(tenant)])
        if not items:
            return 0, 0
        item = readable(items[0] | {"pk": items[0]["tenant"]})
        return int(item["count"]["N"]), int(item["changed"]["N"])

    def _now(self) -> Item:
        return MARK_VALUE | {":now": number(self._clock.now())}


def counted_tenant(item: Item) -> str | None:
    """The tenant whose schedules an item of the table counts; None: the item is something else."""
    key = item["tenant"]["S"]
    return key.removesuffix(_SUFFIX) if key.endswith(_SUFFIX) else None


def _key(tenant: str) -> Item:
    return {"tenant": text(tenant + _SUFFIX), "name": text("schedules")}
