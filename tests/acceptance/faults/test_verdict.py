"""The verdict on a run full of faults passes repeats of the same fire and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from eventcron.demo.observations import Due, Observations, Publication, Skip
from eventcron.model.names import Key
from tests.acceptance.faults.verdict import judge

NOON = 1_796_126_400_000  # 2026-12-01T12:00:00Z
KEY = Key("acme", "tea")
FIRES = [Due(KEY, NOON + second * 1_000) for second in range(3)]


def publication(number: int, *, fire_id: str | None = None, late_ms: int = 20) -> Publication:
    due = FIRES[number]
    return Publication(due, fire_id or f"id{number}", 1, due.at + late_ms)


def observed() -> Observations:
    return Observations(publications=[publication(number) for number in range(3)])


def test_a_run_with_late_repeats_is_good_and_says_how_many_and_how_late() -> None:
    seen = observed()
    seen.publications += [publication(1, late_ms=12_000), publication(1, late_ms=24_000)]
    del seen.publications[2]
    seen.publications.append(publication(2, late_ms=15_000))
    verdict = judge(FIRES, seen)

    assert verdict.faults == []
    assert (verdict.due, verdict.published, verdict.repeats, verdict.latest_ms) == (3, 3, 2, 15_000)


def _lose(seen: Observations) -> None:
    del seen.publications[1]


def _be_early(seen: Observations) -> None:
    seen.publications[1] = publication(1, late_ms=-1)


def _invent(seen: Observations) -> None:
    due = Due(KEY, NOON + 500)
    seen.publications.append(Publication(due, "id9", 1, due.at))


def _rename(seen: Observations) -> None:
    seen.publications.append(publication(1, fire_id="other"))


def _confuse(seen: Observations) -> None:
    seen.publications[1] = publication(1, fire_id="id0")


def _skip(seen: Observations) -> None:
    seen.skips.append(Skip(KEY, NOON, NOON, 1, "misfire"))


@pytest.mark.parametrize(
    ("alter", "fault"),
    [
        (_lose, "missing: acme/tea due 2026-12-01T12:00:01.000Z"),
        (_be_early, "early: acme/tea due 2026-12-01T12:00:01.000Z was published at 2026-12-01T12:00:00.999Z"),
        (_invent, "unexpected: acme/tea due 2026-12-01T12:00:00.500Z"),
        (_rename, "acme/tea due 2026-12-01T12:00:01.000Z came under 2 ids"),
        (_confuse, "id id0 came for 2 fires"),
        (_skip, "skipped: 1 of acme/tea from 2026-12-01T12:00:00.000Z: misfire"),
    ],
)
def test_each_fault_is_reported(alter: Callable[[Observations], None], fault: str) -> None:
    seen = observed()
    alter(seen)

    assert judge(FIRES, seen).faults == [fault]
