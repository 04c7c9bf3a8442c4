"""The whole system under a seeded scheduler and faults, held against its eight guarantees.

    python -m eventcron.testing.simulation --seeds 2000     # many worlds
    python -m eventcron.testing.simulation --seed 17        # one, step for step
    python -m eventcron.testing.simulation --mutants        # does it notice faults in the protocol?

See ``docs/delivery.md``.
"""

from eventcron.testing.simulation.checker import violations
from eventcron.testing.simulation.promises import GUARANTEES, Violation
from eventcron.testing.simulation.simulation import Simulated, simulate

__all__ = ["GUARANTEES", "Simulated", "Violation", "simulate", "violations"]
