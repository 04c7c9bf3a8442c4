"""The whole system under a seeded scheduler and faults, held against its eight guarantees.

    python -m tools.faultsim --seeds 2000     # many worlds
    python -m tools.faultsim --seed 17        # one, step for step
    python -m tools.faultsim --mutants        # does it notice faults in the protocol?

See ``docs/delivery.md``.
"""

from tools.faultsim.checker import violations
from tools.faultsim.promises import GUARANTEES, Violation
from tools.faultsim.simulation import Simulated, simulate

__all__ = ["GUARANTEES", "Simulated", "Violation", "simulate", "violations"]
