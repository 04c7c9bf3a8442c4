"""Handing packs to the fire queue, every one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eventcron.app.publishing import PAUSE_MS, TRIES
from eventcron.errors import Unavailable
from eventcron.model.messages import Pack
from eventcron.model.names import Instant
from eventcron.ports import Ports
from eventcron.wire.encode import encode_pack

#: Milliseconds. What is due further off is put back on its way. SQS delays at most 900 s; some is left for clocks.
LONGEST_DELAY_MS = 880_000


async def send_all(ports: Ports, packs: Sequence[Pack], *, visible_at: Callable[[Pack], Instant]) -> None:
    """Send *packs*, trying again only those refused for now; one that can never be sent is dead-lettered.

    Raises:
        Unavailable: some were not taken; all may be sent again, their ids are the same.
    """
    left = list(packs)
    for attempt in range(TRIES):
        if not left:
            return
        refused = await ports.queue.send(left, visible_at=[visible_at(pack) for pack in left], now=ports.clock.now())
        for refusal in refused:
            if not refusal.retryable:
                reason = f"the fire queue refused it: {refusal.message}"
                body = encode_pack(left[refusal.index])
                await ports.dead.send_to_dlq("fires", body, reason=reason, code=refusal.code)
        again = [refusal for refusal in refused if refusal.retryable]
        left = [left[refusal.index] for refusal in again]
        if left and attempt == TRIES - 1:
            raise Unavailable("sqs", again[0].code, f"{len(left)} of {len(packs)} packs refused")
        if left:
            await ports.clock.sleep_until(ports.clock.now() + round(PAUSE_MS * 2**attempt * (1 + ports.jitter())))
