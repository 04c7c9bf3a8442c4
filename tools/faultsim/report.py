"""The report on a seed that broke a guarantee."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eventcron.model.names import Key
from eventcron.timing.instant import rfc3339
from tools.faultsim.promises import Violation
from tools.faultsim.simulation import Simulation

#: Characters shown of what a step was about.
WIDTH = 160
#: Violations that are shown in full.
SHOWN = 3


def explain(simulation: Simulation, found: Sequence[Violation]) -> str:
    """The seed, the violations, and every command and step that concerns the schedules in question."""
    lines = [str(simulation), *(f"  {violation}" for violation in found[:SHOWN])]
    if len(found) > SHOWN:
        lines.append(f"  … and {len(found) - SHOWN} more")
    for key in dict.fromkeys(violation.key for violation in found[:SHOWN] if violation.key is not None):
        lines += ["", f"{key}:", *_sent(simulation, key), *trace(simulation, key)]
    lines += ["", f"again: python -m tools.faultsim --seed {simulation.seed}"]
    return "\n".join(lines)


def trace(simulation: Simulation, key: Key | None = None) -> Iterator[str]:
    """Every step, or those that concern one schedule."""
    history = simulation.history
    for step in history.steps if key is None else history.about(key):
        at = rfc3339(simulation.scenario.start + step.at_us // 1000)
        yield f"  {at[11:23]} {step.who:<14} {step.what:<20} {step.about[:WIDTH]}"


def _sent(simulation: Simulation, key: Key) -> Iterator[str]:
    for sent in simulation.sent:
        if sent.key == key:
            at = rfc3339(sent.emitted)
            later = ", ".join(f"+{arrival / 1000:.1f} s" for arrival in sent.arrivals)
            yield f"  {at[11:23]} {sent.event_id} {sent.command} {sent.detail} from {sent.source} arrives {later}"
