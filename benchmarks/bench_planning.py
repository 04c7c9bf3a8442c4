"""Compare planning a window with a shared memo of triggers to planning each schedule separately."""

from __future__ import annotations

import random
import time

from eventcron.model.names import Window
from eventcron.model.records import IndexEntry
from eventcron.rules.packing import pack_fires
from eventcron.rules.planning import WindowMemo, contribution
from eventcron.timing.trigger import parse

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
WINDOW = Window(NOW, NOW + 300_000)
SCHEDULES = 50_000
TRIGGERS = 2_000


def plans(count: int) -> list[IndexEntry]:
    """Return dense entries that share a few thousand triggers, as real ones do. About one in eighty fires."""
    rng = random.Random(1)
    expressions = [f"{rng.randrange(60)} {rng.randrange(24)} * * *" for _ in range(TRIGGERS // 2)]
    expressions += [f"{rng.randrange(60)} * * * *" for _ in range(TRIGGERS // 4)]
    expressions += [f"{rng.randrange(60)} {rng.randrange(24)} * * MON-FRI" for _ in range(TRIGGERS // 4)]
    canonical = [parse(text, anchor=0).canonical for text in expressions]
    return [
        IndexEntry(
            tenant=f"t{number % 97}",
            name=f"n{number}",
            revision=1,
            trigger=rng.choice(canonical),
            start=0,
            handoff=0,
        )
        for number in range(count)
    ]


def main() -> None:
    items = plans(SCHEDULES)
    memo = WindowMemo(WINDOW)
    for item in items:
        memo.look_up(item.trigger)

    began = time.perf_counter()
    done = [contribution(item, WINDOW, memo, now=NOW) for item in items]
    shared = time.perf_counter() - began

    began = time.perf_counter()
    for item in items[: SCHEDULES // 20]:
        contribution(item, WINDOW, WindowMemo(WINDOW), now=NOW)
    alone = (time.perf_counter() - began) * 20

    began = time.perf_counter()
    packs = pack_fires((fire for part in done for fire in part.fires), size=200)
    packing = time.perf_counter() - began

    fires = sum(len(part.fires) for part in done)
    print(f"plan, triggers known        {shared / SCHEDULES * 1e6:8.2f} µs a schedule")
    print(f"plan, each separately       {alone / SCHEDULES * 1e6:8.2f} µs a schedule   {alone / shared:5.1f} x")
    each = packing / max(1, fires) * 1e6
    print(f"pack                        {each:8.2f} µs a fire       {fires} fires, {len(packs)} packs")


if __name__ == "__main__":
    main()
