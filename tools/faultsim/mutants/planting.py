"""Plant a fault in the running process: replace a method, a function or a constant by a faulty one.

A fault is tied to a name, not to a line of source text. A name that is gone is an error, so a mutant cannot turn
silently into one that changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

#: The signatures of what is replaced differ from mutant to mutant, hence ``Any``.
Function: TypeAlias = Callable[..., Any]
#: Makes the faulty attribute from the present one.
Change: TypeAlias = Callable[[Any], Any]
Owner: TypeAlias = ModuleType | type


class Mutant(NamedTuple):
    """A fault: *name* says what goes wrong, *plant* makes it go wrong in this process.

    The hunt begins with *first_seed*. A fault that shows in one seed of thousands begins near such a one.
    """

    name: str
    plant: Callable[[], None]
    first_seed: int = 0


class NothingToPlant(Exception):
    """The attribute to replace is not there, or would stay as it is: the source has changed, so must the mutant."""


#: What was replaced, in order: the owner, the attribute's name and its value before.
_replaced: list[tuple[Owner, str, object]] = []


def replace(owner: Owner, name: str, new: object) -> None:
    """Set the attribute *name* of the module or class *owner* to *new*.

    Raises:
        NothingToPlant: *owner* itself has no such attribute (an inherited one does not count), or has that value.
    """
    old = _current(owner, name)
    if old == new:
        raise NothingToPlant(f"{owner.__name__}.{name} is {new!r} already")
    _replaced.append((owner, name, old))
    setattr(owner, name, new)


def changes(owner: Owner, name: str, change: Change) -> Callable[[], None]:
    """A ``plant`` that replaces the attribute *name* of *owner* by what *change* makes of it."""
    return lambda: replace(owner, name, change(_current(owner, name)))


def changes_everywhere(function: Callable[..., object], change: Change) -> Callable[[], None]:
    """A ``plant`` that replaces *function* in each module of eventcron that defines or imports it."""

    def plant() -> None:
        name, new = function.__name__, change(function)
        modules = [module for path, module in sys.modules.items() if path.split(".")[0] == "eventcron"]
        holders = [module for module in modules if vars(module).get(name) is function]
        if not holders:
            raise NothingToPlant(f"no module has {name}")
        for module in holders:
            replace(module, name, new)

    return plant


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Plant *mutant*, and put everything back afterwards."""
    before = len(_replaced)
    try:
        mutant.plant()
        yield
    finally:
        while len(_replaced) > before:
            owner, name, old = _replaced.pop()
            setattr(owner, name, old)


def _current(owner: Owner, name: str) -> object:
    if name not in vars(owner):
        raise NothingToPlant(f"{owner.__name__} has no {name!r} of its own")
    return vars(owner)[name]
