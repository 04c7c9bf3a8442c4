"""Check the guarantees against what happened. The checks rest on what users are promised, not on the protocol.

Two tolerances apply, both stated in ``docs/design/delivery.md``. A clock may be off by ``clock_skew_ms``, so "before"
and "after" hold only to that. And an action counts at the instant at which the bus or the table took it.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from eventcron.model.commands import MisfirePolicy
from eventcron.model.names import Instant, Key, Window
from eventcron.model.records import State
from eventcron.rules.planning import first_occurrence
from eventcron.timing.instant import from_rfc3339
from eventcron.timing.trigger import walk
from tools.faultsim.catching_up import CATCH_UP_CHECKS, has_open_end, is_caught_up, is_last_under_way, under_way
from tools.faultsim.command_order import FinalState, first_like, possible_final_states
from tools.faultsim.given_inputs import INPUT_CHECKS
from tools.faultsim.heartbeats import HEARTBEAT_CHECKS
from tools.faultsim.idle_reads import READ_CHECKS
from tools.faultsim.lasting import LASTING_CHECKS
from tools.faultsim.messages import MESSAGE_CHECKS
from tools.faultsim.observations import Fired, Observations, Revision, StatusEvent
from tools.faultsim.other_commands import OTHER_COMMAND_CHECKS, is_of_calendar, is_on_calendar
from tools.faultsim.pausing import PAUSING_CHECKS, is_paused_by_failures
from tools.faultsim.promises import CUTOVER_MS, LATE_MS, PUBLISHING_MS, TIMELY_MS, Violation
from tools.faultsim.repeated_puts import PUT_CHECKS, is_due
from tools.faultsim.reporters import WATCHED
from tools.faultsim.runs import RUN_CHECKS, may_repeat
from tools.faultsim.simulation import Simulation
from tools.faultsim.targets import REFUSED
from tools.faultsim.workload import STUBBORN, UNPUBLISHABLE, Kind, Sent

#: Reasons of skips that follow from the schedule itself.
SILENT = {"excluded", "daylight_saving_gap"}
#: Rejections that a valid command may get, depending on when it arrives.
LATE_ANSWERS = {
    "stale_revision", "not_found", "completed", "in_the_past", "never_fires", "nothing_due", "quota",
    "unknown_calendar",
}  # fmt: skip


def violations(simulation: Simulation) -> list[Violation]:
    """Every violation of a guarantee."""
    observed = Observations(simulation)
    checks = (
        _lost, _excuses, _grace, _ended, _early, _after_a_change, _repeats, _unexpected, _final_states,
        _repeated_commands, _answers, _crashes, _other_tenants,
        *READ_CHECKS, *RUN_CHECKS, *PAUSING_CHECKS, *HEARTBEAT_CHECKS, *INPUT_CHECKS, *MESSAGE_CHECKS,
        *PUT_CHECKS, *OTHER_COMMAND_CHECKS, *LASTING_CHECKS, *CATCH_UP_CHECKS,
    )  # fmt: skip
    return [violation for check in checks for violation in check(observed)]


# --- 1: nothing is lost --------------------------------------------------------------------------------------------


def _lost(observed: Observations) -> Iterator[Violation]:
    """Every due occurrence is published, or reported as failed or skipped."""
    fired = {(fire.key, fire.due) for fire in observed.fired if fire.cause == "schedule"}
    fired |= {
        (event.key, from_rfc3339(event.detail["due"])) for event in observed.events("Schedule Failed") if event.key
    }
    missing: dict[Key, dict[Instant, str]] = defaultdict(dict)
    for revision, replaced_by in observed.spans():
        for due, why in _expected(observed, revision, replaced_by):
            if (revision.key, due) not in fired:
                missing[revision.key][due] = why
    later = under_way(observed) if missing else set()
    for key, dues in missing.items():
        unaccounted = {due: why for due, why in dues.items() if (key, due, "") not in later}
        for due, why in _unexcused(observed, key, unaccounted):
            yield Violation(1, key, f"{why} due {due} was neither published nor accounted for")


def _expected(
    observed: Observations, revision: Revision, replaced_by: Revision | None
) -> Iterator[tuple[Instant, str]]:
    """Due instants that *revision* has to publish or to report as skipped, each with a description."""
    if revision.key == WATCHED:
        return  # it fires nothing
    if not revision.fires:
        yield from _expected_after_pause(observed, revision, replaced_by)
        return
    end = observed.end if replaced_by is None else min(observed.end, replaced_by.began - observed.clock_skew_ms)
    end = min(end, _counted_later(observed, revision, end))
    window_ms = observed.widest_ms[revision.key]
    for occurrence in revision.occurrences(revision.first, end):
        if occurrence.due + window_ms < observed.end:
            what = "the occurrence" if occurrence.skipped is None else f"the {occurrence.skipped} occurrence"
            yield occurrence.due, f"{what} of revision {revision.record.revision}"


def _counted_later(observed: Observations, revision: Revision, end: Instant) -> Instant:
    """Where ``max_fires`` ends *revision*, by a release that could count, if the one that stored it could not."""
    final = observed.final[revision.key]
    same = final.schedule is not None and final.revision == revision.record.revision
    if revision.schedule.max_fires is None or not same or not observed.is_unread(revision):
        return end
    return end if final.era.end is None else final.era.end


def _expected_after_pause(
    observed: Observations, revision: Revision, resumed: Revision | None
) -> Iterator[tuple[Instant, str]]:
    """Due instants in a pause: a resume publishes them or reports them as skipped, a put reports them as skipped.

    Schedules with ``max_fires`` are left out: the pause may have begun after their last fire.
    """
    if resumed is None or not (_is_resume(resumed) or _is_put(resumed)) or revision.record.schedule is None:
        return
    if revision.record.state is not State.PAUSED or revision.schedule.max_fires is not None:
        return
    assert resumed.sent is not None  # the revision comes from a command
    since = max(revision.first, revision.at + CUTOVER_MS + observed.clock_skew_ms)
    for occurrence in revision.occurrences(since, resumed.sent.time):
        silent = occurrence.skipped is not None or is_on_calendar(observed, revision, occurrence.due)
        if not silent and occurrence.due + observed.widest_ms[revision.key] < observed.end:
            yield occurrence.due, "the occurrence in a pause"


def _is_put(revision: Revision) -> bool:
    return revision.sent is not None and revision.sent.command == "Put Schedule"


def _is_resume(revision: Revision) -> bool:
    resumed = revision.sent is not None and revision.sent.command == "Resume Schedule"
    return resumed and revision.record.schedule is not None


def _unexcused(observed: Observations, key: Key, dues: dict[Instant, str]) -> list[tuple[Instant, str]]:
    """Those of *dues* that no ``Schedule Skipped`` covers. A notice covers as many due instants as it counts.

    Notices overlap, so this is a matching: a due instant displaces another only if that one finds another notice.
    """
    notices = _notices(observed, key)
    taken: dict[_Notice, list[Instant]] = {notice: [] for notice in notices}

    def match(due: Instant, tried: set[_Notice]) -> bool:
        for notice in notices:
            if notice in tried or not notice.first <= due <= notice.last:
                continue
            tried.add(notice)
            if len(taken[notice]) < notice.number:
                taken[notice].append(due)
                return True
            for other in taken[notice]:
                if match(other, tried):
                    taken[notice].remove(other)
                    taken[notice].append(due)
                    return True
        return False

    return [(due, why) for due, why in sorted(dues.items()) if not match(due, set())]


class _Notice(NamedTuple):
    last: Instant
    first: Instant
    #: How many due instants it covers.
    number: int
    reason: str


def _notices(observed: Observations, key: Key) -> list[_Notice]:
    """The distinct notices about a schedule, by their last due instant."""
    details = [event.detail for event in observed.events("Schedule Skipped") if event.key == key]
    return sorted({_notice(detail) for detail in details})


def _notice(detail: dict[str, Any]) -> _Notice:
    # How often a schedule that cannot be read was due is unknown, so its notice covers any number.
    number = detail["count"] if not detail["reason"].startswith("unreadable") else sys.maxsize
    return _Notice(from_rfc3339(detail["last_due"]), from_rfc3339(detail["first_due"]), number, detail["reason"])


def _excuses(observed: Observations) -> Iterator[Violation]:
    """A reported skip has to be true of one of the schedule's revisions."""
    for event in observed.events("Schedule Skipped"):
        assert event.key is not None  # every skip names a schedule
        revisions = [revision for revision in observed.revisions[event.key] if revision.record.schedule is not None]
        # A fire of one revision may be judged by the misfire policy of the next, but keeps its own offset.
        offset = min((revision.offset for revision in revisions), default=0)
        if event.detail["reason"] == "misfire" and not any(
            _was_missed(revision, event, offset) for revision in revisions
        ):
            yield Violation(1, event.key, f"reported as misfire though it could still fire: {event.detail}")
        if (
            event.detail["reason"] in SILENT
            and not is_of_calendar(observed, event)
            and not any(_is_skipped(revision, event) for revision in revisions)
        ):
            yield Violation(1, event.key, f"reported as {event.detail['reason']} though it is not: {event.detail}")


def _was_missed(revision: Revision, event: StatusEvent, offset: int) -> bool:
    misfire = revision.schedule.misfire
    patience_ms = misfire.grace_seconds * 1000
    if misfire.policy is not MisfirePolicy.FIRE_ALL:
        patience_ms = min(patience_ms, LATE_MS)
    late_ms = event.own - from_rfc3339(event.detail["last_due"]) - offset
    return late_ms > max(patience_ms, TIMELY_MS)


def _is_skipped(revision: Revision, event: StatusEvent) -> bool:
    first, last = (from_rfc3339(event.detail[name]) for name in ("first_due", "last_due"))
    backfilled = event.detail.get("cause") == "backfill"  # a backfill ignores start and end of the schedule
    found = walk(revision.trigger, Window(first, last + 1)) if backfilled else revision.occurrences(first, last + 1)
    skipped = [o.due for o in found if o.skipped == event.detail["reason"]]
    return {first, last} <= set(skipped)


def _grace(observed: Observations) -> Iterator[Violation]:
    """A fire later than its grace is not published. The grace is its revision's, or a later one's stored by then."""
    tolerance_ms = 0 if observed.simulation.faults.faultless else PUBLISHING_MS
    for fire in observed.fired:
        revisions = [v for v in observed.revisions[fire.key] if v.record.schedule and v.at <= fire.at]
        graces = [v.schedule.misfire.grace_seconds * 1000 for v in revisions if v.record.revision >= fire.revision]
        offset = max((revision.offset for revision in revisions), default=0)
        late_ms = fire.own - fire.due - offset
        if is_caught_up(observed, fire):
            continue  # its rate and its tenant's limit say when it is published
        if fire.cause == "schedule" and late_ms > max(graces, default=0) + tolerance_ms + 2 * TIMELY_MS:
            yield Violation(1, fire.key, f"due {fire.due} was published {late_ms} ms late, beyond its grace")


def _ended(observed: Observations) -> Iterator[Violation]:
    """A schedule without occurrences ends as COMPLETED, and an event reports it."""
    reported = {event.key for event in observed.events("Schedule Completed")}
    for revision, replaced_by in observed.spans():
        if replaced_by is not None or not revision.fires or has_open_end(observed, revision.key):
            continue
        if not _is_at_its_end(revision, observed.end - observed.widest_ms[revision.key] - TIMELY_MS):
            continue
        record, settings = observed.final[revision.key], observed.simulation.scenario.settings
        # While it is in the index, the planner waits until every planned fire is past.
        patience_ms = 0 if record.wake is None else (settings.horizon_seconds + 2 * settings.tick_seconds) * 1000
        patience_ms += observed.simulation.faults.spell.ahead_ms
        # Where the planner was late itself, it waits from then on: until the instant at which it looks once more.
        waits = record.wake is not None and record.wake > observed.end - 2 * settings.tick_seconds * 1000
        if record.state is not State.COMPLETED:
            waits = waits or is_last_under_way(observed, revision.key)
            if not waits and _is_at_its_end(revision, observed.end - patience_ms):
                yield Violation(1, revision.key, f"it has no occurrence left and is {record.state}")
        elif revision.key not in reported and revision.record.state is not State.COMPLETED:
            yield Violation(1, revision.key, "no event reports that it is completed")


def _is_at_its_end(revision: Revision, end: Instant) -> bool:
    if revision.until is not None:
        return revision.until <= end
    return first_occurrence(revision.trigger.canonical, end) is None


# --- 2 and 3: nothing is early, nothing is outdated ---------------------------------------------------------------


def _early(observed: Observations) -> Iterator[Violation]:
    """No fire is published before it is due: neither by the publisher's clock nor, up to its skew, in true time."""
    for fire in observed.fired:
        if fire.own < fire.due or fire.at < fire.due - observed.clock_skew_ms:
            yield Violation(2, fire.key, f"due {fire.due} was published at {fire.at}, {fire.due - fire.own} ms early")


def _after_a_change(observed: Observations) -> Iterator[Violation]:
    """No fire of an older revision is published that is due more than ``CUTOVER_MS`` after a change was reported."""
    changes = [
        event for what in ("Schedule Deleted", "Schedule Paused", "Schedule Updated") for event in observed.events(what)
    ]
    for event in changes:
        latest = event.at + CUTOVER_MS + observed.clock_skew_ms
        for fire in observed.fired:
            old = fire.key == event.key and fire.cause == "schedule" and fire.revision < event.detail["revision"]
            if old and fire.due > latest:
                what = f"{event.what} of revision {event.detail['revision']} at {event.at}"
                yield Violation(3, fire.key, f"after {what}, revision {fire.revision} due {fire.due} was published")


# --- 4: exactly once ------------------------------------------------------------------------------------------------


def _repeats(observed: Observations) -> Iterator[Violation]:
    """An occurrence has one ``fire_id``, and is published once if there are no faults."""
    ids: dict[tuple[Key, Instant, str, str], set[str]] = defaultdict(set)
    counts: Counter[tuple[Key, Instant, str, str]] = Counter()
    for fire in observed.fired:
        ids[_what(fire)].add(fire.fire_id)
        counts[_what(fire)] += not may_repeat(observed, fire)
    for what, same in ids.items():
        if len(same) > 1:
            yield Violation(4, what[0], f"{what[1:]} was published under {len(same)} ids")
    if len({fire_id for same in ids.values() for fire_id in same}) < len(ids):
        yield Violation(4, None, "two occurrences share a fire_id")
    if observed.simulation.faults.faultless:
        for what, count in counts.items():
            if count > 1:
                yield Violation(4, what[0], f"{what[1:]} was published {count} times without a fault")


def _what(fire: Fired) -> tuple[Key, Instant, str, str]:
    return (fire.key, fire.due, fire.cause, fire.cause_id)


# --- 5: revisions ----------------------------------------------------------------------------------------------------


def _unexpected(observed: Observations) -> Iterator[Violation]:
    """Every fire is an occurrence of its revision, or of an earlier one that was still in force."""
    for fire in observed.fired:
        if fire.key == WATCHED or (fire.cause == "schedule" and not _is_expected(observed, fire)):
            yield Violation(5, fire.key, f"due {fire.due} is no occurrence of revision {fire.revision} or before")


def _is_expected(observed: Observations, fire: Fired) -> bool:
    revisions = observed.revisions[fire.key]
    for revision, replaced_by in zip(revisions, [*revisions[1:], None], strict=True):
        if revision.record.revision > fire.revision or not (revision.fires or _is_resume(revision)):
            continue
        over = observed.end * 2 if replaced_by is None else replaced_by.at + CUTOVER_MS + observed.clock_skew_ms
        in_force = fire.revision == revision.record.revision or fire.due < over
        # A resume may publish occurrences of the pause.
        first = revision.record.created if _is_resume(revision) else revision.first - 1000 - observed.clock_skew_ms
        if in_force and fire.due >= first and is_due(revision, fire.due):
            return True
    return False


def _final_states(observed: Observations) -> Iterator[Violation]:
    """Commands in any order end in the state of the highest revision."""
    for key in sorted({sent.key for sent in observed.simulation.sent if sent.command == "Put Schedule"}):
        ends = _possible_final_states(observed, [sent for sent in observed.simulation.sent if sent.key == key])
        actual = _actual_final_state(observed, key)
        if is_paused_by_failures(observed, key):
            actual = actual._replace(paused=False)  # no command paused it, and guarantee 11 says whether it should be
        if not any(actual.put == end.put and (actual.paused == end.paused or _is_over(observed, key)) for end in ends):
            yield Violation(5, key, f"it ended as {actual}; the commands lead to {sorted(map(str, ends))}")


def _possible_final_states(observed: Observations, sent: Sequence[Sent]) -> set[FinalState]:
    """A put is rejected if its calendar does not exist yet; a later delivery of it may be accepted."""
    refused = {
        event.detail["event_id"]
        for event in observed.events("Schedule Rejected")
        if event.detail["code"] == "unknown_calendar"
    }
    return possible_final_states(sent, refused=refused)


def _actual_final_state(observed: Observations, key: Key) -> FinalState:
    record = observed.final.get(key)
    if record is None or record.schedule is None:
        return FinalState(None, paused=False)
    applied = [v.sent for v in observed.revisions[key] if v.sent is not None and v.sent.command == "Put Schedule"]
    sent = [one for one in observed.simulation.sent if one.key == key and one.command == "Put Schedule"]
    return FinalState(first_like(applied[-1], sent) if applied else None, paused=record.state is State.PAUSED)


def _is_over(observed: Observations, key: Key) -> bool:
    return observed.final[key].state is State.COMPLETED


def _repeated_commands(observed: Observations) -> Iterator[Violation]:
    """A command changes its schedule once."""
    for key, revisions in observed.revisions.items():
        acted = Counter(revision.sent.event_id for revision in revisions if revision.sent is not None)
        for event_id, count in acted.items():
            if count > 1:
                yield Violation(5, key, f"{event_id} changed it {count} times")


# --- 6, 7, 8 -----------------------------------------------------------------------------------------------------


def _answers(observed: Observations) -> Iterator[Violation]:
    """An invalid command is rejected, and a valid one is not, or only for when it came."""
    refused: dict[str, set[str]] = defaultdict(set)
    for event in observed.events("Schedule Rejected"):
        refused[event.detail["event_id"]].add(event.detail["code"])
    for sent in observed.simulation.sent:
        codes = refused[sent.event_id]
        if sent.kind is Kind.INVALID and not codes:
            yield Violation(6, sent.key, f"{sent.event_id} was not answered by Schedule Rejected")
        if sent.kind is Kind.VALID and codes - LATE_ANSWERS:
            yield Violation(6, sent.key, f"{sent.event_id} was refused: {sorted(codes)}")
    failed = {event.key for event in observed.events("Schedule Failed")}
    for key in sorted(key for key in failed if key is not None and key not in {UNPUBLISHABLE, STUBBORN, REFUSED}):
        yield Violation(6, key, "the executor gave up its fires")


def _crashes(observed: Observations) -> Iterator[Violation]:
    """No handler raises anything but an ``EventcronError``, and every command is handled at the end."""
    for step in observed.history.crashes:
        yield Violation(6, None, f"{step.who} crashed: {step.about}")
    if observed.simulation.deployment.commands_left or observed.simulation.deployment.running:
        yield Violation(6, None, "commands or invocations are left at the end")


def _other_tenants(observed: Observations) -> Iterator[Violation]:
    """No rejected command changes a schedule, and each fire carries the input of its own schedule."""
    for revisions in observed.revisions.values():
        for revision in revisions:
            if revision.sent is not None and revision.sent.kind is not Kind.VALID:
                yield Violation(8, revision.key, f"{revision.sent.event_id} from {revision.sent.source} changed it")
    for fire in observed.fired:
        if fire.input is not None and fire.input["of"] != str(fire.key):
            yield Violation(8, fire.key, f"it fired with the input of {fire.input['of']}")
