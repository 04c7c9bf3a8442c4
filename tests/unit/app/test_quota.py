"""A tenant's limit: what is beyond it does not fire and is reported; nobody else notices."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryQuota
from eventcron.app.executor import QUOTA_MS, REREAD_MS
from eventcron.app.retry import TRIES
from eventcron.errors import Unavailable
from eventcron.model.commands import Misfire, MisfirePolicy
from eventcron.model.messages import Fire, Pack
from eventcron.model.names import Instant, Key
from eventcron.model.records import State
from eventcron.ports import QuotaRequest, Refusal
from eventcron.rules.packing import make_pack
from eventcron.rules.turns import ask_early_ms, in_turn
from eventcron.testing.world import SETTINGS
from tests.unit.app.test_executor import DUE, NOW, HalfReadable, Stage, fire

MINUTE = DUE // 60_000


class Counting(MemoryQuota):
    """A quota that records what it is asked for, and when. It raises ``Unavailable`` while ``out_of_reach``."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self.asked: list[tuple[Instant, QuotaRequest, int]] = []
        self.out_of_reach = False

    async def acquire(self, request: QuotaRequest, *, expires: int) -> int:
        if self.out_of_reach:
            raise Unavailable("dynamodb", "ThrottlingException")
        self.asked.append((self._stage.clock.now(), request, expires))
        return await super().acquire(request, expires=expires)


class Limited(Stage):
    """A stage on which a tenant may publish so many fires a minute."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.quota: Counting = Counting(self)
        self.settings = replace(SETTINGS, tenant_fires_per_minute=limit)
        self.begin()

    def begin(self) -> None:
        self.executor = self.ports().use_cases(self.settings).executor

    async def put_all(self, names: str, **more: Any) -> None:
        for name in names:
            await self.put(name, **more)

    @property
    def fired(self) -> list[str]:
        return [detail["name"] for kind, detail in self.reported if kind == "Schedule Fired"]

    @property
    def skips(self) -> list[tuple[str, str, str | None]]:
        return [
            (detail["name"], detail["reason"], detail.get("by"))
            for kind, detail in self.reported
            if kind == "Schedule Skipped"
        ]

    @property
    def counts(self) -> list[int]:
        return [request.count for _, request, _ in self.quota.asked]


def over(*names: str, limit: int) -> list[tuple[str, str, str]]:
    return [(name, "quota", f"{limit} fires a minute") for name in names]


def split(names: str, places: int, **more: Any) -> tuple[list[str], list[str]]:
    """The *names* whose fires are granted if a pack of them has so many *places*, and the others, both sorted."""
    order = [one.name for one in in_turn(fires(names, **more))]
    return sorted(order[:places]), sorted(order[places:])


def fires(names: str, **more: Any) -> list[Fire]:
    return [fire(name, **more) for name in names]


async def test_what_is_beyond_the_limit_is_skipped_and_told_with_the_limit() -> None:
    stage = Limited(2)
    await stage.put_all("abc")

    report = await stage.execute(*fires("cba"))

    granted, refused = split("abc", 2)
    assert (sorted(stage.fired), stage.skips) == (granted, over(*refused, limit=2))
    assert (len(report.published), [notice.reason for notice in report.skips]) == (2, ["quota"])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(fire("b"), fire("a", at=DUE + 1_000), id="what-is-to-be-published-in-an-earlier-second"),
        pytest.param(*in_turn([fire("b"), fire("a", at=DUE + 1)]), id="then-whose-turn-it-is"),
        pytest.param(*in_turn([fire("a"), fire("b")]), id="whatever-the-name"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
async def test_the_first_have_the_places(first: Fire, second: Fire, *, turned: bool) -> None:
    stage = Limited(1)
    await stage.put_all("ab")

    await stage.execute(*((second, first) if turned else (first, second)))

    assert (stage.fired, stage.skips) == ([first.name], over(second.name, limit=1))


async def test_packs_of_a_minute_share_the_places_and_the_next_minute_has_its_own() -> None:
    stage = Limited(3)
    await stage.put_all("abcd")

    await stage.execute(*fires("ab"))
    stage.clock.instant = (MINUTE + 1) * 60_000 - 2_000
    await stage.execute(*fires("cd", due=(MINUTE + 1) * 60_000 - 1_000))
    await stage.execute(*fires("abc", due=(MINUTE + 1) * 60_000))

    assert stage.fired == [*"abc", *"abc"]
    assert stage.skips == over("d", limit=3)


async def test_one_tenant_s_fires_take_no_place_of_another_s() -> None:
    stage = Limited(2)
    await stage.put_all("abcd")
    await stage.put_all("yz", tenant="quiet")

    await stage.execute(*fires("abcd"), *fires("yz", tenant="quiet"))

    granted, refused = split("abcd", 2)
    assert sorted(stage.fired) == [*granted, "y", "z"]
    assert sorted(stage.skips) == over(*refused, limit=2)


async def test_places_are_asked_for_once_a_tenant_and_pack_before_the_last_reading() -> None:
    stage = Limited(9)
    await stage.put_all("ab")
    await stage.put("y", tenant="quiet")
    pack = make_pack([fire("a"), fire("b", due=DUE + 500), fire("y", tenant="quiet")])

    await stage.executor.execute(pack)

    asked_at = DUE - QUOTA_MS - ask_early_ms(pack.id)
    assert stage.quota.asked == [
        (
            asked_at,
            QuotaRequest(tenant=tenant, minute=MINUTE, pack_id=pack.id, count=count, limit=9),
            asked_at // 1000 + SETTINGS.ledger_days * 86_400,
        )
        for tenant, count in (("acme", 2), ("quiet", 1))
    ]
    assert [instant for instant in stage.clock.slept_to if instant <= DUE] == [asked_at, DUE - REREAD_MS, DUE]
    assert [detail["name"] for _, detail in stage.reported] == ["a", "y", "b"]


async def test_without_a_limit_the_ledger_is_not_asked_and_nothing_is_read_twice() -> None:
    stage = Limited(0)
    await stage.put_all("abc")

    await stage.execute(*fires("abc"))

    assert (len(stage.fired), stage.quota.asked) == (3, [])
    assert [instant for instant in stage.clock.slept_to if instant < DUE - REREAD_MS] == []


async def test_what_would_not_be_published_takes_no_place() -> None:
    stage = Limited(1)
    late = Misfire(grace_seconds=60)
    await stage.put("deleted", state=State.DELETED, schedule=None, revision=2)
    await stage.put("missed", schedule={"misfire": late})
    await stage.put("well")
    stage.clock.instant = DUE + 60_001

    await stage.execute(fire("deleted"), fire("gone"), fire("missed"), fire("well"))

    assert (stage.counts, stage.fired, stage.skips) == ([1], ["well"], [("missed", "misfire", None)])


async def test_a_misfire_is_not_told_as_over_the_limit() -> None:
    """It was beyond the limit when places were taken, and beyond its grace when it was to be published."""
    stage = Limited(1)
    await stage.put_all("ab")
    await stage.put("c", schedule={"misfire": Misfire(grace_seconds=0)})
    stage.clock.instant = DUE

    async def slow(request: QuotaRequest, *, expires: int) -> int:
        places = await MemoryQuota.acquire(stage.quota, request, expires=expires)
        stage.clock.instant += 5_000
        return places

    stage.quota.acquire = slow  # type: ignore[method-assign]  # for once
    report = await stage.execute(*fires("abc"))

    assert (stage.fired, stage.skips) == (["a"], [*over("b", limit=1), ("c", "misfire", None)])
    assert sum(notice.reason == "quota" for notice in report.skips) == 1


async def test_runs_count_too() -> None:
    stage = Limited(1)
    await stage.put_all("ab")

    await stage.execute(*fires("ab", cause="run", cause_id="x"))

    granted, refused = split("ab", 1, cause="run", cause_id="x")
    assert (stage.fired, stage.skips) == (granted, over(*refused, limit=1))
    skip = stage.reported[-1][1]
    assert (skip["cause"], skip["cause_id"]) == ("run", "x")


PATIENT = [
    pytest.param({"cause": "backfill", "cause_id": "x"}, {}, id="a-backfill"),
    pytest.param({"cause_id": "resume:7"}, {}, id="what-a-resume-asked-for"),
    pytest.param(
        {"cause_id": "resume:7"},
        {"misfire": Misfire(policy=MisfirePolicy.SKIP)},
        id="what-a-resume-asked-for-of-a-schedule-that-skips-what-is-late",
    ),
    pytest.param({}, {"misfire": Misfire(policy=MisfirePolicy.FIRE_ALL)}, id="a-late-fire-of-fire_all"),
]


@pytest.mark.parametrize(("more", "schedule"), PATIENT)
async def test_what_is_caught_up_on_waits_for_the_limit(more: Any, schedule: Any) -> None:
    stage = Limited(3)
    await stage.put_all("abc", schedule=schedule)
    stage.clock.instant = DUE + 90_000  # in the middle of a minute: it may use half of the limit by then

    report = await stage.execute(*fires("abc", **more))

    assert (stage.fired, stage.skips, report.waiting, report.put_back) == (["a", "b"], [], 1, 0)
    (pack,) = stage.put_back()
    assert ([one.name for one in pack.fires], pack.attempt) == (["c"], 1)
    assert pack.fires[0].at == DUE


@pytest.mark.parametrize(("more", "schedule"), PATIENT)
async def test_what_is_due_in_the_minute_goes_first(more: Any, schedule: Any) -> None:
    stage = Limited(2)
    await stage.put_all("abc", schedule=schedule)
    stage.clock.instant = DUE + 75_000
    await stage.execute(*fires("a", due=DUE + 75_000))

    report = await stage.execute(*fires("bc", **more))
    await stage.execute(*fires("b", due=DUE + 76_000))

    assert (stage.fired, stage.skips, report.waiting, report.put_back) == (["a", "b"], [], 2, 0)


async def test_the_last_fire_completes_its_schedule_though_it_is_over_the_limit() -> None:
    stage = Limited(1)
    await stage.put_all("ab")

    await stage.execute(fire("a"), fire("b", last=True))

    assert [kind for kind, _ in stage.reported] == ["Schedule Fired", "Schedule Skipped", "Schedule Completed"]
    assert stage.store.records[Key("acme", "b")].state is State.COMPLETED


async def test_a_pack_received_again_is_decided_as_before_and_not_counted_twice() -> None:
    stage = Limited(3)
    await stage.put_all("abcd")
    pack = make_pack(fires("ab"))
    record, failing = stage.packs.record, iter([True, False, False])

    async def dies(pack_id: str, *, now: Instant, expires: int) -> None:
        if next(failing):
            raise Unavailable("dynamodb", "ThrottlingException")
        await record(pack_id, now=now, expires=expires)

    stage.packs.record = dies  # type: ignore[method-assign]  # the executor dies after publishing
    with pytest.raises(Unavailable):
        await stage.executor.execute(pack)
    await stage.executor.execute(pack)
    await stage.execute(*fires("cd"))

    assert (stage.fired, stage.skips) == ([*"ab", *"ab", "c"], over("d", limit=3))


async def test_what_was_told_as_skipped_stays_so_when_the_pack_is_received_again() -> None:
    stage = Limited(1)
    await stage.put_all("ab")
    pack = make_pack(fires("ab"))
    stage.refuse_pack = Refusal(index=0, code="InternalError")
    stage.refuse_only, stage.refusals = b'"name":"a"', deque([Refusal(index=0, code="ThrottlingException")] * TRIES)
    with pytest.raises(Unavailable, match="1 of 1 packs refused"):
        await stage.executor.execute(pack)
    assert stage.fired == []

    stage.refuse_pack = None
    await stage.executor.execute(pack)

    # The skip was reported before the put-back failed, so it is reported again: the same, as events may come twice.
    assert (stage.fired, stage.skips) == (["a"], over("b", limit=1) * 2)


async def test_what_was_put_back_has_its_place() -> None:
    stage = Limited(2)
    await stage.put_all("abc")
    stage.refuse_only, stage.refusals = b'"name":"b"', deque([Refusal(index=0, code="ThrottlingException")] * TRIES)

    await stage.execute(*fires("ab"))
    await stage.execute(fire("c"))
    (smaller,) = _attempts(stage.put_back(), 2)
    await stage.executor.execute(smaller)

    assert (stage.fired, stage.skips) == (["a", "b"], over("c", limit=2))
    assert stage.counts == [2, 1]


async def test_what_the_bus_refuses_for_good_has_used_its_place() -> None:
    stage = Limited(2)
    await stage.put_all("abc")
    stage.refuse_only, stage.refusals = (
        b'"name":"b"',
        deque([Refusal(index=0, code="MalformedDetail", retryable=False)]),
    )

    report = await stage.execute(*fires("ab"))
    await stage.execute(fire("c"))

    assert (report.failed, stage.fired, stage.skips) == (1, ["a"], over("c", limit=2))


async def test_what_cannot_be_read_takes_a_place_and_keeps_it() -> None:
    stage = Limited(1)
    stage.store = HalfReadable(stage.clock)
    stage.begin()
    await stage.put("well")

    await stage.execute(fire("newer"), fire("well"))

    assert (stage.counts, stage.fired, stage.skips) == ([2], [], over("well", limit=1))
    _attempts(stage.put_back(), 2)


async def test_a_pack_seen_far_too_early_is_counted_when_it_is_back() -> None:
    stage = Limited(1)
    await stage.put("a")

    report = await stage.execute(fire("a", due=NOW + 60_000))

    assert (report.put_back, stage.quota.asked) == (1, [])


async def test_a_quota_out_of_reach_brings_the_pack_back_and_nothing_is_published() -> None:
    stage = Limited(1)
    await stage.put("a")
    stage.quota.out_of_reach = True

    with pytest.raises(Unavailable):
        await stage.execute(fire("a"))

    assert stage.reported == []
    stage.quota.out_of_reach = False
    await stage.execute(fire("a"))
    assert stage.fired == ["a"]


def _attempts(packs: Sequence[Pack], attempt: int) -> Sequence[Pack]:
    """*packs*, all of that round through the queue."""
    assert [pack.attempt for pack in packs] == [attempt] * len(packs) != []
    return packs
