"""What is kept of each event that eventcron publishes, and what never is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventcron.errors import Undecodable
from eventcron.model.events import EVENT_DETAILS, is_fire
from eventcron.model.history import EntryKind
from eventcron.rules.history import place
from eventcron.timing.instant import rfc3339
from eventcron.wire.history import KEPT, MESSAGE_CHARS, decode_entry, shown

PUBLISHED = sorted((Path(__file__).parents[3] / "events" / "published").glob("*.json"))
#: Fields of events that are not kept: the key, what tenants wrote, what proves a run, and how a priority was.
NOT_KEPT = {
    "allowed", "days", "given", "input", "labels", "name", "priority", "result", "route", "run_token", "source",
    "tenant", "ended",
}  # fmt: skip


def event(detail_type: str, detail: dict[str, Any], **envelope: Any) -> str:
    given = {"id": "e-1", "detail-type": detail_type, "time": "2026-12-01T08:00:03Z", "detail": detail}
    return json.dumps(given | envelope)


FIRED = {
    "tenant": "acme", "name": "tea", "fire_id": "5f" * 16, "due": "2026-12-01T08:00:00.250Z", "cause": "schedule",
    "local_time": "2026-12-01T09:00:00.250+01:00", "timezone": "Europe/Oslo", "attempt": 1, "revision": 7,
    "priority": 5, "labels": {"team": "secret"}, "input": {"password": "secret"}, "run_token": "secret",
}  # fmt: skip


def test_every_field_of_every_event_is_either_kept_or_not() -> None:
    fields = {field.encode_name for kind in EVENT_DETAILS.values() for field in msgspec.structs.fields(kind)}

    assert not KEPT & NOT_KEPT
    assert fields <= KEPT | NOT_KEPT, "say of a new field whether the history keeps it"


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.stem)
def test_each_published_event_is_kept_or_is_not_about_a_schedule(file: Path) -> None:
    body = file.read_text()
    published = json.loads(body)
    entry = decode_entry(body)

    if entry is None:
        assert published["detail-type"] in {
            "Calendar Updated", "Calendar Unchanged", "Calendar Deleted", "Schedule Unchanged", "Run Reported",
        }  # fmt: skip
        return
    assert (entry.tenant, entry.name) == (published["detail"]["tenant"], published["detail"]["name"])
    assert rfc3339(entry.time, millis=False) == published["time"]
    assert not set(entry.detail) & NOT_KEPT
    assert is_fire(published["detail"]) == (entry.kind is EntryKind.FIRED)


def test_of_a_fire_the_input_s_length_is_kept_and_nothing_that_tenants_wrote() -> None:
    entry = decode_entry(event("Nightly Export", FIRED))

    assert entry is not None
    assert (entry.kind, entry.detail_type) == (EntryKind.FIRED, "Nightly Export")
    assert rfc3339(entry.at) == "2026-12-01T08:00:00.250Z"
    assert "secret" not in str(entry)
    assert entry.detail["input_bytes"] == len('{"password": "secret"}')


def test_a_fire_that_is_published_twice_is_one_entry_and_another_occurrence_is_another() -> None:
    first, again, other = (
        decode_entry(event("Schedule Fired", FIRED | more, id=event_id))
        for event_id, more in (("1", {}), ("2", {"attempt": 2}), ("3", {"fire_id": "6a" * 16}))
    )

    assert first
    assert again
    assert other
    assert place(first) == place(again) != place(other)


def test_two_changes_within_a_second_are_two_entries() -> None:
    paused = {"tenant": "acme", "name": "tea", "revision": 8, "state": "PAUSED"}
    first, second = (decode_entry(event("Schedule Paused", paused, id=event_id)) for event_id in ("1", "2"))

    assert first
    assert second
    assert place(first) != place(second)


def test_of_a_rejection_the_value_is_not_kept() -> None:
    detail = {
        "tenant": "acme", "name": "tea", "code": "wrong_type", "field": "input", "given": "'secret'", "allowed": "JSON",
        "message": "input: got 'secret'", "command": "Put Schedule", "event_id": "e", "source": "eventcron.tenant.acme",
    }  # fmt: skip
    entry = decode_entry(event("Schedule Rejected", detail))

    assert entry is not None
    assert "secret" not in str(entry)
    assert entry.detail == {"code": "wrong_type", "field": "input", "command": "Put Schedule", "event_id": "e"}
    assert decode_entry(event("Schedule Rejected", detail | {"command": "Put Calendar"})) is None
    assert decode_entry(event("Schedule Rejected", {"code": "not_json", "command": ""})) is None


def test_a_long_message_is_cut() -> None:
    run = {"tenant": "acme", "name": "tea", "fire_id": "5f" * 16, "due": "2026-12-01T08:00:00.000Z", "duration_ms": 5}
    entry = decode_entry(event("Run Failed", run | {"message": "x" * 5_000}))

    assert entry is not None
    assert (entry.kind, len(entry.detail["message"])) == (EntryKind.RUN, MESSAGE_CHARS)


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "[]",
        event("Schedule Fired", {"fire_id": "5f", "local_time": "x", "input": 1}),
        event("Schedule Fired", FIRED | {"tenant": "a/b"}),
        event("Schedule Fired", FIRED | {"due": "yesterday"}),
        event("Schedule Paused", {"tenant": "acme"}),
    ],
)
def test_what_is_no_event_of_eventcron_is_refused(body: str) -> None:
    with pytest.raises(Undecodable, match="no event of eventcron"):
        decode_entry(body)


def test_an_entry_is_shown_as_programs_read_it() -> None:
    entry = decode_entry(event("Schedule Fired", FIRED))

    assert entry is not None
    document = msgspec.to_builtins(shown(entry))
    assert document["at"] == "2026-12-01T08:00:00.250Z"
    assert document["published"] == "2026-12-01T08:00:03Z"
    assert (document["kind"], document["event"]) == ("fired", "Schedule Fired")
