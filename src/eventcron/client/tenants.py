"""Pause all schedules of a tenant, and resume those again and no others.

Every pause of one call has a revision that ends in ``MARK``. Commands that are ordered by their event's time have whole
seconds, so the stored revision of a pause tells whether a schedule was paused with its tenant or by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from eventcron.app.commander import Outcome
from eventcron.client.schedules import command
from eventcron.client.stored import Stored
from eventcron.client.verbs import Results, Verbs
from eventcron.model.commands import Command, PauseSchedule, ResumeSchedule
from eventcron.model.names import Instant, Key
from eventcron.model.records import State

#: Milliseconds within the second. It is the last one, so that the pause comes after a put of the same second.
MARK = 999
#: Schedules that are commanded at once.
BATCH = 500


def _ignore(_count: int) -> None:
    """Discard the progress: the default for ``on_progress``."""


async def pause_tenant(
    client: Verbs, tenant: str, *, on_progress: Callable[[int], None] = _ignore
) -> tuple[list[Key], Results]:
    """Pause every enabled schedule of *tenant*: which they are, and what came of each."""
    revision = _marked(client.cases.clock.now())

    def pause(stored: Stored) -> Command:
        return command(PauseSchedule, tenant=tenant, name=stored.key.name, revision=revision)

    return await _all(client, client.list(tenant, states=[State.ENABLED]), pause, on_progress)


async def resume_tenant(
    client: Verbs,
    tenant: str,
    *,
    missed: str | None = None,
    per_minute: int | None = None,
    on_progress: Callable[[int], None] = _ignore,
) -> tuple[list[Key], Results]:
    """Resume the schedules that ``pause_tenant`` paused: which they are, and what came of each.

    *missed* and *per_minute* are those of each schedule's resume.
    """
    now = client.cases.clock.now()

    async def paused_together() -> AsyncIterator[Stored]:
        async for stored in client.list(tenant, states=[State.PAUSED]):
            if stored.pause_revision % 1_000 == MARK:
                yield stored

    def resume(stored: Stored) -> Command:
        # Later than the pause, though it may be of the same second; and not marked itself.
        revision = max(now, stored.pause_revision + 1)
        fields = {"missed": missed, "per_minute": per_minute, "revision": revision}
        return command(ResumeSchedule, tenant=tenant, name=stored.key.name, **fields)

    return await _all(client, paused_together(), resume, on_progress)


def _marked(now: Instant) -> int:
    """
    >>> _marked(1_764_547_200_123)
    1764547200999
    """
    return now // 1_000 * 1_000 + MARK


async def _all(
    client: Verbs, which: AsyncIterator[Stored], made: Callable[[Stored], Command], on_progress: Callable[[int], None]
) -> tuple[list[Key], Results]:
    keys: list[Key] = []
    results: Results = []
    batch: list[Stored] = []
    done = 0

    def count(_index: int, _outcome: Outcome) -> None:
        nonlocal done
        done += 1
        on_progress(done)

    async def send() -> None:
        results.extend(await client.send([made(stored) for stored in batch], wait=True, on_outcome=count))
        batch.clear()

    async for stored in which:
        keys.append(stored.key)
        batch.append(stored)
        if len(batch) == BATCH:
            await send()
    if batch:
        await send()
    return keys, results
