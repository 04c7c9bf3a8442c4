"""The points at which a memory adapter lets other tasks run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

#: Awaited with ``<method>.before`` just before an effect and with ``<method>.after`` just after it. An error raised
#: before means that the effect did not happen; an error raised after, that it happened and the answer was lost.
Pause: TypeAlias = Callable[[str], Awaitable[None]]


async def yield_once(_point: str) -> None:
    """Let every other task run one step."""
    await asyncio.sleep(0)
