"""Run the whole system under a seeded scheduler and faults, and check its guarantees.

    python -m tools.faultsim --seeds 2000     # many simulations
    python -m tools.faultsim --seed 17        # one, with every step
    python -m tools.faultsim --mutants        # does it notice faults in the protocol?

See ``docs/design/delivery.md``.
"""

from tools.faultsim.checker import violations
from tools.faultsim.promises import GUARANTEES, Violation
from tools.faultsim.simulation import Simulation, simulate

__all__ = ["GUARANTEES", "Simulation", "Violation", "simulate", "violations"]
