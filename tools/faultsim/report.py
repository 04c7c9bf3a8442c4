"""What a person needs to understand a failing seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eventcron.model.names import Key
from eventcron.timing.instant import rfc3339
from tools.faultsim.promises import Violation
from tools.faultsim.simulation import Simulated

#: Characters of a line's matter that are shown.
WIDTH = 160
#: Violations that are told in full.
SHOWN = 3


def explain(simulated: Simulated, found: Sequence[Violation]) -> str:
    """The seed, the guarantees broken, and what touched the schedules at fault."""
    lines = [str(simulated), *(f"  {violation}" for violation in found[:SHOWN])]
    if len(found) > SHOWN:
        lines.append(f"  … and {len(found) - SHOWN} more")
    for key in dict.fromkeys(violation.key for violation in found[:SHOWN] if violation.key is not None):
        lines += ["", f"{key}:", *_sent(simulated, key), *trace(simulated, key)]
    lines += ["", f"again: python -m tools.faultsim --seed {simulated.seed}"]
    return "\n".join(lines)


def trace(simulated: Simulated, key: Key | None = None) -> Iterator[str]:
    """Every step, or those that touched one schedule."""
    history = simulated.history
    for line in history.lines if key is None else history.about(key):
        at = rfc3339(simulated.where.start + line.at_us // 1000)
        yield f"  {at[11:23]} {line.who:<14} {line.what:<20} {line.about[:WIDTH]}"


def _sent(simulated: Simulated, key: Key) -> Iterator[str]:
    for sent in simulated.sent:
        if sent.key == key:
            at = rfc3339(sent.emitted)
            later = ", ".join(f"+{arrival / 1000:.1f} s" for arrival in sent.arrivals)
            yield f"  {at[11:23]} {sent.event_id} {sent.command} {sent.detail} from {sent.source} arrives {later}"
