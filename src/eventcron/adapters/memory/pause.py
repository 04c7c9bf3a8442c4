"""The named points at which a memory adapter lets others run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

#: Awaited with ``<method>.before`` just before an effect and ``<method>.after`` just after it. An error raised
#: at the first means that nothing was done; at the second, that it was done and the answer was lost.
Pause: TypeAlias = Callable[[str], Awaitable[None]]


async def yield_once(_point: str) -> None:
    """Let every other task take a step."""
    await asyncio.sleep(0)
