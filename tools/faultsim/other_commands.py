"""What is asked for beside schedules, held against what came of it: runs, backfills, calendars."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from eventcron.model.names import CalendarKey, Instant, Key, Occurrence
from eventcron.model.records import Backfill, BackfillState
from eventcron.rules.backfill import gap_ms
from eventcron.timing.trigger import local_time, walk
from tools.faultsim.deployment import ROUND_S
from tools.faultsim.observations import Evidence, Fired, Told, Version, instant
from tools.faultsim.promises import Violation
from tools.faultsim.workload import CALENDAR, CURSED, Kind

#: Milliseconds after the word that a backfill is cancelled from which on nothing of it may be due.
CANCEL_MS = 1_000
#: Milliseconds by which a fire may be late in fine weather: queues are up to two seconds late.
LATE_MS = 2_500
MINUTE_MS = 60_000
#: Milliseconds within which a backfill has to end once nothing of it is left, ticks and pauses aside.
ENDING_MS = 300_000


def is_of_calendar(seen: Evidence, told: Told) -> bool:
    """Whether *told* names a calendar that had those days at some time."""
    assert told.key is not None  # a skip is always some schedule's
    if told.detail.get("by") != f"calendar:{CALENDAR}":
        return False
    zones = {v.schedule.timezone for v in seen.versions[told.key] if v.record.schedule is not None}
    days = _days(seen, told.key.tenant)
    dues = [instant(told.detail[name]) for name in ("first_due", "last_due")]
    return any(all(local_time(due, zone)[:10] in days for due in dues) for zone in zones)


def is_on_calendar(seen: Evidence, version: Version, due: Instant) -> bool:
    """Whether *version* follows a calendar that had this day at some time."""
    follows = f"calendar:{CALENDAR}" in version.schedule.exclude
    return follows and local_time(due, version.schedule.timezone)[:10] in _days(seen, version.key.tenant)


def _days(seen: Evidence, tenant: str) -> set[str]:
    """All days that the tenant's calendar ever had. It has two at most: a range is its ends."""
    sent = [one for one in seen.simulated.sent if one.key == _calendar_key(tenant)]
    return {day for one in sent for entry in one.detail.get("dates", ()) for day in entry.split("/")}


def _calendar_key(tenant: str) -> Key:
    return Key(tenant, f"calendar:{CALENDAR}")


def _runs(seen: Evidence) -> Iterator[Violation]:
    """A run fires, or is answered, or its skip is told."""
    answered = {told.detail["event_id"] for told in seen.facts("Schedule Rejected")}
    known = {(fire.key, fire.cause_id) for fire in seen.fired if fire.cause == "run"}
    known |= {(told.key, told.detail.get("cause_id", "")) for told in seen.facts("Schedule Skipped") if told.key}
    for sent in seen.simulated.sent:
        if sent.command != "Run Schedule" or sent.kind is not Kind.GOOD or sent.key == CURSED:
            continue
        run_id = sent.detail.get("run_id", sent.event_id)
        if sent.event_id not in answered and (sent.key, run_id) not in known:
            yield Violation(1, sent.key, f"the run {run_id} was neither published nor accounted for")


def _calendars(seen: Evidence) -> Iterator[Violation]:
    """A calendar ends as its highest revision has it."""
    stored = seen.simulated.cloud.calendars
    for tenant in sorted({one.key.tenant for one in seen.simulated.sent if one.command == "Put Calendar"}):
        commands = [one for one in seen.simulated.sent if one.key == _calendar_key(tenant)]
        last = max(commands, key=lambda one: one.detail["revision"])
        calendar = stored.get(CalendarKey(tenant, CALENDAR))
        dates = None if calendar is None or calendar.dates is None else list(calendar.dates)
        if calendar is None or dates != last.detail.get("dates"):
            yield Violation(5, last.key, f"it ended as {calendar}; {last.event_id} asks for {last.detail}")


def _backfills(seen: Evidence) -> Iterator[Violation]:
    fires: dict[tuple[Key, str], list[Fired]] = defaultdict(list)
    for fire in seen.fired:
        if fire.cause == "backfill":
            fires[fire.key, fire.cause_id].append(fire)
    for backfill in seen.simulated.cloud.backfills.values():
        key = Key(backfill.tenant, backfill.name)
        if not backfill.event_id or key == CURSED:
            continue
        yield from _backfill(seen, key, backfill, fires.pop((key, backfill.id), []))
    for key, backfill_id in fires:
        if key != CURSED:
            yield Violation(5, key, f"something was fired of {backfill_id}, a backfill that nobody asked for")


def _backfill(seen: Evidence, key: Key, backfill: Backfill, fires: list[Fired]) -> Iterator[Violation]:
    version = next((v for v in seen.versions[key] if v.record.revision == backfill.revision), None)
    if version is None or version.record.schedule is None:
        yield Violation(5, key, f"{backfill.id} is of revision {backfill.revision}, which was no schedule")
        return
    found = list(walk(version.trigger, backfill.span))
    owed = {occurrence.due for occurrence in found}
    for fire in fires:
        if fire.due not in owed:
            yield Violation(5, key, f"{backfill.id} fired {fire.due}, which is no occurrence in {backfill.span}")
    if backfill.state is BackfillState.COMPLETED:
        yield from _forgotten(seen, key, backfill, found, fires)
    elif backfill.state is BackfillState.RUNNING and _is_left_behind(seen, backfill):
        yield Violation(1, key, f"{backfill.id} is stored and nobody carries it on: {backfill}")
    elif backfill.state is BackfillState.RUNNING and _should_be_over(seen, backfill, found):
        yield Violation(1, key, f"{backfill.id} is not at its end: {backfill}")
    yield from _too_fast(seen, key, backfill, fires)
    yield from _after_the_end(seen, key, backfill, fires)


def _forgotten(
    seen: Evidence, key: Key, backfill: Backfill, found: list[Occurrence], fires: list[Fired]
) -> Iterator[Violation]:
    fired = {fire.due for fire in fires}
    told = [t.detail for t in seen.facts("Schedule Skipped") if t.key == key]
    notices = {
        (t["reason"], t.get("by"), instant(t["first_due"]), instant(t["last_due"]), t["count"])
        for t in told
        if t.get("cause_id") == backfill.id
    }
    missing = [occurrence.due for occurrence in found if occurrence.due not in fired]
    if len(missing) > sum(notice[-1] for notice in notices):
        yield Violation(1, key, f"{backfill.id} is complete, and of {missing} only {sorted(notices, key=str)} was told")
    for due in missing:
        if not any(notice[2] <= due <= notice[3] for notice in notices):
            yield Violation(1, key, f"{backfill.id} is complete, and {due} was neither published nor accounted for")


def _is_left_behind(seen: Evidence, backfill: Backfill) -> bool:
    """Whether no planner knows of it, though every command was dealt with.

    One that was answered by a rejection as well (two deliveries of one message met two revisions) need not begin.
    """
    refused = {told.detail["event_id"] for told in seen.facts("Schedule Rejected")}
    return backfill.key not in seen.simulated.cloud.open_backfills and backfill.event_id not in refused


def _should_be_over(seen: Evidence, backfill: Backfill, found: list[Occurrence]) -> bool:
    """Whether there was time enough for all of it, in good weather."""
    where = seen.simulated.where
    asked = next(one for one in seen.simulated.sent if one.event_id == backfill.event_id)
    # What died is sent back within the operator's next round.
    clear = where.start + (seen.simulated.forecast.clears_s + ROUND_S) * 1000
    begin = max(clear, asked.emitted + max(asked.arrivals), found[-1].due)
    return begin + len(found) * gap_ms(backfill.per_minute) + ENDING_MS + where.settings.tick_seconds * 3_000 < seen.end


def _too_fast(seen: Evidence, key: Key, backfill: Backfill, fires: list[Fired]) -> Iterator[Violation]:
    """In fine weather nothing bunches up, but for what a queue delivers late."""
    if not seen.simulated.forecast.faultless:
        return
    published = sorted(fire.at for fire in fires)
    most = (MINUTE_MS + LATE_MS) // gap_ms(backfill.per_minute) + 1
    for first, last in zip(published, published[most:], strict=False):
        if last - first <= MINUTE_MS:
            yield Violation(4, key, f"{backfill.id} published more than {most} fires in the minute from {first}")
            return


def _after_the_end(seen: Evidence, key: Key, backfill: Backfill, fires: list[Fired]) -> Iterator[Violation]:
    """Nothing is due a second after a cancellation; with the last fire it is complete, but for a queue's lateness."""
    if not seen.simulated.forecast.faultless:
        return
    for told in seen.facts("Schedule Backfilled"):
        state = told.detail["state"]
        if told.key != key or told.detail["backfill_id"] != backfill.id or state == "RUNNING":
            continue
        latest = told.at + (CANCEL_MS if state == "CANCELLED" else LATE_MS) + seen.clock_ms
        for fire in fires:
            if fire.at > latest:
                yield Violation(3, key, f"{backfill.id} was {state} at {told.at}, and {fire.due} fired at {fire.at}")


def _counted(seen: Evidence) -> Iterator[Violation]:
    """What is told of a completed backfill is what it fired."""
    counts = Counter((fire.key, fire.cause_id) for fire in {(f.key, f.cause_id, f.due): f for f in seen.fired}.values())
    for told in seen.facts("Schedule Backfilled"):
        assert told.key is not None  # it is always some schedule's
        actual = counts[told.key, told.detail["backfill_id"]]
        if told.detail["state"] == "COMPLETED" and actual > told.detail["fires"]:
            what = f"{told.detail['backfill_id']} tells of {told.detail['fires']} fires, and fired {actual}"
            yield Violation(1, told.key, what)


ERRANDS = (_runs, _calendars, _backfills, _counted)
