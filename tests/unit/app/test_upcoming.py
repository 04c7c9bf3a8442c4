"""What is about to fire, held against what then fires."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryBackfills, MemoryScheduleStore
from eventcron.app.upcoming import MAX_SPAN_MS, UpcomingReport
from eventcron.entrypoints.cli.upcoming import by_minute, notes, one_by_one
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import SkipReason
from eventcron.model.events import SkipNotice
from eventcron.model.names import Instant, Key, Unreadable, Window
from eventcron.model.records import Backfill, BackfillState, Record
from eventcron.ports import Page
from eventcron.rules import upcoming
from eventcron.testing import JumpingClock, World, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import rfc3339

MINUTE, HOUR = 60_000, 3_600_000
#: Nothing recurs to the hour or minute here, so every schedule starts somewhere in its period.
START = "2026-12-01T00:03:27Z"


def look(
    world: World, *, span: int = HOUR, since: Instant | None = None, limit: int = 100_000, **options: Any
) -> UpcomingReport:
    """The report on *world* as an operator has it at this moment."""
    start = world.now if since is None else since
    whole = world.ports.use_cases(world.settings).upcoming
    return asyncio.run(whole.look(Window(start, start + span), limit=limit, **options))


def listed(report: UpcomingReport) -> list[tuple[str, Instant]]:
    return [(str(one.fire.key), one.fire.due) for one in report.first]


def published(world: World, window: Window, revisions: Mapping[str, int] | None = None) -> list[tuple[str, Instant]]:
    """What was to be published in *window* and was; with *revisions*, what those of the schedules fired."""
    return sorted(
        (fire.schedule, fire.due_at)
        for fire in world.fired
        if window.start <= fire.published < window.end
        and (revisions is None or fire.detail["revision"] == revisions.get(fire.schedule))
    )


def put(world: World, name: str, expression: str | list[str], **more: Any) -> None:
    world.emit("Put Schedule", {"tenant": "acme", "name": name, "expression": expression, **more})


expressions = st.sampled_from(
    [
        "*/5 * * * *", "17 * * * *", "*/20 * * * * *", "30 0 * * *", "0 4 * * MON", "0 0 1 1 *",
        "rate(7 minutes)", "rate(50 minutes)",
        "at(2026-12-01T00:08:00)", "at(2026-12-01T00:40:00.250)", "at(2026-12-01T00:14:59)",
    ]
)  # fmt: skip
schedules = st.fixed_dictionaries(
    {"expression": expressions | st.lists(expressions, min_size=2, max_size=3)},
    optional={
        "timezone": st.sampled_from(["Europe/Oslo", "Asia/Kathmandu"]),
        "exclude": st.sampled_from([["*/10 * * * *"], ["2026-12-01"]]),
        "max_fires": st.integers(1, 5),
        "flexible_window_seconds": st.sampled_from([30, 900]),
        "end": st.just("2026-12-01T00:31:00Z"),
        "state": st.just("PAUSED"),
    },
)
changes = st.sampled_from(["Pause Schedule", "Delete Schedule", "Resume Schedule"])


@settings(max_examples=settings().max_examples // 10)  # each runs a World for an hour
@given(
    given_ones=st.lists(schedules, min_size=1, max_size=6),
    changed=st.lists(changes, max_size=3),
    minutes=st.integers(2, 25),
)
def test_what_is_told_is_what_fires(given_ones: list[dict[str, Any]], changed: list[str], minutes: int) -> None:
    """Whether it is the planner's still, the registrar's, or on its way already: looked at amid a horizon."""
    with World(START) as world:
        for number, one in enumerate(given_ones):
            put(world, str(number), **one)
        world.run(minutes=1)
        for number, detail_type in enumerate(changed):
            world.emit(detail_type, {"tenant": "acme", "name": str(number)})
        world.run(minutes=minutes)
        report = look(world)
        revisions = {str(key): record.revision for key, record in world.store.records.items()}
        world.run(until=report.window.end + MINUTE)
        fired = published(world, report.window)
        current = published(world, report.window, revisions)

    # What a replaced revision had handed over, spread by a flexible window, may or may not be known any more.
    assert set(current) <= set(listed(report)) <= set(fired)
    assert len(set(listed(report))) == report.fires == len(report.first)
    assert fired == current or any("flexible_window_seconds" in one for one in given_ones[: len(changed)])
    assert report.names == Counter(name for name, _ in listed(report))
    assert [one.at for one in report.first] == sorted(one.at for one in report.first)


def test_a_one_shot_that_was_handed_to_the_queue_is_told() -> None:
    """It has left the index, and is what is asked for."""
    with World(START) as world:
        put(world, "once", "at(2026-12-01T00:10:00)")
        world.run(minutes=5)
        (record,) = world.store.records.values()
        report = look(world)

    assert record.wake is None
    assert [rfc3339(due) for _, due in listed(report)] == ["2026-12-01T00:10:00.000Z"]


def test_what_is_left_of_a_replaced_revision_is_told() -> None:
    """Due before the update, and spread over the hour after it."""
    with World(START) as world:
        put(world, "spread", "* * * * *", flexible_window_seconds=3_600)
        world.run(minutes=20)
        put(world, "spread", "0 0 1 1 *", flexible_window_seconds=3_600)
        world.run(seconds=5)
        report = look(world)
        world.run(until=report.window.end + MINUTE)

        assert sorted(listed(report)) == published(world, report.window)
    assert report.fires > 10


def test_what_will_not_fire_is_told_with_its_reason_in_one_line_for_each() -> None:
    with World(START) as world:
        put(world, "half", "*/10 * * * *", exclude=["*/20 * * * *"])
        world.run(minutes=1)
        report = look(world)

    (skip,) = report.skips
    assert (skip.name, skip.reason, skip.by, skip.count) == ("half", "excluded", "*/20 * * * *", 3)
    assert (rfc3339(skip.first_due), rfc3339(skip.last_due)) == ("2026-12-01T00:20:00.000Z", "2026-12-01T01:00:00.000Z")
    assert report.fires == 3


def test_totals_count_all_and_the_list_has_the_first() -> None:
    with World(START) as world:
        put(world, "often", "* * * * * *")
        put(world, "peak", "30 0 * * *")
        world.emit("Put Schedule", {"tenant": "beta", "name": "peak", "expression": "30 0 * * *"})
        world.run(minutes=1)
        report = look(world, limit=3)

    assert [name for name, _ in listed(report)] == ["acme/often"] * 3
    assert [due - report.window.start for _, due in listed(report)] == sorted(
        {due - world.now for _, due in listed(report)}
    )
    assert report.fires == 3_602
    assert report.tenants == {"acme": 3_601, "beta": 1}
    assert max(report.seconds.values()) == 3
    (peak,) = [second for second, count in report.seconds.items() if count == 3]
    assert rfc3339(peak) == "2026-12-01T00:30:00.000Z"
    assert report.minutes[peak] == 62


def test_the_first_stay_the_first_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventcron.app.upcoming.SLACK", 0)
    with World(START) as world:
        for number in range(30):
            put(world, f"n{number}", f"{59 - number} * * * *")
        world.run(minutes=1)

        assert listed(look(world, limit=4)) == listed(look(world, limit=100))[:4]


def test_a_tenant_s_outlook_is_its_part_of_everyone_s() -> None:
    with World(START) as world:
        world.store = MemoryScheduleStore(world.clock, page_size=2)
        for tenant in ("acme", "beta", "acme2"):
            for number in range(7):
                world.emit("Put Schedule", {"tenant": tenant, "name": str(number), "expression": f"{number} * * * *"})
        world.run(minutes=1)
        everyone, beta = look(world), look(world, tenant="beta")

    assert everyone.fires == 21
    assert listed(beta) == [one for one in listed(everyone) if one[0].startswith("beta/")]
    assert (everyone.schedules, beta.schedules) == (21, 7)


def _unreadable(record: Record) -> Record:
    era = replace(record.era, trigger="9 of a later release", revision=2**52)
    return replace(record, eras=(*record.eras[:-1], era), revision=2**52)


def test_a_schedule_that_cannot_be_read_is_named_and_stops_no_other() -> None:
    with World(START) as world:
        put(world, "fine", "*/5 * * * *")
        put(world, "later", "*/5 * * * *")
        world.run(minutes=1)
        key = next(key for key in world.store.records if key.name == "later")
        broken = _unreadable(world.store.records[key])
        asyncio.run(world.store.put(broken, replacing=world.store.records[key].revision))
        report = look(world)

    (unreadable,) = report.unreadable
    assert str(unreadable.key) == "acme/later"
    assert report.names == {"acme/fine": 12}


def test_an_item_that_the_store_cannot_read_is_named_too() -> None:
    newer = Unreadable(Key("acme", "newer"), "stored in format 2")

    class HalfReadable(MemoryScheduleStore):
        async def scan(self, part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
            page = await super().scan(part, parts, cursor=cursor)
            return Page(page.items, page.cursor, [newer] if part == 0 else [])

    clock = JumpingClock(0)
    whole = memory_ports(clock, store=HalfReadable(clock)).use_cases(SETTINGS).upcoming

    assert asyncio.run(whole.look(Window(0, HOUR), limit=1)).unreadable == [newer]


def test_running_backfills_are_named_beside_it() -> None:
    backfills = MemoryBackfills()
    running = Backfill(tenant="acme", name="report", id="november", event_id="e")
    ended = replace(running, id="october", state=BackfillState.COMPLETED)
    other = replace(running, tenant="beta")

    async def enter() -> None:
        for backfill in (running, ended, other):
            await backfills.put(backfill, replacing=None)
            await backfills.enter(backfill.key)

    asyncio.run(enter())
    with World(START) as world:
        world.backfills = backfills

        assert look(world).backfills == [running, other]
        assert look(world, tenant="acme").backfills == [running]


@pytest.mark.parametrize(
    ("span", "message"),
    [
        pytest.param(0, "until: got a span that is empty; allowed: later than its beginning", id="empty"),
        pytest.param(-MINUTE, "until: got a span that is empty; allowed: later than its beginning", id="backwards"),
        pytest.param(
            MAX_SPAN_MS + 1,
            "until: got a span of 24.0 hours; allowed: at most 24 hours at a time; begin later to look further ahead",
            id="too-long",
        ),
    ],
)
def test_a_span_that_cannot_be_is_refused(span: int, message: str) -> None:
    with World(START) as world, pytest.raises(InvalidSchedule) as refused:
        look(world, span=span)

    assert str(refused.value) == message


def test_a_look_further_ahead_starts_there() -> None:
    with World(START) as world:
        put(world, "nightly", "0 2 * * *", timezone="Europe/Oslo")
        world.run(minutes=1)
        (coming,) = look(world, since=world.now + 20 * HOUR, span=6 * HOUR).first

    assert (rfc3339(coming.at), coming.timezone) == ("2026-12-02T01:00:00.000Z", "Europe/Oslo")


@given(st.integers(0, 10**13), st.integers(1, 10**7))
def test_slices_cover_a_window_without_gap_or_overlap(start: Instant, span: int) -> None:
    parts = list(upcoming.slices(Window(start, start + span)))

    assert (parts[0].start, parts[-1].end) == (start, start + span)
    assert all(before.end == after.start for before, after in pairwise(parts))
    assert all(0 < part.end - part.start <= upcoming.SLICE_MS for part in parts)


class TestText:
    """What a person reads."""

    def report(self, limit: int = 3) -> UpcomingReport:
        with World(START) as world:
            put(world, "nightly", "0 2 * * *", timezone="Europe/Oslo")
            put(world, "hourly", "30 43 * * * *", timezone="Asia/Kathmandu")
            world.emit("Put Schedule", {"tenant": "beta", "name": "spread", "expression": "* * * * *"})
            world.run(minutes=1)
            start = world.now + 52 * MINUTE
            return look(world, since=start, span=6 * MINUTE, limit=limit)

    def test_each_of_the_first_has_its_instant_its_own_time_and_its_name(self) -> None:
        assert one_by_one(self.report(limit=5)) == [
            "2026-12-01T00:57:00Z  2026-12-01T00:57:00+00:00  beta/spread",
            "2026-12-01T00:58:00Z  2026-12-01T00:58:00+00:00  beta/spread",
            "2026-12-01T00:58:30Z  2026-12-01T06:43:30+05:45  acme/hourly",
            "2026-12-01T00:59:00Z  2026-12-01T00:59:00+00:00  beta/spread",
            "2026-12-01T01:00:00Z  2026-12-01T02:00:00+01:00  acme/nightly",
            "… and 3 more: --limit lists them, --summary counts them",
            "8 fires of 3 schedules, from 2026-12-01T00:56:27Z until 2026-12-01T01:02:27Z; 3 schedules read",
        ]

    def test_a_peak_is_seen_to_come(self) -> None:
        lines = by_minute(self.report(limit=0))

        assert lines[0] == f"2026-12-01T00:57:00Z  1  {'#' * 20}"
        assert lines[3] == f"2026-12-01T01:00:00Z  2  {'#' * 40}"
        assert lines[6:] == [
            "",
            "tenant  6  beta",
            "tenant  2  acme",
            "",
            "schedule  6  beta/spread",
            "schedule  1  acme/hourly",
            "schedule  1  acme/nightly",
            "",
            "peak  2  a minute, at 2026-12-01T00:58:00Z",
            "peak  2  a second, at 2026-12-01T01:00:00Z",
            "8 fires of 3 schedules, from 2026-12-01T00:56:27Z until 2026-12-01T01:02:27Z; 3 schedules read",
        ]

    def test_nothing_to_come_is_said_too(self) -> None:
        with World(START) as world:
            none = look(world)

        line = "0 fires of 0 schedules, from 2026-12-01T00:03:27Z until 2026-12-01T01:03:27Z; 0 schedules read"
        assert (one_by_one(none), by_minute(none), notes(none)) == ([line], [line], [])

    def test_what_will_not_fire_and_what_fires_besides_are_told_below(self) -> None:
        report = self.report()
        one = SkipNotice(
            tenant="acme", name="a", revision=1, reason=SkipReason.DAYLIGHT_SAVING_GAP, first_due=0, last_due=0
        )
        many = replace(one, name="b", reason=SkipReason.EXCLUDED, by="calendar:no", last_due=HOUR, count=7)
        report.skips = [one, many]
        report.backfills = [Backfill(tenant="acme", name="r", id="november", per_minute=1_200)]

        assert notes(report) == [
            "acme/a will not fire at 1970-01-01T00:00:00Z: daylight_saving_gap",
            "acme/b will not fire at 1970-01-01T00:00:00Z, 7 times until 1970-01-01T01:00:00Z: excluded by calendar:no",
            "backfill acme/r/november fires too, up to 1,200 a minute: eventcron backfills show acme/r/november",
        ]
        report.skips = [replace(one, name=str(number)) for number in range(12)]
        assert notes(report)[10] == "… and 2 more skipped: --json lists them all"


def test_fires_are_counted_by_tenant_and_part_of_the_window() -> None:
    with World("2026-12-01T00:00:00Z") as world:
        for tenant, minute in (("acme", 0), ("acme", 30), ("globex", 30)):
            detail = {"tenant": tenant, "name": f"at-{minute}", "expression": f"{minute} * * * *"}
            world.emit("Put Schedule", detail)
        world.run(minutes=1)
        start = world.clock.now() // 3_600_000 * 3_600_000 + 3_600_000
        report = world.call(
            world.ports.use_cases(world.settings).upcoming.look(Window(start, start + 3_600_000), limit=0)
        )

    assert report.schedules_of == {"acme": 2, "globex": 1}
    assert [(row.name, row.counts[0], row.counts[30]) for row in report.heat_map.rows(20)] == [
        ("all tenants", 1, 2), ("acme", 1, 1), ("globex", 0, 1)
    ]  # fmt: skip
