"""A resume's catch-up, as stories: a pause over many occurrences, and who sends which of them when."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.model.codes import SkipReason
from eventcron.model.commands import MisfirePolicy
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Window
from eventcron.model.records import Backfill, BackfillState, Record
from eventcron.rules import backfill, catch_up
from eventcron.rules.catch_up import FIRST_MS, MAX_COUNTED
from eventcron.rules.handover import handover
from tests.unit.rules.test_lifecycle import DAY, FIRST, FOURTH, SECOND, THIRD, at, delivered, pause, put, resume, when

HOUR = 3_600
MORNING = 12 * HOUR - 20


def resumed(*, per_minute: int = 60, until: int = MORNING, **fields: Any) -> Record:
    """Put at 100 s, paused at 425 s, resumed with ``fire_all`` at *until*, shortly before noon."""
    record = delivered(put(None, FIRST, when(100), **fields))
    record = delivered(pause(record, SECOND, when(425, planned=1_000)))
    return catch_up.paced(resume(record, THIRD, when(until), MisfirePolicy.FIRE_ALL), per_minute)


def sent(record: Record, remainder: Backfill | None) -> list[Fire]:
    """What the registrar sends of the pause."""
    parts = handover(record, now=at(MORNING), remainder=remainder)
    return [fire for part in parts for fire in part.fires if fire.due < record.era.catch_up_until]


def sent_later(remainder: Backfill, now: Instant) -> list[Fire]:
    """What planners send of *remainder*, with an endless horizon."""
    fires: list[Fire] = []
    while (claimed := backfill.claim(remainder, now=now, horizon_end=10**15, lease_until=0)) is not None:
        part = backfill.make_slice(claimed)
        fires += part.fires
        remainder = part.after
    return fires


def test_twelve_hours_of_a_minutely_schedule_are_spread_over_twelve_minutes() -> None:
    record = resumed()
    remainder = catch_up.remainder_of(record)
    assert remainder is not None

    fires = [*sent(record, remainder), *sent_later(remainder, at(MORNING))]

    assert [(fire.due - DAY) / 60_000 for fire in fires] == list(range(8, 720))
    assert {later.at - fire.at for fire, later in pairwise(fires)} == {1_000}
    assert fires[0].at == at(MORNING)
    assert {(fire.cause, fire.public_id, fire.revision) for fire in fires} == {("schedule", "", THIRD)}


def test_the_registrar_sends_ten_minutes_of_it_and_a_remainder_the_rest() -> None:
    record = resumed()
    remainder = catch_up.remainder_of(record)

    assert remainder is not None
    assert len(sent(record, remainder)) == FIRST_MS // 1_000
    assert (remainder.id, remainder.event_id, remainder.schedule_created) == (
        f"resume:{THIRD}",
        f"e{THIRD}",
        record.created,
    )
    assert (remainder.per_minute, remainder.at, remainder.span.end) == (
        60,
        at(MORNING) + FIRST_MS,
        record.era.catch_up_until,
    )


def test_what_takes_ten_minutes_needs_no_remainder() -> None:
    assert catch_up.remainder_of(resumed(until=10 * HOUR)) is None


def test_a_few_go_at_once() -> None:
    record = resumed(until=1_000)

    assert [(fire.due - DAY) / 60_000 for fire in sent(record, None)] == [8, 9, 10, 11, 12, 13, 14, 15, 16]
    assert {fire.at for fire in sent(record, None)} == {at(1_000)}


def test_where_no_remainder_may_be_opened_the_registrar_spreads_all_over_ten_minutes() -> None:
    fires = sent(resumed(per_minute=1), None)

    assert len(fires) == 712
    assert fires[-1].at <= at(MORNING) + FIRST_MS
    assert max(later.at - fire.at for fire, later in pairwise(fires)) == FIRST_MS // 712


def test_the_remainder_leaves_out_what_an_earlier_definition_has() -> None:
    """A put that was sent during the pause and comes after it: both have what was due until then."""
    record = resumed(per_minute=1)
    late = put(delivered(record), FOURTH, when(MORNING + 60, sent=MORNING - HOUR), "*/7 * * * *")

    own = {fire.due for part in handover(late, now=at(MORNING + 60)) for fire in part.fires}
    assert not own & set(range(at(0), record.era.catch_up_until, 60_000))
    assert catch_up.remainder_of(late) is None


@pytest.mark.parametrize(
    ("missed", "fields"),
    [
        pytest.param(MisfirePolicy.SKIP, {}, id="skip"),
        pytest.param(MisfirePolicy.FIRE_ONCE, {}, id="fire_once"),
        pytest.param(MisfirePolicy.FIRE_ALL, {"misfire": {"grace_seconds": 60}}, id="beyond-the-grace"),
    ],
)
def test_what_is_not_asked_for_is_not_sent_later(missed: MisfirePolicy, fields: dict[str, Any]) -> None:
    record = delivered(put(None, FIRST, when(100), **fields))
    record = delivered(pause(record, SECOND, when(425, planned=1_000)))
    record = catch_up.paced(resume(record, THIRD, when(MORNING), missed), 1)

    assert catch_up.remainder_of(record) is None
    assert len(sent(record, None)) == (missed is not MisfirePolicy.SKIP)


def test_delivered_there_is_nothing_to_open_any_more() -> None:
    assert catch_up.remainder_of(delivered(resumed())) is None


@pytest.mark.parametrize(("max_fires", "completes"), [(20, True), (10_000, False)])
def test_the_remainder_that_has_the_last_occurrences_completes_the_schedule(max_fires: int, completes: bool) -> None:
    record = resumed(per_minute=1, max_fires=max_fires)
    remainder = catch_up.remainder_of(record)

    assert remainder is not None
    assert remainder.completes is completes
    parts = list(handover(record, now=at(MORNING), remainder=remainder))
    assert not any(part.is_over or any(fire.last for fire in part.fires) for part in parts)


def test_of_a_cancelled_remainder_one_notice_tells_what_is_not_sent() -> None:
    remainder = catch_up.remainder_of(resumed())
    assert remainder is not None

    (notice,) = catch_up.unsent(remainder, SkipReason.DELETED)
    assert (notice.reason, notice.cause, notice.cause_id, notice.count) == ("deleted", "schedule", "", 112)
    assert (notice.first_due, notice.last_due) == (at(608 * 60), at(719 * 60))
    assert catch_up.unsent(replace(remainder, enqueued_through=remainder.span.end), SkipReason.DELETED) == []
    assert catch_up.unsent(replace(remainder, id="november"), SkipReason.CANCELLED) == []


def test_a_notice_of_what_nobody_can_read_any_more_says_so() -> None:
    remainder = catch_up.remainder_of(resumed())
    assert remainder is not None

    (notice,) = catch_up.unsent(replace(remainder, trigger="9;later"), SkipReason.DELETED)
    assert notice.reason == "unreadable_trigger"


def test_a_notice_counts_no_more_than_a_pause_does() -> None:
    remainder = catch_up.remainder_of(resumed())
    assert remainder is not None
    secondly = resumed(expression="* * * * * *").era.trigger
    long = replace(remainder, trigger=secondly, enqueued_through=0, span=Window(0, DAY))

    assert [notice.count for notice in catch_up.unsent(long, SkipReason.DELETED)] == [MAX_COUNTED]


def remainder_named(name: str, *, per_minute: int, revision: int, **more: Any) -> Backfill:
    values = {"tenant": "acme", "id": f"resume:{revision}", "state": BackfillState.RUNNING, **more}
    return Backfill(name=name, per_minute=per_minute, revision=revision, **values)


def test_catch_ups_of_a_tenant_take_turns_so_that_together_they_use_half_of_its_limit() -> None:
    remainders = [
        remainder_named("third", per_minute=20, revision=3),
        remainder_named("second", per_minute=20, revision=2),
        remainder_named("first", per_minute=30, revision=1),
        remainder_named("other", per_minute=50, revision=9, tenant="bolt"),
        remainder_named("backfill", per_minute=600, revision=0, id="november"),
    ]

    assert {key.name for key in catch_up.waiting(remainders, limit=100)} == {"third"}
    assert catch_up.waiting(remainders, limit=0) == frozenset()


def test_one_catch_up_goes_on_however_low_the_limit() -> None:
    remainders = [remainder_named(name, per_minute=1, revision=number) for number, name in enumerate("ab")]

    assert {key.name for key in catch_up.waiting(remainders, limit=1)} == {"b"}
