"""Does the work of a fire once, by Powertools' idempotency. Importing this module imports boto3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

#: Seconds. EventBridge tries to deliver an event for a day, and Lambda an invocation for six hours more.
REMEMBERED_S = 172_800

#: A persistence layer of Powertools, such as ``DynamoDBPersistenceLayer``.
Store: TypeAlias = Any


def once(store: Store, function: Callable[..., object], fire_id: str, work: Callable[[], object], context: Any) -> Any:
    """What *work* returns, or returned when it was done for *fire_id* by *function* before.

    Raises:
        IdempotencyAlreadyInProgressError: another invocation is at it.
        IdempotencyPersistenceLayerError: the store cannot be asked, or cannot remember.
        Exception: as *work* does. The store then forgets the claim, and whoever tries next does the work.
    """
    from aws_lambda_powertools.utilities.idempotency import (  # noqa: PLC0415  # it imports boto3
        IdempotencyConfig,
        idempotent_function,
    )

    config = IdempotencyConfig(expires_after_seconds=REMEMBERED_S)
    if context is not None:
        # So that the claim of an invocation that ran out of time ends with it.
        config.register_lambda_context(context)

    def claimed(*, fire_id: str) -> object:  # noqa: ARG001  # Powertools reads it
        return work()

    # Powertools remembers by these. Two functions that receive the same fire both do their work.
    claimed.__module__, claimed.__qualname__ = function.__module__, function.__qualname__
    guarded = idempotent_function(claimed, data_keyword_argument="fire_id", persistence_store=store, config=config)
    return guarded(fire_id=fire_id)
