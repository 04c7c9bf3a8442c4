"""What was fired against what had to be: pure, and never lenient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from msgspec import Struct, field

from eventcron.demo.expectation import Expectation
from eventcron.demo.observed import REJECTED, Answer, Due, Excuse, Observed, Publication
from eventcron.demo.orders import PUT, Order, Sent
from eventcron.model.names import Instant, Key
from eventcron.timing.instant import rfc3339

#: Target → whether it subscribes to the fires of a tenant.
Subscriptions = Mapping[str, Callable[[str], bool]]


class Lateness(Struct, frozen=True):
    """Publication less due, in milliseconds."""

    p50: int = 0
    p99: int = 0
    max: int = 0


class Rejection(Struct, frozen=True):
    """A schedule that was refused, and the reason as the bus had it."""

    schedule: str
    code: str
    message: str


class Report(Struct, kw_only=True):
    """How it went, in the words of ``eventcron demo --json``."""

    emitted: int
    accepted: int
    rejected: int
    #: Fires that had to come.
    due: int
    #: How many of those were.
    published: int
    #: How many of those each target received.
    received: dict[str, int]
    lateness_ms: Lateness
    early: int = 0
    missing: int = 0
    duplicates: int = 0
    after_delete: int = 0
    #: Fires nobody ordered: due at an instant that the independent computation does not know, or at the wrong target.
    unexpected: int = 0
    #: Fires that a fact excused, by its reason.
    skipped: dict[str, int] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    #: One sentence for each thing that is not as it must be.
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all is as it must be."""
        return not self.faults


def compare(
    sent: Sequence[Sent],
    expectation: Expectation,
    observed: Observed,
    subscriptions: Subscriptions,
    *,
    timely_from: Instant,
) -> Report:
    """Hold what was *observed* against the *expectation* of what was *sent*.

    Lateness is measured of fires due from *timely_from* on: one that is put after it is due cannot be on time.
    """
    published = {publication.due for publication in observed.publications}
    unpublished = expectation.required - published
    excused = _excused(unpublished, observed.excuses)
    required = expectation.required & published
    received = {target: {one.due for one in observed.receipts if one.target == target} for target in subscriptions}
    lost = {
        target: {due for due in required if takes(due.key.tenant)} - received[target]
        for target, takes in subscriptions.items()
    }
    unsent = unpublished - excused.keys()
    early, duplicates = _early(observed), _duplicates(observed)
    after_delete, unexpected = _uncalled_for(expectation, observed, subscriptions)
    answers, rejections = _answers(sent, observed.answers)
    return Report(
        emitted=len(_puts(sent)),
        accepted=sum(answer.fact != REJECTED for answer in answers.values()),
        rejected=len(rejections),
        due=len(expectation.required),
        published=len(required),
        received={target: len(required & dues) for target, dues in received.items()},
        lateness_ms=lateness_of(one for one in observed.publications if timely_from <= one.due.at < expectation.until),
        early=len(early),
        missing=len(unsent | set(chain.from_iterable(lost.values()))),
        duplicates=len(duplicates),
        after_delete=len(after_delete),
        unexpected=len(unexpected),
        skipped=dict(Counter(excused.values())),
        rejections=rejections,
        faults=[
            *_misjudged(sent, answers),
            *(f"unanswered: {change}" for change in expectation.unconfirmed),
            *(f"early: {text}" for text in early),
            *(f"missing: {due} was not published" for due in sorted(unsent)),
            *(
                f"missing: {due} was published and not received by {target}"
                for target, dues in lost.items()
                for due in sorted(dues)
            ),
            *(f"duplicate: {text}" for text in duplicates),
            *(f"after delete: {text}" for text in after_delete),
            *(f"unexpected: {text}" for text in unexpected),
        ],
    )


def _excused(unpublished: set[Due], excuses: Iterable[Excuse]) -> dict[Due, str]:
    """Which of *unpublished* a fact excuses, and why. A fact excuses no more fires than it counts."""
    found: dict[Due, str] = {}
    waiting: dict[Key, list[Due]] = {}
    for due in sorted(unpublished):
        waiting.setdefault(due.key, []).append(due)
    for excuse in excuses:
        meant = [
            due for due in waiting.get(excuse.key, []) if due not in found and excuse.first <= due.at <= excuse.last
        ]
        found.update(dict.fromkeys(meant[: excuse.count], excuse.reason))
    return found


def _early(observed: Observed) -> list[str]:
    on_the_bus = [
        f"{one.due} was published at {rfc3339(one.at)}" for one in observed.publications if one.at < one.due.at
    ]
    at_a_target = [
        f"{one.due} was received by {one.target} at {rfc3339(one.at)}"
        for one in observed.receipts
        if one.at < one.due.at
    ]
    return on_the_bus + at_a_target


def _duplicates(observed: Observed) -> list[str]:
    """An occurrence, or a ``fire_id``, that came more than once at the same place."""
    places = {"published": [(one.due, one.fire_id) for one in observed.publications]}
    for receipt in observed.receipts:
        places.setdefault(f"received by {receipt.target}", []).append((receipt.due, receipt.fire_id))
    found = []
    for place, fires in places.items():
        dues = Counter(due for due, _ in fires)
        ids = Counter(fire_id for _, fire_id in fires)
        found += [f"{due} was {place} {count} times" for due, count in dues.items() if count > 1]
        once = {fire_id: due for due, fire_id in fires if dues[due] == 1}
        found += [f"fire_id {name} of {once[name]} was {place} {ids[name]} times" for name in once if ids[name] > 1]
    return found


def _uncalled_for(
    expectation: Expectation, observed: Observed, subscriptions: Subscriptions
) -> tuple[list[str], list[str]]:
    """What came of a revision that had ended, and what else came that nobody ordered."""
    ended = [one for one in observed.publications if expectation.ended(one.due, one.revision)]
    strange = [
        f"{one.due} was published"
        for one in observed.publications
        if one.due.at < expectation.until
        and one.due not in expectation.required
        and one.due not in expectation.allowed
        and one not in ended
    ]
    published = {one.due for one in observed.publications}
    astray = [
        f"{one.due} was received by {one.target}"
        for one in observed.receipts
        if not subscriptions[one.target](one.due.key.tenant)
        or (one.due.at < expectation.until and one.due not in published)
    ]
    return [f"{one.due} was published, of revision {one.revision}" for one in ended], strange + astray


def lateness_of(publications: Iterable[Publication]) -> Lateness:
    """Percentiles by the nearest rank: each is a lateness that one of them had."""
    late = sorted(one.at - one.due.at for one in publications)
    if not late:
        return Lateness()
    p50, p99 = (late[-(-len(late) * percent // 100) - 1] for percent in (50, 99))
    return Lateness(p50, p99, late[-1])


def _puts(sent: Iterable[Sent]) -> list[Key]:
    """The schedules that were put, each once: an update is not another."""
    return list(dict.fromkeys(one.order.key for one in sent if one.order.command == PUT))


def _answers(sent: Iterable[Sent], answers: Iterable[Answer]) -> tuple[dict[Key, Answer], list[Rejection]]:
    """The first answer to each put schedule, and the rejections among them."""
    first: dict[Key, Answer] = {}
    for answer in answers:
        if answer.fact in {"Schedule Created", REJECTED}:
            first.setdefault(answer.key, answer)
    found = {key: first[key] for key in _puts(sent) if key in first}
    rejections = [Rejection(str(one.key), one.code, one.message) for one in found.values() if one.fact == REJECTED]
    return found, rejections


def _misjudged(sent: Iterable[Sent], answers: Mapping[Key, Answer]) -> list[str]:
    """Schedules accepted that had to be rejected, or the other way round, or for another reason."""
    faults = []
    first: dict[Key, Order] = {}
    for one in sent:
        first.setdefault(one.order.key, one.order)
    for order in first.values():
        answer = answers.get(order.key)
        if answer is None:
            faults.append(f"unanswered: {order.key} was neither accepted nor rejected")
        elif order.refused is None and answer.fact == REJECTED:
            faults.append(f"rejected: {order.key}, which is good: {answer.message}")
        elif order.refused is not None and answer.fact != REJECTED:
            faults.append(f"accepted: {order.key}, which had to be rejected with {order.refused}")
        elif order.refused is not None and answer.code != order.refused:
            faults.append(f"rejected: {order.key} with {answer.code}, which had to be {order.refused}")
    return faults
