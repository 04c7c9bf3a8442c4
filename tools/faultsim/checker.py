"""The eight guarantees, each held against what happened. What it knows of the protocol is what users are promised.

Two tolerances, both stated in ``docs/delivery.md``: a clock may be off by ``clock_ms``, so "before" and "after" are
judged to that; and what a process does is done at the instant at which the bus or the table took it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from eventcron.model.commands import MisfirePolicy
from eventcron.model.names import Instant, Key, Window
from eventcron.model.records import State
from eventcron.rules.planning import first_occurrence
from eventcron.timing.trigger import walk
from tools.faultsim.command_order import End, possible_ends
from tools.faultsim.observations import Evidence, Fired, Told, Version, instant
from tools.faultsim.other_commands import ERRANDS, is_of_calendar, is_on_calendar
from tools.faultsim.promises import Violation
from tools.faultsim.simulation import Simulated
from tools.faultsim.workload import CURSED, Kind, Sent

#: Milliseconds. The promise of guarantee 3.
CUTOVER_MS = 1_000
#: Milliseconds. Up to here a fire is merely late: the misfire policy has no say.
LATE_MS = 60_000
TIMELY_MS = 1_000
#: Milliseconds between judging that a fire may still go out and the bus taking it: four calls at the slowest.
PUBLISHING_MS = 40_000
#: Milliseconds by which the index may lag behind what was taken out of it.
INDEX_LAG_MS = 5_000
#: Reasons for which an occurrence was never to fire.
SILENT = {"excluded", "daylight_saving_gap"}
#: Refusals that a well-formed command may meet, depending on when it arrives.
LATE_ANSWERS = {
    "stale_revision", "not_found", "completed", "in_the_past", "never_fires", "nothing_due", "quota",
    "unknown_calendar",
}  # fmt: skip


def violations(simulated: Simulated) -> list[Violation]:
    """Every way in which a guarantee was broken."""
    seen = Evidence(simulated)
    checks = (_lost, _excuses, _grace, _ended, _early, _after_a_change, _repeats, _too_many, _unasked, _registers,
              _replays, _answers, _crashes, _sleepers, _strangers, *ERRANDS)  # fmt: skip
    return [violation for check in checks for violation in check(seen)]


# --- 1: nothing is lost --------------------------------------------------------------------------------------------


def _lost(seen: Evidence) -> Iterator[Violation]:
    fired = {(fire.key, fire.due) for fire in seen.fired if fire.cause == "schedule"}
    fired |= {(told.key, instant(told.detail["due"])) for told in seen.facts("Schedule Failed") if told.key}
    missing: dict[Key, dict[Instant, str]] = defaultdict(dict)
    for version, replaced_by in seen.spans():
        for due, why in _owed(seen, version, replaced_by):
            if (version.key, due) not in fired:
                missing[version.key][due] = why
    for key, dues in missing.items():
        for due, why in _unexcused(seen, key, dues):
            yield Violation(1, key, f"{why} due {due} was neither published nor accounted for")


def _owed(seen: Evidence, version: Version, replaced_by: Version | None) -> Iterator[tuple[Instant, str]]:
    """What this version has to publish or to explain."""
    if not version.fires:
        yield from _paused(seen, version, replaced_by)
        return
    end = seen.end if replaced_by is None else min(seen.end, replaced_by.began - seen.clock_ms)
    window_ms = seen.widest_ms[version.key]
    for occurrence in version.occurrences(version.first, end):
        if occurrence.due + window_ms < seen.end:
            what = "the occurrence" if occurrence.skipped is None else f"the {occurrence.skipped} occurrence"
            yield occurrence.due, f"{what} of revision {version.record.revision}"


def _paused(seen: Evidence, version: Version, resumed: Version | None) -> Iterator[tuple[Instant, str]]:
    """What a pause kept from firing, which the resume fires or explains, and a put explains.

    Of ``max_fires`` nothing may be left.
    """
    if resumed is None or not (_is_resume(resumed) or _is_put(resumed)) or version.record.schedule is None:
        return
    if version.record.state is not State.PAUSED or version.schedule.max_fires is not None:
        return
    assert resumed.sent is not None  # both are commands
    since = max(version.first, version.at + CUTOVER_MS + seen.clock_ms)
    for occurrence in version.occurrences(since, resumed.sent.time):
        silent = occurrence.skipped is not None or is_on_calendar(seen, version, occurrence.due)
        if not silent and occurrence.due + seen.widest_ms[version.key] < seen.end:
            yield occurrence.due, "the occurrence kept back by a pause"


def _is_put(version: Version) -> bool:
    return version.sent is not None and version.sent.command == "Put Schedule"


def _is_resume(version: Version) -> bool:
    switched = version.sent is not None and version.sent.command == "Resume Schedule"
    return switched and version.record.schedule is not None


def _unexcused(seen: Evidence, key: Key, dues: dict[Instant, str]) -> list[tuple[Instant, str]]:
    """Those of *dues* that no ``Schedule Skipped`` covers; a notice covers as many as it counts.

    Notices overlap, so this is a matching: a due instant takes a place from another only if that one has a second.
    """
    notices = _notices(seen, key)
    taken: dict[_Notice, list[Instant]] = {notice: [] for notice in notices}

    def place(due: Instant, tried: set[_Notice]) -> bool:
        for notice in notices:
            if notice in tried or not notice.first <= due <= notice.last:
                continue
            tried.add(notice)
            if len(taken[notice]) < notice.number:
                taken[notice].append(due)
                return True
            for other in taken[notice]:
                if place(other, tried):
                    taken[notice].remove(other)
                    taken[notice].append(due)
                    return True
        return False

    return [(due, why) for due, why in sorted(dues.items()) if not place(due, set())]


class _Notice(NamedTuple):
    last: Instant
    first: Instant
    number: int
    reason: str


def _notices(seen: Evidence, key: Key) -> list[_Notice]:
    """Each once, those that end first first."""
    told = [told.detail for told in seen.facts("Schedule Skipped") if told.key == key]
    notices = {_Notice(instant(t["last_due"]), instant(t["first_due"]), t["count"], t["reason"]) for t in told}
    return sorted(notices)


def _excuses(seen: Evidence) -> Iterator[Violation]:
    """A skip has to be true: by the revision that was due, or by the one that had replaced it."""
    for told in seen.facts("Schedule Skipped"):
        assert told.key is not None  # a skip is always some schedule's
        versions = [version for version in seen.versions[told.key] if version.record.schedule is not None]
        # A fire of one revision may be judged by the policy of the next: its offset is its own, though.
        offset = min((version.offset for version in versions), default=0)
        if told.detail["reason"] == "misfire" and not any(_was_missed(version, told, offset) for version in versions):
            yield Violation(1, told.key, f"told as misfire though it could still fire: {told.detail}")
        if (
            told.detail["reason"] in SILENT
            and not is_of_calendar(seen, told)
            and not any(_is_skipped(version, told) for version in versions)
        ):
            yield Violation(1, told.key, f"told as {told.detail['reason']} though it is not: {told.detail}")


def _was_missed(version: Version, told: Told, offset: int) -> bool:
    misfire = version.schedule.misfire
    patience_ms = misfire.grace_seconds * 1000
    if misfire.policy is not MisfirePolicy.FIRE_ALL:
        patience_ms = min(patience_ms, LATE_MS)
    late_ms = told.own - instant(told.detail["last_due"]) - offset
    return late_ms > max(patience_ms, TIMELY_MS)


def _is_skipped(version: Version, told: Told) -> bool:
    first, last = (instant(told.detail[name]) for name in ("first_due", "last_due"))
    backfilled = told.detail.get("cause") == "backfill"  # whatever the schedule's start and end are
    found = walk(version.trigger, Window(first, last + 1)) if backfilled else version.occurrences(first, last + 1)
    skipped = [o.due for o in found if o.skipped == told.detail["reason"]]
    return {first, last} <= set(skipped)


def _grace(seen: Evidence) -> Iterator[Violation]:
    """What is older than the grace is told, not fired: its own revision's, or that of the one stored by then."""
    slow_ms = 0 if seen.simulated.forecast.faultless else PUBLISHING_MS
    for fire in seen.fired:
        versions = [v for v in seen.versions[fire.key] if v.record.schedule and v.at <= fire.at]
        graces = [v.schedule.misfire.grace_seconds * 1000 for v in versions if v.record.revision >= fire.revision]
        offset = max((version.offset for version in versions), default=0)
        late_ms = fire.own - max(fire.due + offset, _held_back_until(versions, fire.due))
        if fire.cause == "schedule" and late_ms > max(graces, default=0) + slow_ms + 2 * TIMELY_MS:
            yield Violation(1, fire.key, f"due {fire.due} was published {late_ms} ms late, beyond its grace")


def _held_back_until(versions: Sequence[Version], due: Instant) -> Instant:
    """When a resume let go what a pause had kept back; 0 if none did."""
    found = [version.record for version in versions]
    return max(
        (one.pending for one in found if one.pending and one.era.start <= due < one.era.catch_up_until), default=0
    )


def _ended(seen: Evidence) -> Iterator[Violation]:
    """A schedule with nothing left ends as COMPLETED, and says so."""
    told = {fact.key for fact in seen.facts("Schedule Completed")}
    for version, replaced_by in seen.spans():
        if replaced_by is not None or not version.fires:
            continue
        if not _is_at_its_end(version, seen.end - seen.widest_ms[version.key] - TIMELY_MS):
            continue
        record, settings = seen.final[version.key], seen.simulated.where.settings
        # While it is in the index the planner is waiting for what it planned to be past.
        patience_ms = 0 if record.wake is None else (settings.horizon_seconds + 2 * settings.tick_seconds) * 1000
        if record.state is not State.COMPLETED:
            if _is_at_its_end(version, seen.end - patience_ms):
                yield Violation(1, version.key, f"it has no occurrence left and is {record.state}")
        elif version.key not in told and version.record.state is not State.COMPLETED:
            yield Violation(1, version.key, "that it is completed was never told")


def _is_at_its_end(version: Version, end: Instant) -> bool:
    if version.until is not None:
        return version.until <= end
    return first_occurrence(version.trigger.canonical, end) is None


# --- 2 and 3: nothing is early, nothing is of yesterday ---------------------------------------------------------------


def _early(seen: Evidence) -> Iterator[Violation]:
    for fire in seen.fired:
        if fire.own < fire.due or fire.at < fire.due - seen.clock_ms:
            yield Violation(2, fire.key, f"due {fire.due} was published at {fire.at}, {fire.due - fire.own} ms early")


def _after_a_change(seen: Evidence) -> Iterator[Violation]:
    changes = [
        told for what in ("Schedule Deleted", "Schedule Paused", "Schedule Updated") for told in seen.facts(what)
    ]
    for told in changes:
        latest = told.at + CUTOVER_MS + seen.clock_ms
        for fire in seen.fired:
            old = fire.key == told.key and fire.cause == "schedule" and fire.revision < told.detail["revision"]
            if old and fire.due > latest:
                what = f"{told.what} of revision {told.detail['revision']} at {told.at}"
                yield Violation(3, fire.key, f"after {what}, revision {fire.revision} due {fire.due} was published")


# --- 4: exactly once ------------------------------------------------------------------------------------------------


def _repeats(seen: Evidence) -> Iterator[Violation]:
    ids: dict[tuple[Key, Instant, str, str], set[str]] = defaultdict(set)
    counts: Counter[tuple[Key, Instant, str, str]] = Counter()
    for fire in seen.fired:
        ids[_what(fire)].add(fire.fire_id)
        counts[_what(fire)] += 1
    for what, same in ids.items():
        if len(same) > 1:
            yield Violation(4, what[0], f"{what[1:]} was published under {len(same)} ids")
    if len({fire_id for same in ids.values() for fire_id in same}) < len(ids):
        yield Violation(4, None, "two occurrences share a fire_id")
    if seen.simulated.forecast.faultless:
        for what, count in counts.items():
            if count > 1:
                yield Violation(4, what[0], f"{what[1:]} was published {count} times in fine weather")


def _what(fire: Fired) -> tuple[Key, Instant, str, str]:
    return (fire.key, fire.due, fire.cause, fire.cause_id)


def _too_many(seen: Evidence) -> Iterator[Violation]:
    """``max_fires`` is kept, counted by definition: a pause or a resume does not start it anew."""
    definitions = {(v.key, v.record.revision): v for vs in seen.versions.values() for v in vs if v.record.schedule}
    dues: dict[tuple[Key, int], set[Instant]] = defaultdict(set)
    for fire in seen.fired:
        version = definitions.get((fire.key, fire.revision))
        if version is None or fire.cause != "schedule" or version.schedule.max_fires is None:
            continue
        if fire.due >= version.first and _is_due(version, fire.due):
            dues[fire.key, version.record.last_commands.put_revision].add(fire.due)
    for version in definitions.values():
        count = len(dues[version.key, version.record.last_commands.put_revision])
        if version.schedule.max_fires is not None and count > version.schedule.max_fires:
            yield Violation(4, version.key, f"{count} fires of at most {version.schedule.max_fires}")


# --- 5: revisions ----------------------------------------------------------------------------------------------------


def _unasked(seen: Evidence) -> Iterator[Violation]:
    """Every fire is an occurrence of the revision that it names, or of one before it that was still in force."""
    for fire in seen.fired:
        if fire.cause == "schedule" and not _is_asked(seen, fire):
            yield Violation(5, fire.key, f"due {fire.due} is no occurrence of revision {fire.revision} or before")


def _is_asked(seen: Evidence, fire: Fired) -> bool:
    versions = seen.versions[fire.key]
    for version, replaced_by in zip(versions, [*versions[1:], None], strict=True):
        if version.record.revision > fire.revision or not (version.fires or _is_resume(version)):
            continue
        over = seen.end * 2 if replaced_by is None else replaced_by.at + CUTOVER_MS + seen.clock_ms
        in_force = fire.revision == version.record.revision or fire.due < over
        # A resume may fire what the pause kept back.
        first = version.record.created if _is_resume(version) else version.first - 1000 - seen.clock_ms
        if in_force and fire.due >= first and _is_due(version, fire.due):
            return True
    return False


def _is_due(version: Version, due: Instant) -> bool:
    return any(occurrence.skipped is None for occurrence in version.occurrences(due, due + 1))


def _registers(seen: Evidence) -> Iterator[Violation]:
    """Commands in any order end in the state of the highest revision."""
    for key in sorted({sent.key for sent in seen.simulated.sent if sent.command == "Put Schedule"}):
        ends = _possible_ends(seen, [sent for sent in seen.simulated.sent if sent.key == key])
        actual = _actual_end(seen, key)
        if not any(actual.put == end.put and (actual.paused == end.paused or _is_over(seen, key)) for end in ends):
            yield Violation(5, key, f"it ended as {actual}; what was sent leads to {sorted(map(str, ends))}")


def _possible_ends(seen: Evidence, sent: Sequence[Sent]) -> set[End]:
    """A put that met a calendar which was not there yet was refused; a replay of it may have come in time."""
    refused = {
        told.detail["event_id"] for told in seen.facts("Schedule Rejected") if told.detail["code"] == "unknown_calendar"
    }
    return possible_ends(sent, refused=refused)


def _actual_end(seen: Evidence, key: Key) -> End:
    record = seen.final.get(key)
    if record is None or record.schedule is None:
        return End(None, paused=False)
    put = next(
        (
            v.sent
            for v in seen.versions[key]
            if v.record.last_commands.put_revision == record.last_commands.put_revision and v.sent is not None
        ),
        None,
    )
    return End(None if put is None else put.event_id, paused=record.state is State.PAUSED)


def _is_over(seen: Evidence, key: Key) -> bool:
    return seen.final[key].state is State.COMPLETED


def _replays(seen: Evidence) -> Iterator[Violation]:
    for key, versions in seen.versions.items():
        acted = Counter(version.sent.event_id for version in versions if version.sent is not None)
        for event_id, count in acted.items():
            if count > 1:
                yield Violation(5, key, f"{event_id} changed it {count} times")


# --- 6, 7, 8 -----------------------------------------------------------------------------------------------------


def _answers(seen: Evidence) -> Iterator[Violation]:
    """What is wrong is answered or dead-lettered, and nothing else is."""
    refused: dict[str, set[str]] = defaultdict(set)
    for told in seen.facts("Schedule Rejected"):
        refused[told.detail["event_id"]].add(told.detail["code"])
    buried = {letter.body for letter in seen.simulated.cloud.dead.buried}
    for sent in seen.simulated.sent:
        codes = refused[sent.event_id]
        if sent.kind is Kind.BAD and not codes:
            yield Violation(6, sent.key, f"{sent.event_id} was not answered by Schedule Rejected")
        if sent.kind is Kind.GOOD and codes - LATE_ANSWERS:
            yield Violation(6, sent.key, f"{sent.event_id} was refused: {sorted(codes)}")
        if sent.kind is Kind.POISON and sent.body not in buried:
            yield Violation(6, None, f"{sent.body!r} is not among the dead letters")
    failed = {told.key for told in seen.facts("Schedule Failed")}
    for key in sorted(key for key in failed if key is not None and key != CURSED):
        yield Violation(6, key, "its fires were given up")


def _crashes(seen: Evidence) -> Iterator[Violation]:
    for line in seen.history.crashes:
        yield Violation(6, None, f"{line.who} crashed: {line.about}")
    if seen.simulated.cloud.commands.stored or seen.simulated.cloud.running:
        yield Violation(6, None, "it never came to rest")


def _sleepers(seen: Evidence) -> Iterator[Violation]:
    """The planner reads no schedule that has nothing due, nor one that left the index."""
    reach_ms = 2 * (seen.simulated.where.settings.horizon_seconds + seen.simulated.where.settings.guard_seconds) * 1000
    end = max([seen.end, *(visit.at for visit in seen.history.visits)]) + reach_ms
    asleep: dict[Key, bool] = {}
    for visit in seen.history.visits:
        if visit.key not in asleep:
            asleep[visit.key] = all(not v.fires or not v.occurrences(v.first, end) for v in seen.versions[visit.key])
        if asleep[visit.key]:
            yield Violation(7, visit.key, f"it was read at {visit.at} though nothing of it is due")
            return
    yield from _read_for_nothing(seen)


def _read_for_nothing(seen: Evidence) -> Iterator[Violation]:
    left: dict[Key, list[tuple[Instant, bool]]] = defaultdict(list)
    for at, _, record in seen.history.written:
        left[record.key].append((at, record.segment is None))
    for visit in seen.history.visits:
        since = [out for at, out in left[visit.key] if at <= visit.at]
        recent = [at for at, _ in left[visit.key] if visit.at - INDEX_LAG_MS * 3 <= at]
        if since and since[-1] and not recent:
            yield Violation(7, visit.key, f"it was read at {visit.at} though it had left the index")
            return


def _strangers(seen: Evidence) -> Iterator[Violation]:
    for versions in seen.versions.values():
        for version in versions:
            if version.sent is not None and version.sent.kind is not Kind.GOOD:
                yield Violation(8, version.key, f"{version.sent.event_id} from {version.sent.source} changed it")
    for fire in seen.fired:
        if fire.input is not None and fire.input["of"] != str(fire.key):
            yield Violation(8, fire.key, f"it fired with the input of {fire.input['of']}")
