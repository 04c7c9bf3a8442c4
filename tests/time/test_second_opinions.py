"""cronsim and croniter on the same random expressions: every disagreement falls under a rule of docs/design/time.md.

A disagreement that no rule explains fails. The table in docs/design/time.md has the same rules, and says who is right.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from croniter import CroniterError, croniter
from cronsim import CronSim, CronSimError

from eventcron.errors import InvalidExpression
from eventcron.model.names import Instant, Window
from eventcron.oracle.occurrences import zone_info
from eventcron.timing.trigger import occurrences, parse
from tests.time.expressions import Maker, changes

#: A sweep. ``test_published`` and ``test_nights`` are quick.
pytestmark = pytest.mark.slow

COUNT = 5_000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 200

HOUR_MS = 3_600_000

#: None if the expression was rejected.
Answer = list[Instant] | None

_NAMES = {name: str(n) for n, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])}


def _ranges(expression: str) -> list[tuple[int, int, bool]]:
    """(first, last, has a step) of every range of two numbers."""
    found = re.findall(r"(?<![L0-9-])(\d+)-(\d+)(/\d+)?", expression)
    return [(int(first), int(last), bool(step)) for first, last, step in found]


def wraps(expression: str) -> bool:
    return any(first > last for first, last, _ in _ranges(expression))


def wraps_with_step(expression: str) -> bool:
    return any(first > last and step for first, last, step in _ranges(expression))


def is_one_value(expression: str) -> bool:
    return any(first == last or (first, last) == (7, 0) for first, last, _ in _ranges(expression))


def is_one_value_with_step(expression: str) -> bool:
    return any(first == last and step for first, last, step in _ranges(expression))


def has_more_day_rules(expression: str) -> bool:
    """``L``, ``W`` and ``#`` where only eventcron and Quartz take them."""
    return bool(re.search(r"[LW]", expression))


def steps_in_weekday(expression: str) -> bool:
    """``4/3``: from Thursday to the field's end, which is 7."""
    return bool(re.search(r"(^|,)\d+/", expression.split()[4]))


def star_with_step_joins_days(expression: str) -> bool:
    """``*/2`` in one day field, something in the other."""
    day, weekday = expression.split()[2::2]
    return "*" not in {day, weekday} and (day.startswith("*") or weekday.startswith("*"))


def is_wildcard(expression: str) -> bool:
    minute, hour, *_ = expression.split()
    return minute.startswith("*") or hour.startswith("*")


def never_matches(expression: str) -> bool:
    with pytest.raises(InvalidExpression) as caught:
        parse(expression, anchor=0)
    return caught.value.code == "never_matches"


@dataclass(frozen=True)
class Case:
    """One disagreement. The expression has weekdays as numbers; the instant is that of the nearest clock change."""

    expression: str
    ours: Answer
    theirs: Answer
    change: Instant

    @property
    def both_answer(self) -> bool:
        return self.ours is not None and self.theirs is not None

    @property
    def differing(self) -> set[Instant]:
        return set(self.theirs or ()) ^ set(self.ours or ())


#: For each rule, whether it explains a disagreement.
Rules = dict[str, Callable[[Case], bool]]

CRONSIM: Rules = {
    "refuses-what-is-not-debians": lambda case: (
        case.theirs is None and (wraps(case.expression) or has_more_day_rules(case.expression))
    ),
    "does-not-notice-never": lambda case: case.ours is None and not case.theirs and never_matches(case.expression),
    "reads-5-5/n-as-5/n": lambda case: case.both_answer and is_one_value_with_step(case.expression),
    "mistakes-the-hour-after-a-missing-midnight": lambda case: (
        case.both_answer
        and is_wildcard(case.expression)
        and all(case.change <= differing < case.change + HOUR_MS for differing in case.differing)
    ),
}
CRONITER: Rules = {
    "refuses-day-rules": lambda case: case.theirs is None and has_more_day_rules(case.expression),
    "reads-5-5-as-*": lambda case: case.both_answer and is_one_value(case.expression),
    "miscounts-steps-around-the-end": lambda case: case.both_answer and wraps_with_step(case.expression),
    "ORs-days-with-*/n": lambda case: case.both_answer and star_with_step_joins_days(case.expression),
    "ends-weekday-steps-at-6": lambda case: case.both_answer and steps_in_weekday(case.expression),
    "loses-#-W-and-L-next-to-the-other-day-field": lambda case: (
        bool(re.search("[#WL]", case.expression)) and "*" not in case.expression.split()[2::2]
    ),
}


def classify(rules: Rules, case: Case) -> str | None:
    return next((rule for rule, explains in rules.items() if explains(case)), None)


def with_numbers(expression: str) -> str:
    return re.sub("|".join(_NAMES), lambda name: _NAMES[name[0]], expression.upper())


def instant(moment: datetime) -> Instant:
    return round(moment.astimezone(UTC).timestamp()) * 1000


def expressions(maker: Maker) -> Iterator[str]:
    for _ in range(COUNT):
        day = maker.day() if maker.random.random() < 0.4 else "*"
        weekday = maker.weekday(0) if maker.random.random() < 0.4 else "*"
        yield f"{maker.minute()} {maker.hour()} {day} * {weekday}"


def engine(expression: str, zone: str, window: Window) -> Answer:
    try:
        return list(occurrences(parse(expression, timezone=zone, anchor=0), window))
    except InvalidExpression:
        return None


def of_cronsim(expression: str, start: datetime, end: Instant) -> Answer:
    try:
        return list(takewhile(lambda found: found < end, map(instant, CronSim(expression, start))))
    except (CronSimError, RuntimeError):  # a generator that raises StopIteration inside next()
        return None


def of_croniter(expression: str, start: datetime, end: Instant) -> Answer:
    try:
        found = croniter(expression, start, ret_type=datetime, max_years_between_matches=10)
        return list(takewhile(lambda moment: moment < end, map(instant, found.all_next(datetime))))
    except CroniterError:
        return None


def tally(rules: Rules, zone: str, theirs: Callable[[str, datetime, Instant], Answer]) -> Counter[str]:
    maker = Maker(seed=7)
    counted: Counter[str] = Counter()
    for expression in expressions(maker):
        night = maker.random.choice(changes(zone))
        start = (night - timedelta(hours=20)).replace(tzinfo=UTC)
        window = Window(instant(start) + 1, instant(start + timedelta(hours=48)))
        ours = engine(expression, zone, window)
        other = theirs(expression, start.astimezone(zone_info(zone)), window.end)
        if ours != other:
            case = Case(with_numbers(expression), ours, other, instant(night.replace(tzinfo=UTC)))
            rule = classify(rules, case)

            assert rule is not None, f"{expression!r} in {zone} around {night}: no rule explains it"
            counted[rule] += 1
    return counted


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/London", "Europe/Oslo", "America/Sao_Paulo"])
def test_every_disagreement_with_cronsim_is_explained(zone: str) -> None:
    tally(CRONSIM, zone, of_cronsim)


def test_every_disagreement_with_croniter_in_utc_is_explained() -> None:
    counted = tally(CRONITER, "UTC", of_croniter)

    if COUNT > 1_000:
        assert set(counted) == set(CRONITER)
