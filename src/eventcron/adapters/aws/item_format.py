"""The format of what the ledger's table holds: a number in each item, as items of the schedules' table have.

Release 0.1 wrote none, in what is format 1 all the same.
"""

from __future__ import annotations

from eventcron.adapters.aws.table import Item, number
from eventcron.errors import Undecodable

#: What this release writes, and the latest that it reads.
FORMAT = 1

#: The attribute, for an item that is put.
MARK: Item = {"v": number(FORMAT)}
#: The same for an update: an assignment, and its value.
MARKED = "#v = :v"
MARK_VALUE: Item = {":v": number(FORMAT)}


def readable(item: Item) -> Item:
    """*item*, which this release can read; one without a number is of the first format.

    Raises:
        Undecodable: it is of another format, which is never guessed at.
    """
    stored = item.get("v", MARK["v"])["N"]
    if stored != str(FORMAT):
        raise Undecodable(f"{item['pk']['S']} is stored in format {stored}; this version reads format {FORMAT}")
    return item
