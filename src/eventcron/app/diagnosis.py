"""Judge what was found in a deployment: is it well, what is wrong with it, and what is the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.model.events import EVENT_SOURCE, FIRE_SOURCE_PREFIX
from eventcron.model.names import Instant
from eventcron.ports import SegmentState
from eventcron.rules.event_patterns import OnBus
from eventcron.rules.lag import lag_ms
from eventcron.settings import FireSource, Settings
from eventcron.wire.outcomes import LAMBDA, STATES

#: Milliseconds. Signature Version 4: "requests must reach AWS within five minutes of the time stamp in the request".
SIGNATURE_MS = 300_000
#: Milliseconds by which a clock may be off: the header ``Date`` has whole seconds.
CLOCK_MS = 1_000
#: Parts of a limit from which it is near, in hundredths: time to act remains.
NEAR_PERCENT = 90
#: EventBridge's quotas, rules: 300 rules on a bus.
RULES_ON_A_BUS = 300


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    #: Nothing is lost yet, or the check could not be made.
    WARNING = "warning"
    FAILED = "failed"


class Finding(Struct, frozen=True, kw_only=True):
    """What one check found."""

    level: Level
    #: The name of the check.
    check: str
    what: str
    #: What to do about it; "" if nothing is to be done.
    remedy: str = ""


def ok(check: str, what: str) -> Finding:
    return Finding(level=Level.OK, check=check, what=what)


def warning(check: str, what: str, remedy: str) -> Finding:
    return Finding(level=Level.WARNING, check=check, what=what, remedy=remedy)


def failed(check: str, what: str, remedy: str) -> Finding:
    return Finding(level=Level.FAILED, check=check, what=what, remedy=remedy)


def exit_status(findings: Iterable[Finding]) -> int:
    """
    >>> exit_status([ok("clock", "right")]), exit_status([warning("clock", "off", "set it"), ok("x", "well")])
    (0, 3)
    """
    levels = {finding.level for finding in findings}
    return 1 if Level.FAILED in levels else 3 if Level.WARNING in levels else 0


def clock_offset_ms(served: Instant, *, before: Instant, after: Instant) -> int:
    """By how many milliseconds this machine's clock is certainly ahead (behind: negative) of the server's.

    The server answered between *before* and *after*, and its clock showed a part of the second that begins at *served*.

    >>> clock_offset_ms(10_000, before=10_200, after=10_300), clock_offset_ms(10_000, before=15_000, after=15_100)
    (0, 4000)
    """
    if before > served + 1_000:
        return before - served - 1_000
    return min(0, after - served)


def clock(offset_ms: int) -> Finding:
    """Judge this machine's clock."""
    side = "ahead of" if offset_ms > 0 else "behind"
    off = f"this machine's clock is {abs(offset_ms) / 1000:,.1f} s {side} that of AWS"
    remedy = "synchronise it by NTP, say `timedatectl set-ntp true`: commands are ordered by time"
    if abs(offset_ms) >= SIGNATURE_MS:
        return failed("clock", off + ", so AWS refuses its requests", remedy)
    if abs(offset_ms) > CLOCK_MS:
        return warning("clock", off, remedy)
    return ok("clock", "this machine's clock is that of AWS, to the second")


def segments(states: Sequence[SegmentState], *, now: Instant, settings: Settings) -> list[Finding]:
    """Judge how far each segment is planned. A lag beyond horizon minus tick makes fires late."""
    tick_ms = settings.tick_seconds * 1_000
    slack_ms = settings.horizon_seconds * 1_000 - tick_ms
    never = [state.segment for state in states if not state.planned_through]
    lags = {
        state.segment: lag_ms(
            state.planned_through,
            now=now,
            horizon_seconds=settings.horizon_seconds,
            tick_seconds=settings.tick_seconds,
        )
        for state in states
        if state.planned_through
    }
    stuck = {segment: lag for segment, lag in lags.items() if lag > slack_ms}
    late = {segment: lag for segment, lag in lags.items() if lag > tick_ms and segment not in stuck}
    look = "look at the planner's log and alarms; `eventcron segments` shows each segment"
    found = []
    if stuck:
        found.append(failed("segments", f"{_segments(stuck)} stuck: {_most(stuck)} behind, so fires are late", look))
    if late:
        found.append(warning("segments", f"{_segments(late)} late: a tick was missed, {_most(late)} behind", look))
    if never:
        found.append(
            warning(
                "segments",
                f"{_segments(never)} not planned yet",
                f"wait a tick, {settings.tick_seconds} s; then {look}",
            )
        )
    return found or [ok("segments", f"all {len(states):,} segments are planned in time")]


def _segments(numbers: Iterable[int]) -> str:
    """
    >>> _segments([3]), _segments(range(9))
    ('segment 3 is', '9 segments (0, 1, 2, 3, 4, …) are')
    """
    known = sorted(numbers)
    if len(known) == 1:
        return f"segment {known[0]} is"
    shown = ", ".join(map(str, known[:5])) + (", …" if len(known) > 5 else "")  # noqa: PLR2004  # as many fit into a line
    return f"{len(known):,} segments ({shown}) are"


def _most(lags: Mapping[int, int]) -> str:
    return f"up to {max(lags.values()) / 1000:,.0f} s"


def dead_letters(counts: Mapping[str, int]) -> list[Finding]:
    """Judge the number of messages in each dead-letter queue."""
    found = [
        failed(
            "dead-letters",
            f"{count:,} dead letter{'s' if count > 1 else ''} of {queue}",
            f"`eventcron redrive show {queue}` says why; then `eventcron redrive send {queue} --all`, or drop",
        )
        for queue, count in counts.items()
        if count
    ]
    return found or [ok("dead-letters", f"the dead-letter queues are empty: {', '.join(counts)}")]


def tenants(counts: Mapping[str, int], *, most: int, complete: bool) -> list[Finding]:
    """Judge how many schedules each tenant has of *most*. *complete*: all tenants were looked at."""
    if not most:
        return [ok("tenants", "tenants may have any number of schedules, as MaxSchedulesPerTenant is 0")]
    remedy = "delete schedules that are done, or raise the stack's parameter MaxSchedulesPerTenant"
    found = []
    for tenant, count in sorted(counts.items(), key=lambda item: -item[1]):
        has = f"tenant {tenant} has {count:,} of {most:,} schedules"
        if count >= most:
            found.append(failed("tenants", f"{has}; its further ones are rejected", remedy))
        elif count * 100 >= most * NEAR_PERCENT:
            found.append(warning("tenants", has, remedy))
    if not found and complete:
        return [ok("tenants", f"no tenant is near {most:,} schedules")]
    return found or [
        ok("tenants", f"no tenant that was looked at is near {most:,} schedules; `eventcron limits TENANT` shows one")
    ]


def concurrency(*, wanted: int, unreserved: int) -> Finding:
    """Judge whether Lambda runs as many functions at once as the pollers may ask for."""
    if wanted > unreserved:
        return warning(
            "concurrency",
            f"the pollers may run {wanted:,} functions at once, and the account has {unreserved:,} left for all its"
            " functions",
            "raise Lambda's quota of concurrent executions, or lower MaxExecutors and MaxRegistrars",
        )
    return ok("concurrency", f"the pollers run at most {wanted:,} functions at once, of {unreserved:,} in the account")


def rules_on_bus(count: int) -> list[Finding]:
    """Judge how many rules a bus has."""
    if count * 100 < RULES_ON_A_BUS * NEAR_PERCENT:
        return []
    return [
        warning(
            "rules",
            f"the bus has {count:,} rules; EventBridge allows {RULES_ON_A_BUS} by default",
            "raise the quota of rules on a bus, or let tenants share rules",
        )
    ]


def on_bus(settings: Settings, *, account: str, region: str) -> OnBus:
    """What is put and published on the bus of a deployment."""
    fires = (FIRE_SOURCE_PREFIX,) if settings.fire_source is FireSource.PER_TENANT else ()
    return OnBus(
        sources=(EVENT_SOURCE, *sorted(settings.trusted_sources)),
        prefixes=(TENANT_SOURCE_PREFIX, *fires),
        # Functions have the bus as a destination; rules elsewhere forward what Step Functions says.
        others=(LAMBDA, STATES),
        account=account,
        region=region,
    )
