"""A large input is stored apart from its record, is found again, and goes once nobody needs it."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from msgspec import Raw
from msgspec.structs import replace

from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key
from eventcron.model.records import InputRef, Record, StoredInput
from eventcron.rules.inputs import KEPT_MS, MAX_INLINE_BYTES, has_input, is_abandoned, set_apart, whole
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z


def text(size: int, character: str = "x") -> Raw:
    return Raw(b'"%s"' % (character.encode() * (size - 2)))


def a_record(given: Raw, *, revision: int = 7) -> Record:
    schedule = Schedule(tenant="acme", name="report", expression="@daily", input=given)
    return record_of(schedule, revision=revision)


LARGE = text(MAX_INLINE_BYTES + 1)
#: As it is stored: LARGE is somewhere else.
APART = set_apart(a_record(LARGE))[0]


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(a_record(text(MAX_INLINE_BYTES)), id="a-kilobyte"),
        pytest.param(record_of(None), id="nothing-is-defined"),
        pytest.param(APART, id="it-is-stored-apart-already"),
    ],
)
def test_a_record_that_has_no_large_input_is_stored_as_it_is(record: Record) -> None:
    stored, apart = set_apart(record)

    assert stored is record
    assert apart is None


def test_a_larger_one_is_stored_apart_under_its_revision_and_what_it_says() -> None:
    stored, apart = set_apart(a_record(LARGE))

    assert apart is LARGE
    assert stored.input == InputRef(7, blake2b(bytes(LARGE), digest_size=16).hexdigest(), MAX_INLINE_BYTES + 1)
    assert stored.schedule is not None
    assert bytes(stored.schedule.input) == b"null"


def test_two_writers_get_the_same_id_only_for_the_same_input_of_the_same_revision() -> None:
    writers = [a_record(LARGE), a_record(LARGE), a_record(LARGE, revision=8), a_record(text(MAX_INLINE_BYTES + 1, "y"))]
    first, same, later, other = (stored.input and stored.input.id for stored, _ in map(set_apart, writers))

    assert first == same
    assert len({first, later, other}) == 3


def test_what_was_set_apart_is_whole_again_and_what_was_not_stays_as_it_is() -> None:
    again, small = whole(APART, LARGE), a_record(text(5))

    assert (again.schedule, again.input) == (a_record(LARGE).schedule, None)
    assert whole(small, None) is small
    assert whole(record_of(None), None).schedule is None


def test_a_record_is_not_whole_without_the_input_that_it_refers_to() -> None:
    with pytest.raises(ValueError, match=r"^acme/report has an input of 1025 bytes, which was not read$"):
        whole(APART, None)


@pytest.mark.parametrize(
    ("record", "given", "has"),
    [
        pytest.param(a_record(text(5)), text(5), True, id="in-the-record"),
        pytest.param(a_record(Raw(b"[1, 2]")), Raw(b"[1,2]"), False, id="byte-for-byte"),
        pytest.param(APART, LARGE, True, id="apart"),
        pytest.param(APART, text(MAX_INLINE_BYTES + 1, "y"), False, id="another-one-of-that-size"),
        pytest.param(APART, Raw(b"null"), False, id="what-stands-in-its-stead"),
        pytest.param(record_of(None), Raw(b"null"), False, id="nothing-is-defined"),
    ],
)
def test_a_record_has_its_input_wherever_that_is_stored(record: Record, given: Raw, *, has: bool) -> None:
    assert has_input(record, given) is has


assert APART.input is not None
STORED = StoredInput(key=Key("acme", "report"), id=APART.input.id, written=NOW)
REPLACED = replace(APART, input=InputRef(8, APART.input.digest, APART.input.size))


@pytest.mark.parametrize(
    ("record", "now", "expires", "abandoned"),
    [
        pytest.param(APART, NOW + 400 * KEPT_MS, None, False, id="its-record-refers-to-it"),
        pytest.param(REPLACED, NOW + KEPT_MS - 1, None, False, id="replaced-within-a-day"),
        pytest.param(REPLACED, NOW + KEPT_MS, None, True, id="replaced-a-day-ago"),
        pytest.param(a_record(text(5)), NOW + KEPT_MS, None, True, id="replaced-by-a-small-one"),
        pytest.param(None, NOW + KEPT_MS, None, True, id="a-write-that-nothing-came-of"),
        pytest.param(None, NOW + 4_999, NOW // 1000 + 5, False, id="to-be-removed-in-a-millisecond"),
        pytest.param(None, NOW + 5_000, NOW // 1000 + 5, True, id="to-be-removed-now"),
    ],
)
def test_an_input_is_abandoned_once_nobody_can_be_reading_it(
    record: Record | None, now: Instant, expires: int | None, *, abandoned: bool
) -> None:
    assert is_abandoned(replace(STORED, expires=expires), record, now=now) is abandoned
