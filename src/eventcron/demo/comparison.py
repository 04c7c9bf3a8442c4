"""Compares the fires that came with those that had to come. Pure, and never lenient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from msgspec import Struct, field

from eventcron.demo.observations import REJECTED, Answer, Due, Observations, Publication, Skip
from eventcron.demo.samples import DELETE, PAUSE, PUT, Sample, Sent
from eventcron.demo.subscriptions import Subscription
from eventcron.model.names import Instant, Key
from eventcron.oracle.occurrences import due_instants
from eventcron.timing.instant import rfc3339

#: Milliseconds. The guarantee: after a change is confirmed, fires of the old revision may come for one more second.
ALLOWANCE_MS = 1_000

CREATED = "Schedule Created"
_CONFIRMED_BY = {DELETE: "Schedule Deleted", PAUSE: "Schedule Paused", PUT: "Schedule Updated"}


class Confirmed(NamedTuple):
    """When a change was confirmed, and the revision that it made."""

    at: Instant
    revision: int


class Expectation(Struct):
    """The fires that must come before an instant, and those that may."""

    until: Instant
    #: Each must be published, or an event must say why not.
    required: set[Due] = field(default_factory=set)
    #: Due between the sending of a change and ``ALLOWANCE_MS`` after its confirmation.
    allowed: set[Due] = field(default_factory=set)
    changes: dict[Key, list[Confirmed]] = field(default_factory=dict)
    #: Changes without a confirmation, such as ``Delete Schedule of acme/deleted``.
    unconfirmed: list[str] = field(default_factory=list)

    def ended(self, due: Due, revision: int) -> bool:
        """Whether the revision had ended too long before *due* for this fire to be allowed."""
        return any(
            revision < change.revision and due.at > change.at + ALLOWANCE_MS for change in self.changes.get(due.key, ())
        )


def expect(sent: Iterable[Sent], answers: Sequence[Answer], until: Instant) -> Expectation:
    """The fires due before *until*, by the independent computation.

    *sent* is in the order of sending. *answers* say when the changes were confirmed.
    """
    sent_by_key: dict[Key, list[Sent]] = {}
    for one in sent:
        if one.sample.rejected is None:
            sent_by_key.setdefault(one.sample.key, []).append(one)
    answers_by_key: dict[Key, list[Answer]] = {}
    for answer in answers:
        answers_by_key.setdefault(answer.key, []).append(answer)
    expectation = Expectation(until)
    for key, commands in sent_by_key.items():
        _add(expectation, commands, answers_by_key.get(key, []))
    return expectation


def _add(expectation: Expectation, commands: Sequence[Sent], answers: Sequence[Answer]) -> None:
    """Add the fires of one schedule. Each command holds from its event's time until the next one is sent."""
    key = commands[0].sample.key
    created: Instant = 0
    previous = DELETE
    for one, following in zip(commands, [*commands[1:], None], strict=True):
        if previous == DELETE:
            created = one.event_time
        previous = one.sample.command
        end = expectation.until if following is None else min(following.at, expectation.until)
        expectation.required |= _due(one, one.event_time + 1, end, created)
        if following is None:
            continue
        confirmed = _confirmed(following, answers)
        if confirmed is None:
            expectation.unconfirmed.append(f"{following.sample.command} of {key}")
            last = expectation.until
        else:
            expectation.changes.setdefault(key, []).append(confirmed)
            last = min(confirmed.at + ALLOWANCE_MS + 1, expectation.until)
        expectation.allowed |= _due(one, end, last, created)


def _due(one: Sent, first: Instant, until: Instant, created: Instant) -> set[Due]:
    schedule = one.sample.schedule
    if schedule is None:
        return set()
    return {Due(one.sample.key, instant) for instant in due_instants(schedule, first, until, created)}


def _confirmed(change: Sent, answers: Sequence[Answer]) -> Confirmed | None:
    wanted = _CONFIRMED_BY[change.sample.command]
    found = (
        Confirmed(answer.at, answer.revision)
        for answer in answers
        if answer.detail_type == wanted and answer.at >= change.at
    )
    return next(found, None)


class Lateness(Struct, frozen=True):
    """Publication less due, in milliseconds."""

    p50: int = 0
    p99: int = 0
    max: int = 0


class Rejection(Struct, frozen=True):
    """A rejected schedule, with the code and message of ``Schedule Rejected``."""

    schedule: str
    code: str
    message: str


class FromFiles(Struct, frozen=True, kw_only=True):
    """The share of the schedules in the files. The others were made up for the demo."""

    emitted: int
    #: How many schedules had a fire that was due and published.
    fired: int
    #: Fires, as in ``Report``.
    due: int
    published: int
    received: dict[str, int]
    lateness_ms: Lateness


class Report(Struct, kw_only=True):
    """The outcome, with the field names of ``eventcron demo --json``."""

    emitted: int
    accepted: int
    rejected: int
    #: Fires that had to come.
    due: int
    #: How many of those were published.
    published: int
    #: How many of those each target received.
    received: dict[str, int]
    lateness_ms: Lateness
    early: int = 0
    missing: int = 0
    duplicates: int = 0
    after_delete: int = 0
    #: Fires at an instant that the independent computation does not have, or at the wrong target.
    unexpected: int = 0
    from_files: FromFiles
    #: Due fires that did not come because an event says so, by its reason.
    skipped: dict[str, int] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    #: One sentence for each fault.
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether there is no fault."""
        return not self.faults


def compare(
    sent: Sequence[Sent],
    expectation: Expectation,
    observed: Observations,
    subscriptions: Mapping[str, Subscription],
    *,
    timely_from: Instant,
) -> Report:
    """Compare what was *observed* with the *expectation* of what was *sent*.

    The lateness is that of fires due from *timely_from* on: a schedule put after its due instant cannot be on time.
    """
    published = {publication.due for publication in observed.publications}
    skipped = _skipped(expectation.required - published, observed.skips)
    required = expectation.required & published
    unpublished = expectation.required - published - skipped.keys()
    received = {target: {one.due for one in observed.receipts if one.target == target} for target in subscriptions}
    lost = {
        target: {due for due in required if subscription.includes(due.key.tenant)} - received[target]
        for target, subscription in subscriptions.items()
    }
    early, duplicates = _early(observed), _duplicates(observed)
    after_delete, unexpected = _after_delete(expectation, observed), _unexpected(expectation, observed, subscriptions)
    answers = _first_answers(sent, observed.answers)
    rejections = [one for one in answers.values() if one.detail_type == REJECTED]
    timely = [one for one in observed.publications if timely_from <= one.due.at < expectation.until]
    return Report(
        emitted=len(_first_puts(sent)),
        accepted=len(answers) - len(rejections),
        rejected=len(rejections),
        due=len(expectation.required),
        published=len(required),
        received={target: len(required & dues) for target, dues in received.items()},
        lateness_ms=lateness_of(timely),
        early=len(early),
        missing=len(unpublished | set(chain.from_iterable(lost.values()))),
        duplicates=len(duplicates),
        after_delete=len(after_delete),
        unexpected=len(unexpected),
        from_files=_from_files(sent, expectation.required, required, received, timely),
        skipped=dict(Counter(skipped.values())),
        rejections=[Rejection(str(one.key), one.code, one.message) for one in rejections],
        faults=[
            *_wrong_answers(sent, answers),
            *(f"unanswered: {change}" for change in expectation.unconfirmed),
            *(f"early: {text}" for text in early),
            *_missing(unpublished, lost),
            *(f"duplicate: {text}" for text in duplicates),
            *(f"after delete: {text}" for text in after_delete),
            *(f"unexpected: {text}" for text in unexpected),
        ],
    )


def _from_files(
    sent: Iterable[Sent],
    due: set[Due],
    published: set[Due],
    received: Mapping[str, set[Due]],
    timely: Iterable[Publication],
) -> FromFiles:
    keys = {one.sample.key for one in sent if one.sample.from_files}
    of_files = {one for one in published if one.key in keys}
    return FromFiles(
        emitted=len(keys),
        fired=len({one.key for one in of_files}),
        due=sum(one.key in keys for one in due),
        published=len(of_files),
        received={target: len(of_files & dues) for target, dues in received.items()},
        lateness_ms=lateness_of(one for one in timely if one.due.key in keys),
    )


def _missing(unpublished: set[Due], lost: Mapping[str, set[Due]]) -> list[str]:
    return [
        *(f"missing: {due} was not published" for due in sorted(unpublished)),
        *(
            f"missing: {due} was published and not received by {target}"
            for target, dues in lost.items()
            for due in sorted(dues)
        ),
    ]


def _skipped(unpublished: set[Due], skips: Iterable[Skip]) -> dict[Due, str]:
    """Those of *unpublished* that an event reports as skipped, and why. An event covers as many fires as it counts."""
    found: dict[Due, str] = {}
    by_key: dict[Key, list[Due]] = {}
    for due in sorted(unpublished):
        by_key.setdefault(due.key, []).append(due)
    for skip in skips:
        covered = [due for due in by_key.get(skip.key, []) if due not in found and skip.first <= due.at <= skip.last]
        found.update(dict.fromkeys(covered[: skip.count], skip.reason))
    return found


def _early(observed: Observations) -> list[str]:
    on_the_bus = [
        f"{one.due} was published at {rfc3339(one.at)}" for one in observed.publications if one.at < one.due.at
    ]
    at_a_target = [
        f"{one.due} was received by {one.target} at {rfc3339(one.at)}"
        for one in observed.receipts
        if one.at < one.due.at
    ]
    return on_the_bus + at_a_target


def _duplicates(observed: Observations) -> list[str]:
    """A fire, or a ``fire_id``, that came more than once at the same place."""
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


def _after_delete(expectation: Expectation, observed: Observations) -> list[str]:
    """Fires of a revision that had ended: its schedule was deleted, paused or updated."""
    ended = [one for one in observed.publications if expectation.ended(one.due, one.revision)]
    return [f"{one.due} was published, of revision {one.revision}" for one in ended]


def _unexpected(
    expectation: Expectation, observed: Observations, subscriptions: Mapping[str, Subscription]
) -> list[str]:
    """Fires that are not due, and fires at a target that does not subscribe to them."""
    due = expectation.required | expectation.allowed
    published = {one.due for one in observed.publications}
    on_the_bus = [
        f"{one.due} was published"
        for one in observed.publications
        if one.due.at < expectation.until and one.due not in due and not expectation.ended(one.due, one.revision)
    ]
    at_a_target = [
        f"{one.due} was received by {one.target}"
        for one in observed.receipts
        if not subscriptions[one.target].includes(one.due.key.tenant)
        or (one.due.at < expectation.until and one.due not in published)
    ]
    return on_the_bus + at_a_target


def lateness_of(publications: Iterable[Publication]) -> Lateness:
    """Percentiles by the nearest rank, so that each is the lateness of one publication."""
    late = sorted(one.at - one.due.at for one in publications)
    if not late:
        return Lateness()
    p50, p99 = (late[-(-len(late) * percent // 100) - 1] for percent in (50, 99))
    return Lateness(p50, p99, late[-1])


def _first_puts(sent: Iterable[Sent]) -> dict[Key, Sample]:
    """The first put of each schedule. A later one is an update."""
    first: dict[Key, Sample] = {}
    for one in sent:
        if one.sample.command == PUT:
            first.setdefault(one.sample.key, one.sample)
    return first


def _first_answers(sent: Iterable[Sent], answers: Iterable[Answer]) -> dict[Key, Answer]:
    """The first answer to the first put of each schedule."""
    first: dict[Key, Answer] = {}
    for answer in answers:
        if answer.detail_type in {CREATED, REJECTED}:
            first.setdefault(answer.key, answer)
    return {key: first[key] for key in _first_puts(sent) if key in first}


def _wrong_answers(sent: Iterable[Sent], answers: Mapping[Key, Answer]) -> list[str]:
    """Schedules that were accepted and had to be rejected, the other way round, or rejected for another reason."""
    faults = []
    for key, sample in _first_puts(sent).items():
        answer = answers.get(key)
        if answer is None:
            faults.append(f"unanswered: {key} was neither accepted nor rejected")
        elif sample.rejected is None and answer.detail_type == REJECTED:
            faults.append(f"rejected: {key}, which is good: {answer.message}")
        elif sample.rejected is not None and answer.detail_type != REJECTED:
            faults.append(f"accepted: {key}, which had to be rejected with {sample.rejected}")
        elif sample.rejected is not None and answer.code != sample.rejected:
            faults.append(f"rejected: {key} with {answer.code}, which had to be {sample.rejected}")
    return faults
