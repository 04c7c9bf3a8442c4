"""``convert``: rewrites an expression in another dialect, or says why it cannot."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidExpression
from eventcron.timing import convert as convert_module
from eventcron.timing.convert import convert
from eventcron.timing.notation import Notation
from eventcron.timing.rewrite import convert_to_eventcron

#: 2026-11-21T00:00:00Z.
CHECKED_FROM = 1_795_219_200_000

N = Notation.EVENTCRON
U, E, Q, K, C = Notation.UNIX, Notation.EVENTBRIDGE, Notation.QUARTZ, Notation.KUBERNETES, Notation.CELERY
S, J = Notation.SYSTEMD, Notation.JENKINS

CELERY_WEEKDAYS = "crontab(minute='*/10', hour='*', day_of_month='*', month_of_year='*', day_of_week='1-5')"


@pytest.mark.parametrize(
    ("source", "text", "target", "expected"),
    [
        pytest.param(U, "0 9 * * 1-5", E, "cron(0 9 ? * MON-FRI *)", id="weekdays-by-name"),
        pytest.param(U, "0 9 * * *", E, "cron(0 9 * * ? *)", id="question-mark"),
        pytest.param(U, "0 9 1,15 * *", E, "cron(0 9 1,15 * ? *)", id="days"),
        pytest.param(U, "*/15 9-17 * * *", Q, "0 */15 9-17 * * ?", id="seconds-first"),
        pytest.param(U, "0-59/15 9 * * *", U, "0-45/15 9 * * *", id="a-fixed-time-stays-one"),
        pytest.param(U, "0 0 * * 0,6", Q, "0 0 0 ? * SUN,SAT", id="two-weekdays-are-a-list"),
        pytest.param(U, "0 0 * * 5-7", Q, "0 0 0 ? * FRI-SUN", id="range-to-sunday"),
        pytest.param(U, "0 22-2 * * *", U, "0 0-2,22-23 * * *", id="wrap-around-written-out"),
        pytest.param(U, "@daily", E, "cron(0 0 * * ? *)", id="macro"),
        pytest.param(U, "0 0 1-31 * 1", K, "0 0 * * *", id="an-or-with-every-day"),
        pytest.param(U, "0 0 29 2 *", Q, "0 0 0 29 2 ?", id="not-every-year"),
        pytest.param(E, "cron(0 10 ? * 6L *)", U, "0 10 * * 5L", id="last-friday"),
        pytest.param(E, "cron(0 10 ? * 2#1 *)", Q, "0 0 10 ? * 2#1", id="first-monday"),
        pytest.param(E, "cron(0/10 * ? * MON-FRI *)", C, CELERY_WEEKDAYS, id="celery"),
        pytest.param(C, CELERY_WEEKDAYS, E, "cron(*/10 * ? * MON-FRI *)", id="celery-back"),
        pytest.param(C, 'crontab(minute=0, hour="*/3")', U, "0 */3 * * *", id="celery-defaults"),
        pytest.param(C, "0 9 1-7 * 1", C, "crontab(minute='0', hour='9', day_of_month='1-7', month_of_year='*', "
                     "day_of_week='1')", id="celery-takes-both-days"),
        pytest.param(K, "0 0 */2 * 1", U, "0 0 1-31/2 * 1", id="kubernetes-takes-*/2-as-a-restriction"),
        pytest.param(K, "@every 1h30m", E, "rate(90 minutes)", id="every"),
        pytest.param(E, "rate(1 hour)", E, "rate(1 hour)", id="rate-singular"),
        pytest.param(E, "rate(5 minutes)", K, "@every 300s", id="rate"),
        pytest.param(E, "at(2026-12-01T09:00:00)", E, "at(2026-12-01T09:00:00)", id="at"),
        pytest.param(Q, "0 15 10 ? * 6L 2022-2025", E, "cron(15 10 ? * 6L 2022-2025)", id="years"),
        pytest.param(U, "0 */12 * * *", U, "0 */12 * * *", id="a-wildcard-stays-one"),
        pytest.param(U, "0 */12 * * *", E, "cron(0 */12 * * ? *)", id="a-wildcard-stays-one-for-eventbridge"),
        pytest.param(U, "*/30 9 * * *", K, "*/30 9 * * *", id="two-minutes-of-a-wildcard"),
        pytest.param(U, "*/30,5 9 * * *", U, "*/30,5 9 * * *", id="a-list-that-starts-with-*"),
        pytest.param(U, "0 */24 * * *", U, "0 */24 * * *", id="the-first-value-of-a-wildcard"),
        pytest.param(U, "0,30 0,12 * * *", Q, "0 0,30 0,12 * * ?", id="a-fixed-time-gets-no-*"),
        pytest.param(Q, "0/30 * * * * ?", N, "0/30 * * * * *", id="seconds"),
        pytest.param(Q, "* * * * * ? 2099", N, "* * * * * * 2099", id="seconds-and-years"),
        pytest.param(Q, "2 30 0/1 * * ?", N, "2 30 0-23 * * *", id="a-second"),
        pytest.param(Q, "0 0 0 ? * 1 2030", N, "0 0 0 * * 0 2030", id="quartz-counts-sunday-from-1"),
        pytest.param(Q, "0 15 10 ? * 6L", N, "15 10 * * 5L", id="last-friday-in-bare-fields"),
        pytest.param(C, "0 9 1-7 * 1", N, "0 9 * * 1#1", id="both-days-of-a-week"),
        pytest.param(E, "rate(90 seconds)", N, "rate(90 seconds)", id="rate-in-seconds"),
        pytest.param(K, "@every 48h", N, "rate(2 days)", id="every-as-a-rate"),
        pytest.param(N, "at(2026-12-01T09:00:00.5)", N, "at(2026-12-01T09:00:00.500)", id="at-to-the-millisecond"),
        pytest.param(N, "0 30 9 * * 1", Q, "0 30 9 ? * MON", id="from-six-bare-fields"),
        pytest.param(S, "Mon..Fri *-*-* 09:00", U, "0 9 * * 1-5", id="from-systemd"),
        pytest.param(S, "2026-12-24 10:00:30", E, "at(2026-12-24T10:00:30)", id="from-systemd-once"),
        pytest.param(S, "Mon *-05~07/1", Q, "0 0 0 ? 5 2L", id="from-systemd-last-monday"),
        pytest.param(U, "0 9 * * 1-5", S, "Mon..Fri *-*-* 09:00:00", id="to-systemd"),
        pytest.param(S, "*-*~* 09:00", S, "*-*-* 09:00:00", id="systemd-counts-every-day"),
        pytest.param(Q, "0 15 10 LW * ?", E, "cron(15 10 LW * ? *)", id="last-weekday"),
    ],
)  # fmt: skip
def test_it_is_written_as(source: Notation, text: str, target: Notation, expected: str) -> None:
    assert convert(text, source, target, checked_from=CHECKED_FROM) == expected


@pytest.mark.parametrize(
    ("source", "text", "target", "reason"),
    [
        pytest.param(U, "0 */24 * * *", Q, "no minute or hour field that starts with *", id="no-step-beyond-in-quartz"),
        pytest.param(U, "0 0 1 * 1", S, "systemd requires a day to match weekday and date", id="either-systemd"),
        pytest.param(C, "0 9 8-15 * 1", N, "bare fields require both days only where", id="both-bare"),
        pytest.param(U, "0 0 1 * 1", E, "EventBridge can restrict one of the two day fields", id="either-day"),
        pytest.param(U, "0 0 */2 * 1", Q, "restricts both and requires a day to match both", id="both-days"),
        pytest.param(
            U, "0 0 */2 * 1", K, "Kubernetes fires on a day that matches either day field", id="both-kubernetes"
        ),
        pytest.param(U, "0 0 1 * 1", C, "Celery requires both day fields to match", id="either-celery"),
        pytest.param(C, "0 0 1-7 * 1", U, "Unix cron fires on a day that matches either day field", id="both-unix"),
        pytest.param(E, "cron(0 10 ? * 6L *)", K, "Kubernetes has no L, W or #", id="rules-kubernetes"),
        pytest.param(E, "cron(0 10 LW * ? *)", C, "Celery has no L, W or #", id="rules-celery"),
        pytest.param(Q, "0 0 0 L-3 * ?", E, "EventBridge has L and LW, but no days before the last", id="L-3"),
        pytest.param(U, "0 0 L,15 * *", E, "EventBridge accepts L, W and # alone, not in a list", id="rules-in-a-list"),
        pytest.param(Q, "30 0 0 * * ?", U, "Unix cron has no seconds", id="seconds"),
        pytest.param(E, "cron(0 0 1 1 ? 2027)", K, "Kubernetes has no years", id="years"),
        pytest.param(E, "cron(0 0 1 1 ? 2150)", Q, "Quartz accepts no year after 2099", id="late-years"),
        pytest.param(E, "rate(5 minutes)", U, "Unix cron follows the wall clock and has no fixed intervals", id="rate"),
        pytest.param(E, "at(2026-12-01T09:00:00)", C, "Celery has no expression for a single instant", id="at"),
        pytest.param(K, "@every 90s", E, "EventBridge accepts whole minutes, hours and days", id="seconds-of-a-rate"),
        pytest.param(E, "at(2026-12-01T09:00:00.5)", E, "EventBridge accepts whole seconds", id="milliseconds"),
    ],
)
def test_it_is_refused_because(source: Notation, text: str, target: Notation, reason: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        convert(text, source, target, checked_from=CHECKED_FROM)

    assert caught.value.code == "cannot_convert"
    assert reason in caught.value.allowed


def test_what_is_not_of_the_source_is_refused() -> None:
    with pytest.raises(InvalidExpression, match="day_of_week: got '7'; allowed: 0-6 or SUN-SAT") as caught:
        convert("0 0 * * 7", K, U, checked_from=CHECKED_FROM)

    assert caught.value.code == "invalid_expression"


def test_what_would_fire_at_other_times_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The year is really compared: a writer with a fault is found out."""
    monkeypatch.setitem(convert_module.WRITERS, Notation.QUARTZ, lambda _: "0 0 10 * * ?")

    with pytest.raises(InvalidExpression, match="in quartz, '0 0 10 \\* \\* \\?' fires at other times"):
        convert("0 9 * * *", Notation.UNIX, Notation.QUARTZ, checked_from=CHECKED_FROM)


def test_a_fixed_time_is_never_printed_for_a_wildcard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(convert_module.WRITERS, Notation.UNIX, lambda _: "0 0,12 * * *")

    with pytest.raises(InvalidExpression, match="in unix, '0 0,12 \\* \\* \\*' fires at other times"):
        convert("0 */12 * * *", Notation.UNIX, Notation.UNIX, checked_from=CHECKED_FROM)


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        (J, "H 4 * * 1-5", "H 4 * * 1-5"),
        (J, "@daily", "H H * * *"),
        (J, "@midnight", "H H(0-2) * * *"),
        (J, "H/15 * * * *", "H/15 * * * *"),
        (N, "H H * * *", "H H * * *"),
        (J, "0 4 1-7 * 1", "0 4 * * 1#1"),
        (Notation.SPRING, "@hourly", "0 * * * *"),
        (Notation.SIDEKIQ, "0 9 -1 * *", "0 9 L * *"),
        (S, "Sun *-*-1..7", "0 0 * * 0#1"),
    ],
)
def test_eventcron_keeps_h_and_takes_every_dialect(source: Notation, text: str, expected: str) -> None:
    assert convert_to_eventcron(text, source, checked_from=CHECKED_FROM) == expected


@pytest.mark.parametrize(
    ("source", "text"), [(J, "H H 1-7 * H"), (Notation.SPRING, "0 0 0 13 * FRI"), (J, "H H H/2 * 1")]
)
def test_what_needs_an_exclusion_or_a_number_for_h_is_refused(source: Notation, text: str) -> None:
    with pytest.raises(InvalidExpression):
        convert_to_eventcron(text, source, checked_from=CHECKED_FROM)
