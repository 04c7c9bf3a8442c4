"""Expressions of other schedulers as eventcron writes them, with an exclusion where both days have to match."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidExpression
from eventcron.model.names import Key
from eventcron.timing.cron import Cron
from eventcron.timing.notation import Notation, read
from eventcron.timing.rewrite import Rewritten, rewrite, written

#: 2026-11-21T00:00:00Z.
CHECKED_FROM = 1_795_219_200_000
KEY = Key("acme", "nightly")


def _rewrite(text: str, source: Notation) -> Rewritten:
    return rewrite(text, source, key=KEY, checked_from=CHECKED_FROM)


@pytest.mark.parametrize(
    ("source", "text", "expression"),
    [
        pytest.param(Notation.UNIX, "30  2 * * MON-FRI", "30 2 * * MON-FRI", id="what-means-the-same-stays"),
        pytest.param(Notation.EVENTBRIDGE, "cron(0 4 ? * 2 *)", "cron(0 4 ? * 2 *)", id="eventbridge-stays"),
        pytest.param(Notation.QUARTZ, "0/30 * * * * ?", "0/30 * * * * *", id="no-question-mark"),
        pytest.param(Notation.QUARTZ, "0 0 0 ? 1 1 2030", "0 0 0 * 1 0 2030", id="quartz-counts-from-sunday-1"),
        pytest.param(Notation.SPRING, "0 0 0 1-7 * MON", "0 0 * * 1#1", id="a-week-of-the-month"),
        pytest.param(Notation.SPRING, "5 0 H 8-14,22-28 * 2", "5 0 H * * 2#2,2#4", id="fields-stay-as-given"),
        pytest.param(Notation.JENKINS, "H H(0-7) * * 1-5", "H H(0-7) * * 1-5", id="hashes-stay"),
        pytest.param(Notation.JENKINS, "@midnight", "43 0 * * *", id="a-macro-of-jenkins-is-hashed"),
        pytest.param(Notation.KUBERNETES, "0 0 */2 * 1", "0 0 1-31/2 * 1", id="a-star-with-step-restricts"),
        pytest.param(Notation.CELERY, "crontab(hour='*/4')", "* */4 * * *", id="celery"),
        pytest.param(Notation.SIDEKIQ, "0 9 -1,-3 * *", "0 9 L,L-2 * *", id="from-the-end"),
        pytest.param(Notation.SIDEKIQ, "0 9 1-7 * 1&", "0 9 * * 1#1", id="an-ampersand-requires-both"),
    ],
)
def test_it_is_written_as(source: Notation, text: str, expression: str) -> None:
    assert _rewrite(text, source) == Rewritten(expression)


@pytest.mark.parametrize(
    ("text", "expression", "exclude"),
    [
        ("0 0 0 13 * FRI", "0 0 13 * *", "* * * * 0-4,6"),
        ("0 0 0 10-20 * 1,6", "0 0 10-20 * *", "* * * * 0,2-5"),
        ("0 0 0 L * MON", "0 0 L * *", "* * * * 0,2-6"),
        ("0 0 0 2-20 * 1#2,5L", "0 0 * * 1#2,5L", "* * 1,21-31 * *"),
    ],
)
def test_other_days_are_excluded_where_both_have_to_match(text: str, expression: str, exclude: str) -> None:
    assert _rewrite(text, Notation.SPRING) == Rewritten(expression, exclude)


def test_rules_in_both_day_fields_are_refused() -> None:
    with pytest.raises(InvalidExpression, match="L, W or # in both day fields"):
        _rewrite("0 0 0 15W * 5#3", Notation.SPRING)


def test_what_is_written_is_read_again_and_compared() -> None:
    other = read("0 5 * * *", Notation.UNIX)
    assert isinstance(other, Cron)

    assert written(other, "daily at five", key=KEY, checked_from=CHECKED_FROM) == Rewritten("0 5 * * *")


def test_what_is_not_of_the_source_is_refused() -> None:
    with pytest.raises(InvalidExpression, match="no L, W or #: Jenkins does not have them"):
        _rewrite("0 0 L * *", Notation.JENKINS)
