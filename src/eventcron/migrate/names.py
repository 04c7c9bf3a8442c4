"""Makes the names of another scheduler valid, without collisions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

from eventcron.migrate.model import Imported

#: Characters of a name that is made. Shorter than a name may be, so that it can be read and a suffix still fits.
_MADE_CHARS = 64
_VALID = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,128}")


def names_of(found: Sequence[Imported]) -> list[str]:
    """Return a valid name for each schedule, all different.

    A name that is valid and appears once stays as it is. Of names that appear more than once, those with a scope get
    it in front. What still collides gets a number, in the order of the source. The same source has the same names
    each time, and a name does not depend on those after it, except that a collision makes the scopes appear.
    """
    counted = Counter(one.name for one in found)
    wanted = [_scoped(one) if counted[one.name] > 1 and one.scope else one.name for one in found]
    repeated = Counter(wanted)
    taken = {name for name in wanted if repeated[name] == 1 and _VALID.fullmatch(name)}
    names = []
    for name in wanted:
        if name in taken and repeated[name] == 1:
            names.append(name)
            continue
        made = _free(_made(name), taken)
        taken.add(made)
        names.append(made)
    return names


def _scoped(one: Imported) -> str:
    return f"{one.scope}-{one.name}"


def _made(name: str) -> str:
    """Return a valid name that is like *name*."""
    if _VALID.fullmatch(name):
        return name
    made = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")
    if len(made) > _MADE_CHARS:
        # Long names often differ in their ends only.
        digest = blake2b(name.encode(errors="replace"), digest_size=3).hexdigest()
        made = f"{made[: _MADE_CHARS - len(digest) - 1].rstrip('-.')}-{digest}"
    return made or "schedule"


def _free(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name[:120]}-{number}" in taken:
        number += 1
    return f"{name[:120]}-{number}"
