"""Deliberate faults in the protocol, each a small change to its source: the simulator has to notice every one.

A simulator that has never failed proves nothing. Each mutant is applied alone, to a copy of the package, and hunted
in a process of its own with the seeds from 0 on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import eventcron

#: Within so many seeds a mutant has to be noticed.
SEEDS = 300
#: Seconds after which a mutant that brings the simulation to a standstill counts as not noticed.
TIMEOUT_S = 900


class Mutant(NamedTuple):
    """A fault: in *module*, *old* becomes *new*. *name* says what is wrong then."""

    name: str
    module: str
    old: str
    new: str


class Hunt(NamedTuple):
    """How a mutant was noticed: by which guarantee, after how many seeds. None: it was not."""

    mutant: Mutant
    guarantee: int | None
    seeds: int


MUTANTS = (
    # Planner
    Mutant(
        "a pack that was refused is forgotten, and the cursor moves on",
        "app/sending.py",
        "        again = [refusal for refusal in refused if refusal.retryable]\n",
        "        again: list[Refusal] = []\n",
    ),
    Mutant(
        "after the last try the sender gives up in silence",
        "app/sending.py",
        "        if left and attempt == TRIES - 1:\n            raise",
        "        if left and attempt == TRIES - 1:\n            return\n            raise",
    ),
    Mutant(
        "the cursor is committed before the packs are sent",
        "app/planner.py",
        "            try:\n                await self._plan_page(page, window, memo, tally, looked_up)\n",
        "            try:\n                await self._ledger.commit(claim)\n"
        "                await self._plan_page(page, window, memo, tally, looked_up)\n",
    ),
    Mutant(
        "pages after the first are not read",
        "app/planner.py",
        "if page.cursor else None",
        "if page.cursor and not page.items else None",
    ),
    Mutant(
        "a pass that runs out of time commits instead of saving its page",
        "app/planner.py",
        "if await self._ledger.save(claim, page.cursor) else",
        "if await self._ledger.commit(claim) else",
    ),
    Mutant(
        "a pass that is resumed at a page plans the pages before it no further than the first half did",
        "adapters/leasing.py",
        "end=max(end, claimed) if cursor is None else claimed, cursor=cursor)",
        "end=max(end, claimed), cursor=cursor)",
    ),
    Mutant(
        "a segment never planned before the crash starts where the crashed pass wanted to end",
        "adapters/leasing.py",
        "    planned, claimed = state.planned_through, state.claimed_through\n",
        "    planned = claimed = state.claimed_through\n",
    ),
    Mutant(
        "a timed plan that should have been planned before is not looked up",
        "app/planner.py",
        "        doubtful = [plan for plan in items if DENSE < plan.wake < window.start]\n",
        "        doubtful: list[IndexEntry] = []\n",
    ),
    Mutant(
        "wake is moved whatever is stored by now",
        "adapters/memory/schedules.py",
        "moved = stored is not None and (stored.revision, stored.wake) == (plan.revision, plan.wake)",
        "moved = stored is not None",
    ),
    Mutant(
        "a last fire takes its schedule out of the index, whatever a failed pass still owes",
        "adapters/memory/schedules.py",
        "self._write(msgspec.structs.replace(stored, state=State.COMPLETED, expires=expires))",
        "self._write(msgspec.structs.replace(stored, state=State.COMPLETED, segment=None, wake=None))",
    ),
    Mutant(
        "skips found when planning are not told",
        "app/planner.py",
        "[skipped(notice, now=now) for notice in notices])",
        "[skipped(notice, now=now) for notice in notices[:0]])",
    ),
    Mutant(
        "a refused fact is forgotten",
        "app/publishing.py",
        "    if refused:\n        first = refused[0]\n",
        "    if refused and not events:\n        first = refused[0]\n",
    ),
    Mutant(
        "the planner starts a minute after the handoff",
        "rules/planning.py",
        "    first = max(max(start, plan.handoff) - offset, plan.first)\n",
        "    first = max(max(start, plan.handoff + 60_000) - offset, plan.first)\n",
    ),
    Mutant(
        "whatever is late still fires, however late the planner is",
        "rules/misfire.py",
        "    return Sorted(fired + timely, [instant for instant in late if instant in missed])\n",
        "    return Sorted(late + timely, [])\n",
    ),
    # Registrar
    Mutant(
        "the registrar hands over to the planner at once",
        "rules/lifecycle.py",
        "    handoff = when.now + max(when.reach, CUTOVER_MS + offset)\n",
        "    handoff = when.now\n",
    ),
    Mutant(
        "the late path owes nothing",
        "rules/lifecycle.py",
        "        owed=Window(first, handoff) if next_due + offset < handoff else None,\n",
        "        owed=None,\n",
    ),
    Mutant(
        "what a dead registrar owed is not paid when its command comes again",
        "app/registrar.py",
        "                await self._pay(stored)\n                return replace",
        "                return replace",
    ),
    Mutant(
        "what is owed is settled before it is sent",
        "app/registrar.py",
        "        if record.owed is None:\n            return\n        now = self._clock.now()\n",
        "        if record.owed is None:\n            return\n        now = self._clock.now()\n"
        "        await self._store.clear_pending(record.key, revision=record.revision)\n",
    ),
    Mutant(
        "an update fires again what the revision before it fires already",
        "app/registrar.py",
        "[fire for fire in part.fires if own(fire.due)]",
        "part.fires",
    ),
    Mutant(
        "what was not planned of a replaced revision is forgotten",
        "rules/lifecycle.py",
        "    if first >= until or first_occurrence(replaced.trigger, first, until) is None:\n",
        "    if first < until or first_occurrence(replaced.trigger, first, until) is None:\n",
    ),
    Mutant(
        "a replaced revision goes on for a minute",
        "rules/lifecycle.py",
        "CUTOVER_MS = 1_000\n",
        "CUTOVER_MS = 60_000\n",
    ),
    Mutant(
        "a paused schedule stays in the index",
        "rules/lifecycle.py",
        "    return replace(record, state=State.PAUSED, segment=None, wake=None)\n",
        "    return replace(record, state=State.PAUSED)\n",
    ),
    Mutant(
        "a sleeping schedule is read with each tick",
        "rules/lifecycle.py",
        "        wake=None if wake_due is None else wake_due + offset,\n",
        "        wake=None if wake_due is None else 0,\n",
    ),
    Mutant(
        "a put does not see the tombstone",
        "rules/lifecycle.py",
        "revision > max(stored.defined, stored.deleted) else",
        "revision > stored.defined else",
    ),
    Mutant(
        "a delete does not ask which revision it deletes",
        "rules/lifecycle.py",
        "    return Verdict.APPLY if revision >= stored.defined and revision > stored.deleted else Verdict.STALE\n",
        "    return Verdict.APPLY if revision > stored.deleted else Verdict.STALE\n",
    ),
    Mutant(
        "a put forgets the pause that overtook it",
        "rules/lifecycle.py",
        "    if stored is not None and stored.switched >= place.revision:\n",
        "    if stored is not None and stored.switched >= place.revision > 2**53:\n",
    ),
    Mutant(
        "a stale pause or resume acts",
        "rules/lifecycle.py",
        "    later = revision >= stored.defined and revision > max(stored.deleted, stored.switched)\n",
        "    later = revision > stored.switched\n",
    ),
    Mutant(
        "the ids of the events of one second are forgotten",
        "rules/lifecycle.py",
        "    if stored is not None and event_id in stored.seen:\n        return None\n",
        "",
    ),
    Mutant(
        "a message that is no command is dropped",
        "app/registrar.py",
        '            await self._dead.send_to_dlq("commands", body, reason=error.reason, code="undecodable")\n',
        "",
    ),
    Mutant(
        "a tenant's source may act for any tenant",
        "wire/decode.py",
        "    if tenant != _tenant_of(source):\n",
        "    if not tenant:\n",
    ),
    # Executor
    Mutant(
        "the ledger is not asked",
        "app/executor.py",
        "        if await self._ledger.published([pack.id]):\n",
        "        if await self._ledger.published([pack.id]) and not pack.fires:\n",
    ),
    Mutant(
        "a pack is recorded before it is published",
        "app/executor.py",
        "        by_instant: dict[Instant, list[Fire]] = {}\n",
        "        await self._ledger.record(pack.id, now=pack.at, expires=pack.at)\n"
        "        by_instant: dict[Instant, list[Fire]] = {}\n",
    ),
    Mutant(
        "a pack that is put back keeps its id",
        "rules/packing.py",
        'id=content if attempt == 1 else f"{content}-{attempt}"',
        "id=content",
    ),
    Mutant(
        "events that the bus refused are forgotten",
        "app/executor.py",
        "        again = [fires[index] for index in refused if index not in hopeless]\n",
        "        again = [fires[index] for index in refused if index not in hopeless][:0]\n",
    ),
    Mutant(
        "a fire is not held to its instant",
        "app/executor.py",
        "        await self._clock.sleep_until(at)\n        now = self._clock.now()\n",
        "        now = self._clock.now()\n",
    ),
    Mutant(
        "the schedule is read when the pack arrives, not at the last moment",
        "app/executor.py",
        "        await self._clock.sleep_until(at - REREAD_MS)\n        known",
        "        known",
    ),
    Mutant(
        "the revision of a fire is not compared",
        "app/executor.py",
        '    if fire.cause == "schedule" and fire.revision != record.revision:\n',
        '    if fire.cause == "schedule" and fire.revision > record.revision:\n',
    ),
    Mutant(
        "only the last revision but one may still fire",
        "app/executor.py",
        "(former for former in record.former if former.revision == fire.revision)",
        "(former for former in record.former[-1:] if former.revision == fire.revision)",
    ),
    Mutant(
        "the executor knows no grace",
        "app/executor.py",
        "is_missed(fire.at, record.schedule.misfire, now=now)",
        "is_missed(now, record.schedule.misfire, now=now)",
    ),
    Mutant(
        "what the executor skips is not told",
        "app/executor.py",
        "        await self._tell([skipped(notice, now=now) for notice in notices])\n",
        "",
    ),
    Mutant(
        "a schedule whose last fire is skipped never ends",
        "app/executor.py",
        "                ended += [fire] if fire.last else []\n",
        "",
    ),
    Mutant(
        "a fire given up is not told",
        "app/executor.py",
        "        await self._tell([fact])\n",
        "        await self._tell([fact][:0])\n",
    ),
    # Backfills, calendars, dead letters
    Mutant(
        "a slice of a backfill is counted before its packs are sent",
        "app/backfill.py",
        "            await self._send(part)\n            now = self._clock.now()\n",
        "            await self._backfills.put(part.after, replacing=claimed.version)\n"
        "            await self._send(part)\n            now = self._clock.now()\n",
    ),
    Mutant(
        "a backfill whose registrar died before it was entered is left behind",
        "app/backfill.py",
        "            await self._enter(stored)\n            return stored, False\n",
        "            return stored, False\n",
    ),
    Mutant(
        "a backfill knows no rate",
        "rules/backfill.py",
        "        at += gap\n",
        "        at += 0 * gap\n",
    ),
    Mutant(
        "a cancelled backfill goes on",
        "app/executor.py",
        "        if backfill.state is not BackfillState.CANCELLED:\n",
        "        if backfill.state is BackfillState.CANCELLED:\n",
    ),
    Mutant(
        "a backfill is complete with its last slice, not with its last fire",
        "app/backfill.py",
        "            if now < stored.at:\n",
        "            if now < stored.at - 10_000_000:\n",
    ),
    Mutant(
        "what a backfill skips is not told",
        "app/backfill.py",
        "        await self._publish(*(skipped(notice, now=now) for notice in part.skips))\n",
        "",
    ),
    Mutant(
        "a put does not tell what the pause before it kept from firing",
        "rules/lifecycle.py",
        "        record = _with_missed_before(stored, record, when)\n",
        "        pass\n",
    ),
    Mutant(
        "a resume does not tell what it skips",
        "rules/paused.py",
        "    last = last_fire(trigger, window, own)\n    if last is None:\n",
        "    last = last_fire(trigger, window, own)\n    if last is None or last:\n",
    ),
    Mutant(
        "a stale calendar replaces a later one",
        "app/calendars.py",
        "    if stored is None or revision > stored.revision:\n",
        "    if stored is None or revision != stored.revision:\n",
    ),
    Mutant(
        "a dead letter is removed before it was sent back",
        "app/redrive.py",
        "            try:\n                await self._box.send_back(dead_letter, self._body(dead_letter))\n",
        "            try:\n                await self._box.remove(dead_letter)\n"
        "                await self._box.send_back(dead_letter, self._body(dead_letter))\n",
    ),
    Mutant(
        "a run after an update is another run",
        "wire/encode.py",
        '    return replace(fire, revision=0) if fire.cause == "run" else fire\n',
        "    return fire\n",
    ),
)


def main(*, jobs: int, chosen: str) -> int:
    """Hunt every mutant whose name contains *chosen* and print the table. Returns 0 if all were caught."""
    mutants = [mutant for mutant in MUTANTS if chosen in mutant.name]
    began = time.perf_counter()
    _say("| fault | guarantee | seeds |", "| --- | --- | --- |")
    escaped = 0
    for hunt in hunts(mutants, jobs=jobs):
        escaped += hunt.guarantee is None
        broken = "**not noticed**" if hunt.guarantee is None else str(hunt.guarantee)
        _say(f"| {hunt.mutant.name} | {broken} | {hunt.seeds} |")
    _say("", f"{len(mutants) - escaped} of {len(mutants)} caught, {time.perf_counter() - began:.0f} s")
    return 1 if escaped else 0


def hunts(mutants: Sequence[Mutant], *, jobs: int) -> Iterator[Hunt]:
    """Hunt each mutant, *jobs* at once; in the given order."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(hunt, mutants)


def hunt(mutant: Mutant) -> Hunt:
    """Run seeds against a copy of the package with that fault until one of them shows it."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "eventcron"
        shutil.copytree(Path(eventcron.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        plant(mutant, package)
        command = [sys.executable, "-B", "-m", "tools.faultsim", "--hunt", "--seeds", str(SEEDS)]
        environment = os.environ | {"PYTHONPATH": folder}
        done = subprocess.run(  # noqa: S603  # our own interpreter and arguments
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    if done.returncode not in {0, 1} or not done.stdout:
        raise RuntimeError(f"{mutant.name}: the hunt itself failed: {done.stderr}")
    guarantee, seeds = done.stdout.split()
    return Hunt(mutant, int(guarantee) or None, int(seeds))


def plant(mutant: Mutant, package: Path) -> None:
    """Change the copy.

    Raises:
        ValueError: the text to be changed is not there, or more than once: the protocol has moved on, so must the list.
    """
    module = package / mutant.module
    source = module.read_text()
    if source.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: {mutant.module} has {source.count(mutant.old)} times {mutant.old!r}")
    module.write_text(source.replace(mutant.old, mutant.new))


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
