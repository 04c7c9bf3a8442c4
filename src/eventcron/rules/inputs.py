"""A schedule's input. A large one is stored apart from the record, so that moving ``wake`` does not write it again."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from eventcron.model.names import Instant
from eventcron.model.records import InputRef, Record, StoredInput

#: Bytes. A larger input is stored apart. DynamoDB counts a write in units of 1 KB.
MAX_INLINE_BYTES = 1_024
#: Milliseconds for which an input stays after another has replaced it, or after a write that nothing came of. Whoever
#: has read the record before reads the input within seconds.
KEPT_MS = 86_400_000

_NULL = msgspec.Raw(b"null")


def set_apart(record: Record) -> tuple[Record, msgspec.Raw | None]:
    """*record* as it is stored, and the input that is to be stored apart; None: there is none to store.

    The place of an input has the record's revision and what the input says. So no later write gets the same place, and
    two writers of one revision get the same place only for the same input.
    """
    schedule = record.schedule
    if schedule is None or record.input is not None or len(bytes(schedule.input)) <= MAX_INLINE_BYTES:
        return record, None
    place = InputRef(record.revision, _digest(schedule.input), len(bytes(schedule.input)))
    return replace(record, schedule=replace(schedule, input=_NULL), input=place), schedule.input


def whole(record: Record, apart: msgspec.Raw | None) -> Record:
    """*record* with its input in its schedule. *apart* is the input, if the record refers to one.

    Raises:
        ValueError: the record refers to an input, and none is given.
    """
    if record.schedule is None or record.input is None:
        return record
    if apart is None:
        raise ValueError(f"{record.key} has an input of {record.input.size} bytes, which was not read")
    return replace(record, schedule=replace(record.schedule, input=apart), input=None)


def has_input(record: Record, given: msgspec.Raw) -> bool:
    """Whether the schedule of *record* has the input *given*, byte for byte, wherever that is stored."""
    if record.schedule is None:
        return False
    if record.input is None:
        return bytes(record.schedule.input) == bytes(given)
    return record.input.digest == _digest(given)


def is_abandoned(stored: StoredInput, record: Record | None, *, now: Instant) -> bool:
    """Whether nobody needs the *stored* input any more; *record* is its schedule's."""
    if record is not None and record.input is not None and record.input.id == stored.id:
        return False
    return stored.written + KEPT_MS <= now or (stored.expires is not None and stored.expires * 1000 <= now)


def _digest(given: msgspec.Raw) -> str:
    return blake2b(bytes(given), digest_size=16).hexdigest()
