"""Faults that only lasting spell shows: what is sent back, what the index hides, limits, and clocks ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from eventcron.adapters.memory import MemoryQuota, MemoryScheduleStore
from eventcron.app import executor, planner
from eventcron.app.delivery import PackSender
from eventcron.app.executor import Executor
from eventcron.app.retry import Retry
from eventcron.model.commands import MisfirePolicy
from eventcron.model.messages import Fire, Pack
from eventcron.model.names import Instant, Key
from eventcron.model.records import Record
from eventcron.ports import QuotaRequest, Refusal
from eventcron.rules import handover, judging, lifecycle, turns
from eventcron.rules.packing import make_pack
from eventcron.wire.encode import failed, pack_id
from tools.faultsim.mutants.planting import Change, Function, Mutant, changes, changes_everywhere

# --- Packs that come again ---------------------------------------------------------------------------------------


def _by_content(original: Any) -> Function:
    def make(fires: Sequence[Fire], *, after: Pack | None = None) -> Pack:
        pack: Pack = original(fires, after=after)
        return pack if after is None else replace(pack, id=f"{pack_id(fires)}-{pack.attempt}")

    return make


def _no_dead_letter(_original: Any) -> Function:
    async def fail(self: Any, fire: Fire, refusal: Refusal, records: Any, pack: Pack) -> None:
        given = failed(
            records.get(fire.key),
            fire,
            code=refusal.code,
            message=refusal.message,
            attempts=pack.attempt,
            now=self._clock.now(),
        )
        await self._report([given])
        if fire.last:
            await self._complete([fire], records)

    return fail


def _drop_early(original: Any) -> Function:
    async def put_back(self: Any, pack: Pack, *, visible_at: Instant) -> None:
        if pack.attempt > 1:
            await original(self, pack, visible_at=visible_at)

    return put_back


def _of_the_first_entries(_original: Any) -> Function:
    async def deliver(self: Retry, items: Sequence[Any], send: Callable[..., Any]) -> list[Refusal]:
        refused: list[Refusal] = []
        indexes: Sequence[int] = range(len(items))
        for tried in range(1, self.tries + 1):
            answers = await send([items[index] for index in indexes])
            if tried == self.tries:
                return refused + list(answers)
            refused += [refusal for refusal in answers if not refusal.retryable]
            indexes = [refusal.index for refusal in answers if refusal.retryable]
            if not indexes:
                return refused
            await self.wait(tried)
        raise AssertionError("the last try returns")

    return deliver


def _after_the_instant(original: Any) -> Function:
    async def send(self: Any, packs: Sequence[Pack], *, visible_at: Callable[[Pack], Instant]) -> None:
        await original(self, packs, visible_at=lambda pack: max(visible_at(pack), 2 * pack.at - visible_at(pack)))

    return send


# --- What is judged ----------------------------------------------------------------------------------------------


def _judge_or_raise(_original: Any) -> Function:
    def judge(self: Any, fire: Fire, *, now: Instant) -> object:
        lost = self._lost(fire)
        if lost:
            return judging.Judgement(judging.Verdict.WAIT, unreadable=lost)
        stop = self._stopped(fire)
        if stop:
            return judging.Judgement(judging.Verdict.SKIP, stop)
        return judging._judge(fire, self.records.get(fire.key), now=now)

    return judge


def _as_the_index_has_it(original: Any) -> Function:
    async def get(self: Any, keys: Sequence[Key]) -> dict[Key, Record]:
        found: dict[Key, Record] = await original(self, keys)
        return {key: self._shown(key) or record for key, record in found.items()}

    return get


def _resume_as(policy: MisfirePolicy) -> Change:
    return lambda original: lambda pause, _policy, **now: original(pause, policy, **now)


# --- Where the planner is ----------------------------------------------------------------------------------------


def _whatever_the_wake(original: Any) -> Function:
    return lambda stored, when: original(replace(stored, wake=None if stored.wake is None else 0), when)


def _from_the_handoff(original: Any) -> Function:
    return lambda stored, when: original(stored, when._replace(planned_through=0))


# --- Limits ------------------------------------------------------------------------------------------------------


def _by_due(original: Any) -> Function:
    async def beyond(ask: Any, pack: str, fires: Sequence[Fire], **limits: int) -> frozenset[Fire]:
        own = {replace(fire, at=fire.due): fire for fire in fires}
        return frozenset(own[fire] for fire in await original(ask, pack, list(own), **limits))

    return beyond


def _no_limit(_original: Any) -> Function:
    async def beyond(*_pack: object, **_limits: int) -> frozenset[Fire]:
        return frozenset()

    return beyond


def _nothing_granted(_original: Any) -> Function:
    async def acquire(_self: Any, _request: QuotaRequest, **_expires: int) -> int:
        return 0

    return acquire


def _by_name(_original: Any) -> Function:
    return lambda fire: fire.name.encode()


MUTANTS = (
    Mutant("the id of a later round is made of content and attempt alone", changes_everywhere(make_pack, _by_content)),
    Mutant("a fire is given up without a dead letter", changes(Executor, "_fail", _no_dead_letter)),
    Mutant("a pack that comes too early is dropped", changes(Executor, "_put_back", _drop_early)),
    Mutant("refusals of a second try are taken for other entries", changes(Retry, "deliver", _of_the_first_entries)),
    Mutant("a pack becomes visible a lead after its instant", changes(PackSender, "send", _after_the_instant)),
    Mutant("a fire that cannot be judged fails its pack", changes(judging.Known, "judge", _judge_or_raise)),
    Mutant(
        "a delete or a put of a schedule that this release cannot read is refused",
        changes(handover, "is_readable", lambda _original: lambda _trigger: True),
    ),
    Mutant(
        "a late fire is published though a later one is due",
        changes(judging, "is_followed", lambda _original: lambda *_eras, **_fire: False),
    ),
    Mutant(
        "no late fire is published where the policy asks for one",
        changes(judging, "is_followed", lambda _original: lambda *_eras, **_fire: True),
    ),
    Mutant("a read of the table is as old as the index", changes(MemoryScheduleStore, "get", _as_the_index_has_it)),
    Mutant(
        "a resume fires nothing of the pause, whatever it is asked",
        changes(lifecycle, "catch_up_from", _resume_as(MisfirePolicy.SKIP)),
    ),
    Mutant(
        "a resume fires all of the pause, whatever it is asked",
        changes(lifecycle, "catch_up_from", _resume_as(MisfirePolicy.FIRE_ALL)),
    ),
    Mutant(
        "what the index never showed counts as planned through the segment's cursor",
        changes(lifecycle, "_planned", _whatever_the_wake),
    ),
    Mutant("what was planned of a replaced revision is forgotten", changes(lifecycle, "_planned", _from_the_handoff)),
    Mutant(
        "a segment that a clock ahead has planned is not looked at",
        changes(planner, "AHEAD_MS", lambda _ms: 10**12),
    ),
    Mutant("a quota counts fires by when they are due", changes(executor, "beyond", _by_due)),
    Mutant("there is no quota", changes(executor, "beyond", _no_limit)),
    Mutant("a tenant over its limit loses the same schedules each minute", changes(turns, "turn", _by_name)),
    Mutant("a quota grants nothing", changes(MemoryQuota, "acquire", _nothing_granted)),
)
