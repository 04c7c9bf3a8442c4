"""How long to wait before trying again, and how often."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from msgspec import Struct


class Backoff(Struct, frozen=True, kw_only=True):
    """Exponential waits with full jitter: after try n (from 0), between 0 and ``base_seconds`` · 2ⁿ, capped.

    By default three tries within 0.15 s on average, as each is already tried three times by the client.
    """

    tries: int = 3
    base_seconds: float = 0.1
    cap_seconds: float = 2.0
    #: Uniform in [0, 1).
    random: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def wait(self, tried: int) -> None:
        """Wait after try number *tried*, unless it was the last."""
        if tried + 1 < self.tries:
            await self.sleep(self.random() * min(self.cap_seconds, self.base_seconds * 2**tried))
