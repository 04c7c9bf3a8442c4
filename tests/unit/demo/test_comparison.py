"""The demo's comparison passes a run without a fault, and reports every fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.demo.comparison import Expectation, FromFiles, Lateness, Report, compare, expect
from eventcron.demo.observations import REJECTED, Answer, Due, Observations, Publication, Receipt, Skip
from eventcron.demo.samples import DELETE, PAUSE, Sample, Sent, change, put, put_invalid
from eventcron.demo.subscriptions import Subscription
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key
from eventcron.timing.hashing import segment_of
from eventcron.timing.instant import rfc3339

#: 2026-06-01T12:00:00Z, and when the run ends.
START: Instant = 1_780_315_200_000
END = START + 20_000
ACME, GLOBEX = "acme", "globex"
SUBSCRIPTIONS = {"lambda": Subscription(tenants=(ACME,)), "web": Subscription()}


def schedule(tenant: str, name: str, expression: str, **fields: Any) -> Schedule:
    detail = {"tenant": tenant, "name": name, "expression": expression, **fields}
    return msgspec.convert(detail, Schedule)


def due(name: str, second: float, tenant: str = ACME) -> Due:
    return Due(Key(tenant, name), START + round(second * 1000))


#: Name → expression of schedules from files: one fires, one does not.
_OF_FILES = {"second": "* * * * * *", "sleeps": "0 0 1 1 *"}


class Run:
    """A run without a fault, for tests to change. Commands are answered after 400 ms, fires are 20 ms late."""

    def __init__(self, *samples: tuple[float, Sample]) -> None:
        self.sent = [Sent(sample, START + round(second * 1000)) for second, sample in samples]
        self.observed = Observations(answers=self._answers())
        for fire in sorted(self.expectation.required):
            self.publish(fire)

    def _answers(self) -> list[Answer]:
        answers: list[Answer] = []
        known: set[Key] = set()
        for one in self.sent:
            sample, at = one.sample, one.at + 400
            if sample.rejected is not None:
                message = f"not so: {sample.rejected}"
                answers.append(Answer(REJECTED, sample.key, at, code=sample.rejected, message=message))
                continue
            answer = {DELETE: "Schedule Deleted", PAUSE: "Schedule Paused"}.get(sample.command)
            answer = answer or ("Schedule Updated" if sample.key in known else "Schedule Created")
            known.add(sample.key)
            answers.append(Answer(answer, sample.key, at, revision=one.at))
        return answers

    @property
    def expectation(self) -> Expectation:
        return expect(self.sent, self.observed.answers, END)

    def publish(self, fire: Due, *, late: int = 20, fire_id: str = "") -> None:
        """Let *fire* be published, of the revision in force when it was due, and received by the targets."""
        revision = max((one.at for one in self.sent if one.sample.key == fire.key and one.at < fire.at), default=0)
        fire_id = fire_id or str(fire)
        self.observed.publications.append(Publication(fire, fire_id, revision, fire.at + late))
        for target, subscription in SUBSCRIPTIONS.items():
            if subscription.includes(fire.key.tenant):
                self.observed.receipts.append(Receipt(target, fire, fire_id, fire.at + late + 30))

    def drop(self, unwanted: Callable[[Due], bool], *, at: str = "") -> None:
        """Remove some fires from the target *at*, or without *at* from every target and the bus."""
        observed = self.observed
        observed.receipts = [one for one in observed.receipts if not (unwanted(one.due) and at in ("", one.target))]
        if not at:
            observed.publications = [one for one in observed.publications if not unwanted(one.due)]

    def report(self) -> Report:
        return compare(self.sent, self.expectation, self.observed, SUBSCRIPTIONS, timely_from=START + 2_000)


def good_run() -> Run:
    return Run(
        (0.3, put(schedule(ACME, "second", "* * * * * *"))),
        (0.3, put(schedule(GLOBEX, "five", "rate(5 seconds)"))),
        (0.3, put(schedule(GLOBEX, "once", "at(2026-06-01T12:00:07.250)"))),
        (0.3, put(schedule(ACME, "deleted", "* * * * * *"))),
        (0.3, put(schedule(ACME, "paused", "rate(2 seconds)"))),
        (0.3, put(schedule(GLOBEX, "updated", "*/2 * * * * *"))),
        (
            0.3,
            put_invalid({"tenant": ACME, "name": "bad", "expression": "61 * * * * *"}, rejected="invalid_expression"),
        ),
        (8.6, change(PAUSE, Key(ACME, "paused"))),
        (10.6, change(DELETE, Key(ACME, "deleted"))),
        (10.6, put(schedule(GLOBEX, "updated", "3/5 * * * * *"))),
    )


def test_a_run_without_a_fault_passes() -> None:
    report = good_run().report()

    assert report.faults == []
    assert report.good
    assert (report.emitted, report.accepted, report.rejected) == (7, 6, 1)
    # 19 each second, 3 every five, 1 once, 10 until deleted, 4 until paused, 5 even seconds and 13 and 18.
    assert report.due == report.published == 19 + 3 + 1 + 10 + 4 + 5 + 2
    assert report.received == {"lambda": 19 + 10 + 4, "web": report.due}
    assert (report.early, report.missing, report.duplicates, report.after_delete, report.unexpected) == (0, 0, 0, 0, 0)
    assert report.lateness_ms == Lateness(20, 20, 20)
    assert [(one.schedule, one.code) for one in report.rejections] == [("acme/bad", "invalid_expression")]


def test_the_json_has_these_fields_first_and_in_this_order() -> None:
    fields = list(msgspec.to_builtins(good_run().report()))

    assert fields[:11] == [
        *("emitted", "accepted", "rejected", "due", "published", "received", "lateness_ms"),
        *("early", "missing", "duplicates", "after_delete"),
    ]


def test_the_schedules_of_the_files_are_counted_by_themselves() -> None:
    every_second, sleeps = (put(schedule(ACME, name, cron), from_files=True) for name, cron in _OF_FILES.items())
    run = Run((0, every_second), (0, sleeps), (0, put(schedule(GLOBEX, "made-up", "* * * * * *"))))
    run.drop(lambda fire: fire == due("second", 5))
    report = run.report()

    assert (report.due, report.published, report.missing) == (38, 37, 1)
    assert report.from_files == FromFiles(
        emitted=2,
        fired=1,
        due=19,
        published=18,
        received={"lambda": 18, "web": 18},
        lateness_ms=Lateness(20, 20, 20),
    )


def test_an_unpublished_fire_is_missing() -> None:
    run = good_run()
    run.drop(lambda fire: fire == due("second", 5))
    report = run.report()

    assert report.missing == 1
    assert report.due - report.published == 1
    assert report.faults == ["missing: acme/second due 2026-06-01T12:00:05.000Z was not published"]


def test_a_fire_that_one_target_did_not_receive_is_missing() -> None:
    run = good_run()
    run.drop(lambda fire: fire == due("second", 5), at="lambda")
    report = run.report()

    assert report.missing == 1
    assert report.published == report.due
    assert report.faults == [
        "missing: acme/second due 2026-06-01T12:00:05.000Z was published and not received by lambda"
    ]


def test_a_whole_segment_that_was_not_planned_is_missing() -> None:
    run = good_run()
    run.drop(lambda fire: segment_of(fire.key, 4) == segment_of(Key(GLOBEX, "five"), 4))
    report = run.report()

    assert report.missing >= 3
    assert any("globex/five" in fault for fault in report.faults)


def test_an_early_publication_and_an_early_receipt_are_reported() -> None:
    run = good_run()
    run.drop(lambda fire: fire in {due("second", 5), due("second", 6)})
    run.publish(due("second", 5), late=-1)
    run.publish(due("second", 6))
    run.observed.receipts[-1] = replace(run.observed.receipts[-1], at=START + 5_999)
    report = run.report()

    assert report.early == 2
    assert report.faults == [
        "early: acme/second due 2026-06-01T12:00:05.000Z was published at 2026-06-01T12:00:04.999Z",
        "early: acme/second due 2026-06-01T12:00:06.000Z was received by web at 2026-06-01T12:00:05.999Z",
    ]


def test_a_fire_that_comes_twice_is_a_duplicate_even_by_another_id() -> None:
    run = good_run()
    run.publish(due("second", 5), fire_id="another")
    run.observed.receipts.append(next(one for one in run.observed.receipts if one.due == due("second", 9)))
    report = run.report()

    assert report.duplicates == 4
    assert report.faults == [
        "duplicate: acme/second due 2026-06-01T12:00:05.000Z was published 2 times",
        "duplicate: acme/second due 2026-06-01T12:00:05.000Z was received by lambda 2 times",
        "duplicate: acme/second due 2026-06-01T12:00:09.000Z was received by lambda 2 times",
        "duplicate: acme/second due 2026-06-01T12:00:05.000Z was received by web 2 times",
    ]


def test_one_id_of_two_fires_is_a_duplicate() -> None:
    run = good_run()
    fires = run.observed.publications
    fires[:2] = [replace(one, fire_id="same") for one in fires[:2]]

    assert run.report().duplicates == 1


@pytest.mark.parametrize(
    ("name", "tenant", "changed"), [("deleted", ACME, 10.6), ("paused", ACME, 8.6), ("updated", GLOBEX, 10.6)]
)
def test_a_fire_of_an_ended_revision_may_come_for_a_second_after_the_confirmation_and_no_longer(
    name: str, tenant: str, changed: float
) -> None:
    between = good_run()
    old = next(one.revision for one in between.observed.publications if one.due.key == Key(tenant, name))
    last = due(name, changed + 0.4 + 1, tenant)  # it is confirmed after 0.4 s
    after = good_run()
    for run, fire in ((between, last), (after, Due(last.key, last.at + 1))):
        run.observed.publications.append(Publication(fire, str(fire), old, fire.at + 20))

    text = f"{tenant}/{name} due {rfc3339(last.at + 1)} was published, of revision {old}"

    assert after.report().after_delete == 1
    assert after.report().faults == [f"after delete: {text}"]
    assert between.report().after_delete == 0


def test_between_a_change_and_its_confirmation_a_fire_may_come_or_not() -> None:
    run = good_run()
    before = run.report()
    run.publish(due("deleted", 11))
    after = run.report()

    assert after.faults == []
    assert after.due == before.due == after.published
    assert after.received == before.received


def test_an_old_fire_after_an_update_is_reported_even_if_the_new_trigger_has_that_instant() -> None:
    run = Run(
        (0.3, put(schedule(ACME, "updated", "* * * * * *"))), (5.6, put(schedule(ACME, "updated", "*/5 * * * * *")))
    )
    old = run.observed.publications[0].revision
    run.observed.publications = [
        replace(one, revision=old) if one.due == due("updated", 10) else one for one in run.observed.publications
    ]

    assert run.report().after_delete == 1


def test_a_change_without_a_confirmation_is_reported() -> None:
    run = good_run()
    run.observed.answers = [one for one in run.observed.answers if one.detail_type != "Schedule Deleted"]

    assert run.report().faults == ["unanswered: Delete Schedule of acme/deleted"]


def test_each_change_needs_a_confirmation_of_its_own() -> None:
    run = Run(
        (0.3, put(schedule(ACME, "updated", "* * * * * *"))),
        (5.6, put(schedule(ACME, "updated", "*/2 * * * * *"))),
        (10.6, put(schedule(ACME, "updated", "*/3 * * * * *"))),
    )
    del run.observed.answers[-1]

    assert run.report().faults == ["unanswered: Put Schedule of acme/updated"]


def test_a_schedule_that_is_rejected_and_then_corrected_fires_from_then_on() -> None:
    run = Run(
        (
            0.3,
            put_invalid(
                {"tenant": ACME, "name": "second", "expression": "61 * * * * *"}, rejected="invalid_expression"
            ),
        ),
        (4.6, put(schedule(ACME, "second", "* * * * * *"))),
    )
    report = run.report()

    assert report.faults == []
    assert (report.emitted, report.rejected, report.due) == (1, 1, 15)


def test_a_fire_due_in_the_second_of_its_put_but_after_the_event_s_time_is_required() -> None:
    run = Run((0.3, put(schedule(ACME, "once", "at(2026-06-01T12:00:00.200)"))))

    assert run.expectation.required == {due("once", 0.2)}


def test_a_fire_that_is_not_due_is_reported() -> None:
    run = good_run()
    run.publish(due("second", 5.5))
    run.publish(due("bad", 6))
    run.observed.receipts.append(Receipt("lambda", due("five", 5, GLOBEX), "x", START + 5_100))
    run.observed.receipts.append(Receipt("web", due("once", 9, GLOBEX), "y", START + 9_100))
    report = run.report()

    assert report.unexpected == 4
    assert report.faults == [
        "unexpected: acme/second due 2026-06-01T12:00:05.500Z was published",
        "unexpected: acme/bad due 2026-06-01T12:00:06.000Z was published",
        "unexpected: globex/five due 2026-06-01T12:00:05.000Z was received by lambda",
        "unexpected: globex/once due 2026-06-01T12:00:09.000Z was received by web",
    ]


def test_skipped_fires_are_counted_by_reason_and_no_more_than_the_event_counts() -> None:
    run = good_run()
    run.drop(lambda fire: fire.key.name == "second" and fire.at <= START + 3_000)
    run.observed.skips.append(Skip(Key(ACME, "second"), START + 1_000, START + 3_000, 2, "misfire"))
    report = run.report()

    assert report.skipped == {"misfire": 2}
    assert report.faults == ["missing: acme/second due 2026-06-01T12:00:03.000Z was not published"]


def test_an_event_of_another_time_or_schedule_covers_no_fire() -> None:
    run = good_run()
    run.drop(lambda fire: fire == due("second", 5))
    run.observed.skips += [
        Skip(Key(ACME, "second"), START + 6_000, START + 9_000, 4, "misfire"),
        Skip(Key(GLOBEX, "second"), START + 5_000, START + 5_000, 1, "misfire"),
    ]

    assert run.report().missing == 1


@pytest.mark.parametrize(
    ("alter", "fault"),
    [
        pytest.param(
            lambda answers: [one for one in answers if one.key.name != "five"],
            "unanswered: globex/five was neither accepted nor rejected",
            id="no-answer",
        ),
        pytest.param(
            lambda answers: [Answer(REJECTED, Key(GLOBEX, "five"), START, code="x", message="no"), *answers],
            "rejected: globex/five, which is good: no",
            id="rejected-though-good",
        ),
        pytest.param(
            lambda answers: [Answer("Schedule Created", Key(ACME, "bad"), START), *answers],
            "accepted: acme/bad, which had to be rejected with invalid_expression",
            id="accepted-though-bad",
        ),
        pytest.param(
            lambda answers: [replace(one, code="odd") if one.key.name == "bad" else one for one in answers],
            "rejected: acme/bad with odd, which had to be invalid_expression",
            id="another-reason",
        ),
    ],
)
def test_a_wrong_answer_to_a_put_is_reported(alter: Callable[[list[Answer]], list[Answer]], fault: str) -> None:
    run = good_run()
    run.observed.answers = alter(run.observed.answers)
    report = run.report()

    assert fault in report.faults
    assert not report.good


def test_lateness_is_by_the_nearest_rank_of_the_fires_that_could_be_on_time() -> None:
    run = Run((0.3, put(schedule(ACME, "second", "* * * * * *"))))
    run.observed.publications = [
        replace(one, at=one.due.at + (9_000 if one.due.at < START + 2_000 else index))
        for index, one in enumerate(run.observed.publications)
    ]

    # 18 fires, late by 1 to 18 ms, and one due before lateness counts.
    assert run.report().lateness_ms == Lateness(p50=9, p99=18, max=18)


def test_fires_due_after_the_end_are_no_fault() -> None:
    run = good_run()
    run.publish(due("second", 20))
    run.publish(due("second", 21.5))

    assert run.report().faults == []


def test_the_rate_of_a_schedule_put_again_after_its_deletion_counts_from_the_second_put() -> None:
    run = Run(
        (0.3, put(schedule(ACME, "twice", "rate(4 seconds)"))),
        (5.3, change(DELETE, Key(ACME, "twice"))),
        (9.7, put(schedule(ACME, "twice", "rate(4 seconds)"))),
    )

    # From 0: 4; from 9: 13 and 17.
    assert sorted(fire.at - START for fire in run.expectation.required) == [4_000, 13_000, 17_000]


def test_an_update_keeps_the_anchor_of_a_rate() -> None:
    run = Run(
        (0.3, put(schedule(ACME, "rate", "rate(4 seconds)"))), (9.7, put(schedule(ACME, "rate", "rate(5 seconds)")))
    )

    assert sorted(fire.at - START for fire in run.expectation.required) == [4_000, 8_000, 10_000, 15_000]
