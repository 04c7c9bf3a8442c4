"""Expressions by the rules of the scheduler that they were written for."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidExpression
from eventcron.model.names import Key
from eventcron.timing.cron import Cron
from eventcron.timing.expression import At, Item, Rate
from eventcron.timing.notation import JENKINS_MACROS, Notation, read
from tests.unit.timing.moments import at, cron

N, U, E, Q, K = Notation.EVENTCRON, Notation.UNIX, Notation.EVENTBRIDGE, Notation.QUARTZ, Notation.KUBERNETES
C, Y, P, J, F = Notation.CELERY, Notation.SYSTEMD, Notation.SPRING, Notation.JENKINS, Notation.SIDEKIQ
KEY = Key("acme", "nightly-export")

#: Half past nine from Monday to Friday, in each notation.
HALF_PAST_NINE = {
    N: "30 9 * * MON-FRI",
    U: "30 9 * * 1-5",
    E: "cron(30 9 ? * 2-6 *)",
    Q: "0 30 9 ? * 2-6",
    K: "30 9 * * mon-fri",
    C: "crontab(minute=30, hour=9, day_of_week='mon-fri')",
    Y: "Mon..Fri 09:30",
    P: "0 30 9 * * MON-FRI",
    J: "30 9 * * 1-5",
    F: "30 9 * * mon-fri",
}


@pytest.mark.parametrize("notation", Notation)
def test_every_notation_is_read(notation: Notation) -> None:
    assert read(HALF_PAST_NINE[notation], notation) == cron("30 9 * * 1-5")


@pytest.mark.parametrize(
    ("notation", "text", "expected"),
    [
        pytest.param(U, "@weekly", cron("0 0 * * 0"), id="unix-macro"),
        pytest.param(K, "@Monthly", cron("0 0 1 * *"), id="kubernetes-macro"),
        pytest.param(K, " @every 1h30m", Rate(5_400_000, 0), id="kubernetes-every"),
        pytest.param(E, "rate(5 minutes)", Rate(300_000, 0), id="eventbridge-rate"),
        pytest.param(E, "at(2026-12-01T09:00:00)", At(at("2026-12-01T09:00:00")), id="eventbridge-at"),
        pytest.param(E, "0 9 ? * 7 *", cron("0 9 * * 6"), id="eventbridge-fields-alone"),
        pytest.param(Q, "0 0 9 1 1 ? 2027", cron("0 0 9 1 1 ? 2027"), id="quartz-with-a-year"),
        pytest.param(Q, "0 0 9 ? * L", cron("0 9 * * 6"), id="quartz-L-is-saturday"),
        pytest.param(P, "@daily", cron("0 0 * * *"), id="spring-macro"),
        pytest.param(P, "0 0 9 1 * ?", cron("0 9 1 * *"), id="spring-question-mark"),
        pytest.param(Y, "@1800000000", At(1_800_000_000_000), id="systemd-instant"),
        pytest.param(F, "15 30 9 * * *", cron("15 30 9 * * *"), id="sidekiq-with-seconds"),
    ],
)
def test_a_notation_has_forms_of_its_own(notation: Notation, text: str, expected: Item) -> None:
    assert read(text, notation) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("crontab()", "* * * * *", id="every-minute-without-arguments"),
        pytest.param("crontab(hour='*/4')", "* */4 * * *", id="every-minute-of-the-hour"),
        pytest.param('crontab(minute=0, hour="9, 17")', "0 9,17 * * *", id="quotes-and-spaces"),
        pytest.param("crontab(minute='0',\n  hour='9',\n  month_of_year='1-3',\n)", "0 9 * 1-3 *", id="several-lines"),
        pytest.param("0 9 * * 1", "0 9 * * 1", id="fields-alone"),
    ],
)
def test_celery_s_arguments_are_fields(text: str, expected: str) -> None:
    assert read(text, C) == cron(expected)


def test_celery_requires_both_days() -> None:
    item = read("crontab(minute=0, hour=9, day_of_month='1-7', day_of_week=1)", C)

    assert isinstance(item, Cron)
    assert (item.days, item.weekdays, item.either) == (tuple(range(1, 8)), (1,), False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0 9 -1 * *", "0 9 L * *", id="the-last-day"),
        pytest.param("0 9 -2 * *", "0 9 L-1 * *", id="the-day-before"),
        pytest.param("0 9 last * *", "0 9 L * *", id="by-name"),
        pytest.param("0 9 -3-L * *", "0 9 L-2,L-1,L * *", id="the-last-three"),
        pytest.param("0 9 -4--2 * *", "0 9 L-3,L-2,L-1 * *", id="a-range-from-the-end"),
        pytest.param("0 9 1,-1 * *", "0 9 1,L * *", id="first-and-last"),
        pytest.param("0 9 * * fri#-1", "0 9 * * 5L", id="the-last-friday"),
        pytest.param("0 9 * * fri#L,mon#2", "0 9 * * 5L,1#2", id="and-the-second-monday"),
        pytest.param("0 9 13 * 5", "0 9 13 * 5", id="either-day"),
    ],
)
def test_sidekiq_counts_from_the_end(text: str, expected: str) -> None:
    assert read(text, F) == cron(expected)


@pytest.mark.parametrize("text", ["0 9 13& * 5", "0 9 13 * 5&"])
def test_an_ampersand_of_sidekiq_requires_both_days(text: str) -> None:
    item = read(text, F)

    assert isinstance(item, Cron)
    assert (item.days, item.weekdays, item.either) == ((13,), (5,), False)


@pytest.mark.parametrize("macro", JENKINS_MACROS)
def test_jenkins_spreads_its_macros_by_the_key(macro: str) -> None:
    item = read(macro.upper(), J, key=KEY)

    assert item == read(JENKINS_MACROS[macro], J, key=KEY)
    assert item != read(JENKINS_MACROS[macro], J, key=Key("acme", "other"))
    assert isinstance(item, Cron)
    assert macro != "@midnight" or item.hours[0] in {0, 1, 2}


@pytest.mark.parametrize(
    ("notation", "text", "message"),
    [
        pytest.param(Y, "Mon 09:00 Europe/Oslo", "expression: got 'Europe/Oslo'; allowed: no zone", id="systemd-zone"),
        pytest.param(C, "5/15 0 * * *", "minute: got '5/15'; allowed: 5-59/15, if that is meant: Celery", id="celery"),
        pytest.param(C, "crontab(second=3)", "crontab() with minute, hour, day_of_month", id="celery-has-no-second"),
        pytest.param(C, "crontab(0, 3)", "crontab() with minute, hour, day_of_month", id="celery-by-keyword"),
        pytest.param(J, "0 5/2 * * *", "hour: got '5/2'; allowed: 5-23/2, if that is meant: Jenkins", id="jenkins-5/2"),
        pytest.param(J, "0 0 L * *", "no L, W or #: Jenkins does not have them", id="jenkins-has-no-L"),
        pytest.param(J, "@daily", "minute: got 'H'; allowed: no H here", id="jenkins-without-a-key"),
        pytest.param(K, "0 0 * * 7", "day_of_week: got '7'; allowed: 0-6 or SUN-SAT", id="kubernetes-has-no-7"),
        pytest.param(K, "0 0 L * *", "no L, W or #: Kubernetes does not have them", id="kubernetes-has-no-L"),
        pytest.param(Q, "0 0 12 * * *", "? in exactly one of day_of_month and day_of_week", id="quartz-needs-?"),
        pytest.param(Q, "0 12 * * ?", "5 fields in '0 12 * * ?'; allowed: 6 or 7", id="quartz-has-six-fields"),
        pytest.param(Q, "0 12 * * ?", "five fields are those of --from unix", id="quartz-of-five-fields"),
        pytest.param(P, "0 0 * * *", "expression: got 5 fields", id="spring-has-six-fields"),
        pytest.param(F, "0 0 0 0 * * *", "expression: got 7 fields", id="sidekiq-has-five-or-six"),
        pytest.param(F, "0 0 -2--5 * *", "day_of_month: got '-2--5'", id="sidekiq-later-first"),
        pytest.param(F, "0 0 -0 * *", "day_of_month: got '-0'", id="sidekiq-zeroth"),
        pytest.param(U, "0 9 * * * root", "expression: got 6 fields", id="unix-has-five-fields"),
        pytest.param(E, "cron(0 9 * * *)", "expression: got 5 fields", id="eventbridge-has-six-fields"),
    ],
)
def test_what_is_not_of_the_notation_is_refused(notation: Notation, text: str, message: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        read(text, notation)

    assert message in str(caught.value)
    assert caught.value.code == "invalid_expression"
