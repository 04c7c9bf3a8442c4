"""A page of the index ``plan``, decoded straight from DynamoDB's answer: a planner reads millions of entries.

The structs hold no cycles, so the garbage collector need not look at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec import Struct

from eventcron.adapters.aws.table import Item
from eventcron.errors import Undecodable
from eventcron.model.commands import Misfire
from eventcron.model.names import Key, Unreadable
from eventcron.model.records import IndexEntry
from eventcron.ports import IsQuiet, Page
from eventcron.rules.planning import DENSE


class _Text(Struct, gc=False):
    text: str = msgspec.field(name="S")


class _Number(Struct, gc=False):
    """DynamoDB writes a number as text, which a lax decoder reads as a number."""

    number: int = msgspec.field(name="N")


class _Item(Struct, gc=False):
    """One entry, as DynamoDB writes it."""

    tenant: _Text
    name: _Text
    revision: _Number
    trigger: _Text
    start: _Number
    handoff: _Number
    wake: _Number
    end: _Number | None = None
    misfire: _Text | None = None
    flexible_window_seconds: _Number | None = None


#: What the index has to project.
ATTRIBUTES = frozenset(_Item.__struct_fields__)
#: Of a page with a larger share of loud entries, all are decoded at once. To find one and to decode it by itself takes
#: twice as long as to decode it with the others.
LOUD_SHARE = 0.5


class _Outline(Struct, gc=False):
    """What decides whether an entry is left out. Nearly all are: to decode the rest of them is half of the time."""

    trigger: _Text
    wake: _Number
    end: _Number | None = None
    flexible_window_seconds: _Number | None = None


class _Page(Struct, gc=False):
    items: list[_Item] = msgspec.field(name="Items")
    last: Item | None = msgspec.field(name="LastEvaluatedKey", default=None)


class _Outlines(Struct, gc=False):
    items: list[_Outline] = msgspec.field(name="Items")


class _Items(Struct):
    """A page of which an entry may be of another form."""

    items: list[msgspec.Raw] = msgspec.field(name="Items")
    last: Item | None = msgspec.field(name="LastEvaluatedKey", default=None)


class _Keyed(Struct):
    tenant: _Text
    name: _Text


_page = msgspec.json.Decoder(_Page, strict=False)
_outlines = msgspec.json.Decoder(_Outlines, strict=False)
_items = msgspec.json.Decoder(_Items)
_item = msgspec.json.Decoder(_Item, strict=False)
_keyed = msgspec.json.Decoder(_Keyed)
_DEFAULT_MISFIRE = Misfire()


def decode_index(answer: bytes, is_quiet: IsQuiet | None = None) -> Page[IndexEntry]:
    """The page in *answer*, without the entries that ``rules.quiet.is_left_out`` leaves out. The cursor is DynamoDB's.

    An entry that this release cannot read is listed as such, and hinders no other; but not while what it can read of
    the entry says to leave it out.
    """
    try:
        if is_quiet is None:
            page = _page.decode(answer)
            return Page([_entry(item) for item in page.items], _cursor(page.last))
        outlines = _outlines.decode(answer).items
        # The rule by its own terms: to make an entry only to leave it out would take half of the time.
        loud = [
            place
            for place, item in enumerate(outlines)
            if item.wake.number != DENSE
            or item.end is not None
            or item.flexible_window_seconds is not None
            or not is_quiet(item.trigger.text)
        ]
        count = len(outlines)
        del outlines
        entries, last = _at(loud, answer) if len(loud) <= count * LOUD_SHARE else _at_many(loud, answer)
    except (msgspec.DecodeError, Undecodable):
        return _one_by_one(answer)
    return Page(entries, _cursor(last), left_out=count - len(entries))


def _at(places: Sequence[int], answer: bytes) -> tuple[list[IndexEntry], Item | None]:
    """The entries at *places*, each decoded by itself, and the page's last key."""
    raw = _items.decode(answer)
    return [_entry(_item.decode(raw.items[place])) for place in places], raw.last


def _at_many(places: Sequence[int], answer: bytes) -> tuple[list[IndexEntry], Item | None]:
    """As ``_at``, but all entries are decoded."""
    page = _page.decode(answer)
    return [_entry(page.items[place]) for place in places], page.last


def _one_by_one(answer: bytes) -> Page[IndexEntry]:
    read = _items.decode(answer)
    page: Page[IndexEntry] = Page([], _cursor(read.last), [])
    for raw in read.items:
        try:
            page.items.append(_entry(_item.decode(raw)))
        except (msgspec.DecodeError, Undecodable) as error:
            keyed = _keyed.decode(raw)
            key = Key(keyed.tenant.text, keyed.name.text)
            reason = f"index entry of {key} is stored in a form that cannot be read: {error}"
            page.unreadable.append(Unreadable(key, reason))
    return page


def _entry(item: _Item) -> IndexEntry:
    return IndexEntry(
        tenant=item.tenant.text,
        name=item.name.text,
        revision=item.revision.number,
        trigger=item.trigger.text,
        start=item.start.number,
        end=None if item.end is None else item.end.number,
        handoff=item.handoff.number,
        wake=item.wake.number,
        misfire=_DEFAULT_MISFIRE if item.misfire is None else misfire(item.misfire.text),
        flexible_window_seconds=0 if item.flexible_window_seconds is None else item.flexible_window_seconds.number,
    )


@lru_cache(maxsize=1024)
def misfire(json: str) -> Misfire:
    """Few policies are shared by many schedules.

    Raises:
        DecodeError: *json* is no policy.
    """
    return msgspec.json.decode(json, type=Misfire)


def _cursor(last: Item | None) -> str | None:
    return None if last is None else msgspec.json.encode(last).decode()
