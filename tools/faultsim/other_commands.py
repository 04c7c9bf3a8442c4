"""Checks of runs, backfills and calendars."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from eventcron.model.names import CalendarKey, Instant, Key, Occurrence
from eventcron.model.records import Backfill, BackfillState
from eventcron.rules.backfill import gap_ms
from eventcron.timing.instant import from_rfc3339
from eventcron.timing.trigger import local_time, walk
from tools.faultsim.catching_up import under_way
from tools.faultsim.deployment import ROUND_S
from tools.faultsim.observations import Fired, Observations, Revision, StatusEvent
from tools.faultsim.promises import Violation
from tools.faultsim.workload import CALENDAR, UNPUBLISHABLE, Kind

#: Milliseconds after the event that reports a cancelled backfill; none of its fires is published later.
CANCEL_MS = 1_000
#: Milliseconds by which a fire may be late without faults: a queue may be two seconds late.
LATE_MS = 2_500
MINUTE_MS = 60_000
#: Milliseconds within which a backfill has to end after its last fire, ticks and retries not counted.
ENDING_MS = 300_000


def is_of_calendar(observed: Observations, event: StatusEvent) -> bool:
    """Whether the skip *event* names a calendar that had those days at some time."""
    assert event.key is not None  # every skip names a schedule
    if event.detail.get("by") != f"calendar:{CALENDAR}":
        return False
    zones = {v.schedule.timezone for v in observed.revisions[event.key] if v.record.schedule is not None}
    days = _days(observed, event.key.tenant)
    dues = [from_rfc3339(event.detail[name]) for name in ("first_due", "last_due")]
    return any(all(local_time(due, zone)[:10] in days for due in dues) for zone in zones)


def is_on_calendar(observed: Observations, revision: Revision, due: Instant) -> bool:
    """Whether *revision* excludes a calendar that had this day at some time."""
    follows = f"calendar:{CALENDAR}" in revision.schedule.exclude
    return follows and local_time(due, revision.schedule.timezone)[:10] in _days(observed, revision.key.tenant)


def _days(observed: Observations, tenant: str) -> set[str]:
    """All days that the tenant's calendar ever had. It has two days at most, so a range is its two ends."""
    sent = [one for one in observed.simulation.sent if one.key == _calendar_key(tenant)]
    return {day for one in sent for entry in one.detail.get("dates", ()) for day in entry.split("/")}


def _calendar_key(tenant: str) -> Key:
    return Key(tenant, f"calendar:{CALENDAR}")


def _runs(observed: Observations) -> Iterator[Violation]:
    """A run is published, rejected, or reported as skipped."""
    answered = {event.detail["event_id"] for event in observed.events("Schedule Rejected")}
    known = {(fire.key, fire.cause_id) for fire in observed.fired if fire.cause == "run"}
    known |= {
        (event.key, event.detail.get("cause_id", "")) for event in observed.events("Schedule Skipped") if event.key
    }
    for sent in observed.simulation.sent:
        if sent.command != "Run Schedule" or sent.kind is not Kind.VALID or sent.key == UNPUBLISHABLE:
            continue
        if sent.time >= observed.end:
            continue  # nobody waits for what is due after the end
        run_id = sent.detail.get("run_id", sent.event_id)
        if sent.event_id not in answered and (sent.key, run_id) not in known:
            yield Violation(1, sent.key, f"the run {run_id} was neither published nor accounted for")


def _calendars(observed: Observations) -> Iterator[Violation]:
    """A calendar ends in the state of its highest revision."""
    stored = observed.simulation.deployment.calendars
    for tenant in sorted({one.key.tenant for one in observed.simulation.sent if one.command == "Put Calendar"}):
        commands = [one for one in observed.simulation.sent if one.key == _calendar_key(tenant)]
        last = max(commands, key=lambda one: one.detail["revision"])
        calendar = stored.get(CalendarKey(tenant, CALENDAR))
        dates = None if calendar is None or calendar.dates is None else list(calendar.dates)
        if calendar is None or dates != last.detail.get("dates"):
            yield Violation(5, last.key, f"it ended as {calendar}; {last.event_id} asks for {last.detail}")


def _backfills(observed: Observations) -> Iterator[Violation]:
    fires: dict[tuple[Key, str], list[Fired]] = defaultdict(list)
    for fire in observed.fired:
        if fire.cause == "backfill":
            fires[fire.key, fire.cause_id].append(fire)
    for backfill in observed.simulation.deployment.backfills.values():
        key = Key(backfill.tenant, backfill.name)
        if not backfill.event_id or key == UNPUBLISHABLE or backfill.key.is_catch_up:
            continue
        yield from _backfill(observed, key, backfill, fires.pop((key, backfill.id), []))
    for key, backfill_id in fires:
        if key != UNPUBLISHABLE:
            yield Violation(5, key, f"{backfill_id} fired, and no command asked for such a backfill")


def _backfill(observed: Observations, key: Key, backfill: Backfill, fires: list[Fired]) -> Iterator[Violation]:
    revision = next((v for v in observed.revisions[key] if v.record.revision == backfill.revision), None)
    if revision is None or revision.record.schedule is None:
        yield Violation(5, key, f"{backfill.id} is of revision {backfill.revision}, which was no schedule")
        return
    found = list(walk(revision.trigger, backfill.span))
    expected = {occurrence.due for occurrence in found}
    for fire in fires:
        if fire.due not in expected:
            yield Violation(5, key, f"{backfill.id} fired {fire.due}, which is no occurrence in {backfill.span}")
    if backfill.state is BackfillState.COMPLETED:
        yield from _unaccounted(observed, key, backfill, found, fires)
    elif backfill.state is BackfillState.RUNNING and _is_left_behind(observed, backfill):
        yield Violation(1, key, f"{backfill.id} is stored and no planner knows of it: {backfill}")
    elif backfill.state is BackfillState.RUNNING and _should_be_over(observed, backfill, found):
        yield Violation(1, key, f"{backfill.id} is not at its end: {backfill}")
    yield from _too_fast(observed, key, backfill, fires)
    yield from _after_the_end(observed, key, backfill, fires)


def _unaccounted(
    observed: Observations, key: Key, backfill: Backfill, found: list[Occurrence], fires: list[Fired]
) -> Iterator[Violation]:
    """A completed backfill has published or reported as skipped every occurrence in its span."""
    fired = {fire.due for fire in fires}
    details = [t.detail for t in observed.events("Schedule Skipped") if t.key == key]
    notices = {
        (t["reason"], t.get("by"), from_rfc3339(t["first_due"]), from_rfc3339(t["last_due"]), t["count"])
        for t in details
        if t.get("cause_id") == backfill.id
    }
    later = under_way(observed)  # put off for its tenant's limit
    fired |= {due for schedule, due, cause_id in later if (schedule, cause_id) == (key, backfill.id)}
    missing = [occurrence.due for occurrence in found if occurrence.due not in fired]
    if len(missing) > sum(notice[-1] for notice in notices):
        yield Violation(
            1, key, f"{backfill.id} is complete, and of {missing} only {sorted(notices, key=str)} is reported"
        )
    for due in missing:
        if not any(notice[2] <= due <= notice[3] for notice in notices):
            yield Violation(1, key, f"{backfill.id} is complete, and {due} was neither published nor accounted for")


def _is_left_behind(observed: Observations, backfill: Backfill) -> bool:
    """Whether no planner knows of the backfill, though every command was handled.

    If two deliveries of its command met two revisions, one may have been rejected; such a backfill need not begin.
    """
    refused = {event.detail["event_id"] for event in observed.events("Schedule Rejected")}
    return backfill.key not in observed.simulation.deployment.open_backfills and backfill.event_id not in refused


def _should_be_over(observed: Observations, backfill: Backfill, found: list[Occurrence]) -> bool:
    """Whether there was enough time without faults for all of it."""
    scenario = observed.simulation.scenario
    asked = next(one for one in observed.simulation.sent if one.event_id == backfill.event_id)
    # The operator sends back dead letters in the round after the faults end.
    faultless_from = scenario.start + (observed.simulation.faults.faults_end_s + ROUND_S) * 1000
    begin = max(faultless_from, asked.emitted + max(asked.arrivals), found[-1].due)
    return (
        begin + len(found) * gap_ms(backfill.per_minute) + ENDING_MS + scenario.settings.tick_seconds * 3_000
        < observed.end
    )


def _too_fast(observed: Observations, key: Key, backfill: Backfill, fires: list[Fired]) -> Iterator[Violation]:
    """Without faults a backfill keeps its rate, except where a queue delivers late, or a limit puts fires off."""
    if not observed.simulation.faults.faultless or observed.simulation.faults.spell.quota:
        return
    published = sorted(fire.at for fire in fires)
    most = (MINUTE_MS + LATE_MS) // gap_ms(backfill.per_minute) + 1
    for first, last in zip(published, published[most:], strict=False):
        if last - first <= MINUTE_MS:
            yield Violation(4, key, f"{backfill.id} published more than {most} fires in the minute from {first}")
            return


def _after_the_end(observed: Observations, key: Key, backfill: Backfill, fires: list[Fired]) -> Iterator[Violation]:
    """Without faults no fire follows the end of a backfill, except where a queue delivers late."""
    if not observed.simulation.faults.faultless:
        return
    for event in observed.events("Schedule Backfilled"):
        state = event.detail["state"]
        if event.key != key or event.detail["backfill_id"] != backfill.id or state == "RUNNING":
            continue
        if state == "COMPLETED" and observed.simulation.faults.spell.quota:
            continue  # fires that were put off for the limit follow
        latest = event.at + (CANCEL_MS if state == "CANCELLED" else LATE_MS) + observed.clock_skew_ms
        for fire in fires:
            if fire.at > latest:
                yield Violation(3, key, f"{backfill.id} was {state} at {event.at}, and {fire.due} fired at {fire.at}")


def _counted(observed: Observations) -> Iterator[Violation]:
    """``Schedule Backfilled`` counts all fires of a completed backfill."""
    counts = Counter(
        (fire.key, fire.cause_id) for fire in {(f.key, f.cause_id, f.due): f for f in observed.fired}.values()
    )
    for event in observed.events("Schedule Backfilled"):
        assert event.key is not None  # every backfill names a schedule
        actual = counts[event.key, event.detail["backfill_id"]]
        if event.detail["state"] == "COMPLETED" and actual > event.detail["fires"]:
            what = f"{event.detail['backfill_id']} reports {event.detail['fires']} fires, and {actual} were published"
            yield Violation(1, event.key, what)


OTHER_COMMAND_CHECKS = (_runs, _calendars, _backfills, _counted)
