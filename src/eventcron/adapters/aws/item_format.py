"""The format number in each item of the ledger's table. Items without one, as release 0.1 wrote, are of format 1."""

from __future__ import annotations

from eventcron.adapters.aws.table import Item, number
from eventcron.errors import Undecodable

#: The format that this release writes and reads.
FORMAT = 1

#: The attribute of an item that is put.
MARK: Item = {"v": number(FORMAT)}
#: The same in an update expression: an assignment, and its value.
MARKED = "#v = :v"
MARK_VALUE: Item = {":v": number(FORMAT)}


def readable(item: Item) -> Item:
    """*item*, if this release can read it.

    Raises:
        Undecodable: the item is of another format.
    """
    stored = item.get("v", MARK["v"])["N"]
    if stored != str(FORMAT):
        raise Undecodable(f"{item['pk']['S']} is stored in format {stored}; this version reads format {FORMAT}")
    return item
