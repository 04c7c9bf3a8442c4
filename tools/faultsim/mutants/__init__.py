"""Deliberate faults in the protocol, by subject: the simulator has to notice every one.

A simulator that has never failed proves nothing. A process hunts one mutant: it plants the fault and runs seeds until
a guarantee breaks.
"""

from tools.faultsim.mutants import (
    backfills,
    catching_up,
    executor,
    handlers,
    heartbeats,
    inputs,
    lasting,
    leases,
    lifecycle,
    planner,
    queues,
    redrive,
    runs,
)

MUTANTS = (
    *handlers.MUTANTS,
    *planner.MUTANTS,
    *leases.MUTANTS,
    *queues.MUTANTS,
    *executor.MUTANTS,
    *backfills.MUTANTS,
    *catching_up.MUTANTS,
    *redrive.MUTANTS,
    *lifecycle.MUTANTS,
    *lasting.MUTANTS,
    *inputs.MUTANTS,
    *runs.MUTANTS,
    *heartbeats.MUTANTS,
)

__all__ = ["MUTANTS"]
