"""The REST API: what each request does, and what it is answered."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import msgspec
import pytest

from eventcron.app.history import Past
from eventcron.entrypoints import rest_lambda
from eventcron.entrypoints.rest import routes
from eventcron.entrypoints.rest.request import MAX_BODY_BYTES
from eventcron.errors import Unavailable
from eventcron.model.commands import COMMANDS
from eventcron.model.history import EntryKind, HistoryEntry, KeepHistory
from eventcron.model.names import Key
from eventcron.model.records import Record, State
from tests.rest.gateway import ACCOUNT, ACME, NOW, OTHER, PLATFORM, Api, event

TEA = "/tenants/acme/schedules/tea"
HOURLY = {"expression": "0 * * * *", "timezone": "Europe/Oslo", "input": {"cups": 2.50}}


def test_a_put_stores_the_schedule_answers_with_it_and_publishes_the_event(api: Api) -> None:
    answer = api("PUT", TEA, '{"expression": "0 * * * *", "timezone": "Europe/Oslo", "input": {"cups": 2.50}}')

    revision = api.store.records[Key("acme", "tea")].revision
    assert answer.status == 201
    assert answer.headers["etag"] == f'"{revision}"'
    assert answer.body == {
        "schedule": {"tenant": "acme", "name": "tea", **HOURLY},
        "state": "ENABLED",
        "revision": revision,
        "created": "2026-12-01T08:00:00.001Z",
        "next_due": "2026-12-01T09:00:00.000Z",
    }
    assert api.events == ["Schedule Created"]
    assert bytes(api.store.records[Key("acme", "tea")].schedule.input) == b'{"cups": 2.50}'  # type: ignore[union-attr]  # just put


def test_a_second_put_is_a_200_and_a_later_revision(api: Api) -> None:
    first = api("PUT", TEA, HOURLY)
    second = api("PUT", TEA, HOURLY | {"description": "for two"})

    assert second.status == 200
    assert second.body["revision"] > first.body["revision"]
    assert second.body["created"] == first.body["created"]
    assert api.events == ["Schedule Created", "Schedule Updated"]


@pytest.mark.parametrize(
    ("bounds", "next_due"),
    [
        pytest.param({"start": "2026-12-03T00:00:00Z"}, "2026-12-03T00:00:00.000Z", id="not-before-its-start"),
        pytest.param({"end": "2026-12-01T09:30:00Z"}, None, id="not-after-its-end"),
    ],
)
def test_the_next_fire_is_within_the_schedule_s_bounds(api: Api, bounds: dict[str, str], next_due: str | None) -> None:
    api("PUT", TEA, HOURLY | bounds)
    api.clock.instant += 3_600_000

    assert api("GET", TEA).body.get("next_due") == next_due


def test_the_next_fire_counts_with_its_flexible_window_and_a_schedule_that_expects_reports_has_none(api: Api) -> None:
    """The fire of 08:00 is published within the ten minutes after that."""
    api.clock.instant -= 60_000
    api("PUT", TEA, HOURLY | {"flexible_window_seconds": 600})
    api("PUT", "/tenants/acme/schedules/backup", {"expression": "@hourly", "expect": {"within_seconds": 60}})
    api.clock.instant += 60_000

    assert api("GET", TEA).body["next_due"] == "2026-12-01T08:00:00.000Z"
    assert "next_due" not in api("GET", "/tenants/acme/schedules/backup").body


def test_what_is_read_can_be_put_again(api: Api) -> None:
    api("PUT", TEA, HOURLY | {"revision": 7, "labels": {"team": "kitchen"}})
    api("POST", f"{TEA}/pause")
    read = api("GET", TEA)
    put = api("PUT", TEA, read.body["schedule"])

    assert read.status == put.status == 200
    assert read.body["state"] == put.body["state"] == "PAUSED"
    assert put.body["schedule"] == read.body["schedule"]


def test_the_fires_of_a_put_are_those_of_the_same_command_on_the_bus(api: Api) -> None:
    api("PUT", TEA, {"expression": "30 * * * * *"})

    packs = [json.loads(message.body) for message in _after(api, 90)]
    assert sorted(fire[3] for pack in packs for fire in pack["fires"]) == [NOW + 30_000, NOW + 90_000]
    assert api.store.records[Key("acme", "tea")].pending is None


def _after(api: Api, seconds: int) -> list[Any]:
    api.clock.instant += seconds * 1000
    return list(api.fires.receive())


@pytest.mark.parametrize(
    ("verb", "event", "state"),
    [
        pytest.param("pause", "Schedule Paused", "PAUSED", id="pause"),
        pytest.param("resume", "Schedule Resumed", "ENABLED", id="resume"),
    ],
)
def test_a_switch_answers_with_the_schedule_as_it_is_now(api: Api, verb: str, event: str, state: str) -> None:
    api("PUT", TEA, HOURLY)
    answer = api("POST", f"{TEA}/{verb}")

    assert (answer.status, answer.body["state"]) == (200, state)
    assert ("next_due" in answer.body) == (state == "ENABLED")
    assert api.events[-1] == event


def test_a_run_is_accepted_with_the_id_that_its_fire_will_carry(api: Api) -> None:
    api("PUT", TEA, HOURLY)
    named = api("POST", f"{TEA}/run", {"run_id": "by-hand"})
    unnamed = api("POST", f"{TEA}/run")

    packs = [json.loads(message.body) for message in _after(api, 1)]
    assert named.status == unnamed.status == 202
    assert named.body == {"tenant": "acme", "name": "tea", "id": "by-hand"}
    assert [fire[6] for pack in packs for fire in pack["fires"]] == ["by-hand", unnamed.body["id"]]


def test_a_backfill_is_accepted_and_can_be_cancelled(api: Api) -> None:
    api("PUT", TEA, HOURLY)
    day = {"from": "2026-11-30T00:00:00Z", "until": "2026-12-01T00:00:00Z"}
    started = api("POST", f"{TEA}/backfill", day | {"backfill_id": "again"})
    other = api("POST", f"{TEA}/backfill", day | {"backfill_id": "again", "per_minute": 7})
    cancelled = api("POST", f"{TEA}/cancel-backfill", {"backfill_id": "again"})
    many = [api("POST", f"{TEA}/backfill", day).status for _ in range(11)]

    assert (started.status, cancelled.status) == (202, 202)
    assert started.body == {"tenant": "acme", "name": "tea", "id": "again"}
    assert (other.status, other.body["code"]) == (409, "backfill_exists")
    assert many == [202] * 10 + [429]


def test_a_delete_leaves_nothing_to_see(api: Api) -> None:
    api("PUT", TEA, HOURLY)
    deleted = api("DELETE", TEA)

    assert (deleted.status, deleted.body) == (204, None)
    assert api("GET", TEA).status == 404
    assert api("GET", "/tenants/acme/schedules").body == {"schedules": []}
    assert api("DELETE", TEA).status == 404
    assert api.store.records[Key("acme", "tea")].state is State.DELETED
    assert api("PUT", TEA, HOURLY).status == 201


def test_a_command_to_what_is_not_there_is_a_404(api: Api) -> None:
    for method, path in [("GET", TEA), ("DELETE", TEA), *(("POST", f"{TEA}/{verb}") for verb in ("pause", "run"))]:
        answer = api(method, path)

        assert answer.status == 404
        assert answer.body["code"] == "not_found"


def test_every_command_about_a_schedule_has_a_route(api: Api) -> None:
    own = {route.body for route in routes.ROUTES if route.body and route.path != routes.COMMANDS_PATH}

    assert own | {COMMANDS["Delete Schedule"]} == {kind for title, kind in COMMANDS.items() if "Calendar" not in title}
    assert {route.path for route in routes.ROUTES} >= {
        f"{routes.SCHEDULE}/{verb}" for verb in ("pause", "resume", "run")
    }


# --- Refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        pytest.param(
            {"expression": "61 * * * *"},
            422,
            {"code": "invalid_expression", "field": "minute", "allowed": "0-59"},
            id="an-expression",
        ),
        pytest.param(
            {"expression": "0 * * * *", "misfire": {"grace_seconds": -1}},
            422,
            {
                "code": "out_of_range",
                "field": "misfire.grace_seconds",
                "given": "-1",
                "allowed": "a whole number from 0 to 604800",
            },
            id="a-nested-field",
        ),
        pytest.param({"expression": "0 * * * *", "tenant": "other"}, 422, {"field": "tenant"}, id="another-tenant"),
        pytest.param({"expression": "0 * * * *", "name": "coffee"}, 422, {"field": "name"}, id="another-name"),
        pytest.param({}, 422, {"code": "missing_field", "field": "expression"}, id="nothing"),
        pytest.param(
            '{"expression": "0 * * * *", "expression": "1 * * * *"}', 400, {"code": "duplicate_key"}, id="twice"
        ),
        pytest.param('{"tenant": "acme", "tenant": "other"}', 400, {"code": "duplicate_key"}, id="two-tenants"),
        pytest.param("{", 400, {"code": "not_json", "field": "body"}, id="half"),
        pytest.param("[]", 400, {"code": "not_json", "field": "body", "given": "[]"}, id="a-list"),
        pytest.param('"text"', 400, {"code": "not_json", "field": "body"}, id="text"),
        pytest.param(b'{"expression": "\xff"}', 400, {"code": "not_utf8"}, id="not-utf-8"),
        pytest.param("[" * 200, 400, {"code": "too_deep"}, id="too-deep"),
        pytest.param(" " * (MAX_BODY_BYTES + 1), 413, {"code": "too_large", "field": "body"}, id="too-large"),
    ],
)
def test_a_bad_body_is_answered_with_what_to_change(api: Api, body: Any, status: int, problem: dict[str, str]) -> None:
    answer = api("PUT", TEA, body)

    assert answer.status == answer.body["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["type"] == f"urn:eventcron:problem:{answer.body['code']}"
    assert {name: answer.body[name] for name in problem} == problem
    assert api.store.records == {}
    assert api.events == []


def test_a_problem_in_full(api: Api) -> None:
    answer = api("PUT", TEA, {"expression": "0 * * * *", "max_fires": 0})

    assert answer.body == {
        "type": "urn:eventcron:problem:out_of_range",
        "title": "Out of range",
        "status": 422,
        "detail": "max_fires: got 0; allowed: a whole number from 1 to 10000",
        "code": "out_of_range",
        "field": "max_fires",
        "given": "0",
        "allowed": "a whole number from 1 to 10000",
    }


@pytest.mark.parametrize(
    ("path", "field", "allowed"),
    [
        pytest.param("/tenants/acme/schedules?limit=0", "limit", "a whole number from 1 to 100", id="limit"),
        pytest.param("/tenants/acme/schedules?limit=x", "limit", "a whole number from 1 to 100", id="limit-text"),
        pytest.param("/tenants/acme/schedules?state=on", "state", "'COMPLETED' or 'ENABLED' or 'PAUSED'", id="state"),
        pytest.param("/tenants/acme/schedules?stat=PAUSED", "stat", "prefix, state, limit, next", id="unknown"),
        pytest.param("/tenants/acme/schedules?prefix=a/b", "prefix", "at most 128 of A-Z a-z 0-9 . _ -", id="prefix"),
        pytest.param("/tenants/acme/schedules?next=!", "next", "the field next of the previous page", id="token"),
        pytest.param("/tenants/acme/schedules?next=_w", "next", "the field next of the previous page", id="no-name"),
        pytest.param(
            "/tenants/acme/schedules/a%2Fb", "name", "1-128 of A-Z a-z 0-9 . _ -, but not '.' or '..'", id="name"
        ),
    ],
)
def test_a_bad_parameter_is_a_400(api: Api, path: str, field: str, allowed: str) -> None:
    answer = api("GET", path)

    assert (answer.status, answer.body["field"]) == (400, field)
    assert answer.body["allowed"].startswith(allowed)


def test_a_parameter_given_twice_is_a_400(api: Api) -> None:
    answer = api("GET", "/tenants/acme/schedules?limit=1&limit=2")

    assert (answer.status, answer.body["code"]) == (400, "duplicate_parameter")


def test_a_delete_takes_its_revision_from_the_query_and_no_body(api: Api) -> None:
    api("PUT", TEA, HOURLY | {"revision": 10})

    assert api("DELETE", TEA, {"revision": 11}).body["code"] == "unexpected_body"
    assert api("DELETE", f"{TEA}?revision=-1").body["allowed"] == "a whole number from 0 to 9007199254740991"
    assert api("DELETE", f"{TEA}?revision=9").status == 409
    assert api("DELETE", f"{TEA}?revision=11").status == 204


@pytest.mark.parametrize("path", ["/", "/tenants", "/tenants/acme/schedules/tea/stop", "/tenants//schedules/a/b/c"])
def test_an_unknown_path_is_a_404(api: Api, path: str) -> None:
    answer = api("GET", path)

    assert (answer.status, answer.body["code"]) == (404, "no_such_path")
    assert answer.body["detail"] == f"there is no path {path!r}; see /openapi.json"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        pytest.param("PATCH", TEA, "GET, PUT, DELETE", id="schedule"),
        pytest.param("HEAD", TEA, "GET, PUT, DELETE", id="head"),
        pytest.param("POST", "/tenants/acme/schedules", "GET", id="list"),
        pytest.param("GET", f"{TEA}/pause", "POST", id="command"),
    ],
)
def test_a_wrong_method_is_a_405_that_says_which_are_right(api: Api, method: str, path: str, allow: str) -> None:
    answer = api(method, path)

    assert (answer.status, answer.headers["allow"]) == (405, allow)


def test_a_body_that_is_not_json_by_its_type_is_a_415(api: Api) -> None:
    answer = api("PUT", TEA, HOURLY, headers={"content-type": "text/plain"})

    assert (answer.status, answer.body["field"], answer.body["given"]) == (415, "Content-Type", "'text/plain'")
    assert api("PUT", TEA, HOURLY, headers={"content-type": "application/json; charset=utf-8"}).status == 201


# --- Tenants --------------------------------------------------------------------------------------------------------

REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/tenants/acme/schedules", None),
    ("GET", TEA, None),
    ("PUT", TEA, HOURLY),
    ("DELETE", TEA, None),
    *(("POST", f"{TEA}/{routes.verb(title)}", {}) for title, kind in COMMANDS.items() if kind not in routes.NOT_POSTED),
]


@pytest.mark.parametrize("there", [True, False], ids=["a-schedule", "no-schedule"])
@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(OTHER, id="another-tenant"),
        pytest.param(None, id="no-identity"),
        pytest.param("arn:aws:sts::123456789012:assumed-role/eventcron-tenant-acme-2/s", id="a-longer-name"),
        pytest.param("arn:aws:sts::123456789012:assumed-role/other/eventcron-tenant-acme", id="a-session-of-that-name"),
        pytest.param("arn:aws:iam::123456789012:user/eventcron-tenant-acme", id="a-user-of-that-name"),
        pytest.param("arn:aws:iam::123456789012:root", id="root"),
        pytest.param(ACME.replace(ACCOUNT, "999999999999"), id="a-role-of-that-name-in-another-account"),
        pytest.param(PLATFORM.replace(ACCOUNT, "999999999999"), id="a-trusted-name-in-another-account"),
        pytest.param("arn:aws:sts::123456789012:federated-user/platform", id="a-federated-user"),
    ],
)
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: f"{request[0]}-{request[1].rpartition('/')[2]}")
def test_a_stranger_gets_the_same_403_whether_or_not_the_schedule_is_there(
    api: Api, request_: tuple[str, str, Any], caller: str | None, there: bool
) -> None:
    if there:
        api("PUT", TEA, HOURLY)
    before = (dict(api.store.records), api.events)
    method, path, body = request_
    answer = api(method, path, body, caller=caller)

    assert (answer.status, answer.body["code"]) == (403, "not_allowed")
    assert answer.body["detail"].endswith("may not act for tenant 'acme'")
    assert (dict(api.store.records), api.events) == before


def test_a_tenant_whose_role_cannot_exist_is_told_so_and_is_served_by_the_trusted_only(api: Api) -> None:
    longest = "t" * (64 - len("eventcron-tenant-"))
    path = "/tenants/{}/schedules/tea"
    caller = f"arn:aws:sts::{ACCOUNT}:assumed-role/eventcron-tenant-{longest}"
    answer = api("PUT", path.format(longest + "t"), HOURLY, caller=f"{caller}/s")

    assert api("PUT", path.format(longest), HOURLY, caller=f"{caller}/s").status == 201
    assert answer.status == 403
    assert answer.body["detail"].endswith("cannot exist, as IAM allows 64 characters, not 65")
    assert api("PUT", path.format(longest + "t"), HOURLY, caller=PLATFORM).status == 201


def test_a_tenant_sees_and_changes_its_own_schedule_of_the_same_name(api: Api) -> None:
    api("PUT", TEA, HOURLY)
    other = api("PUT", "/tenants/other/schedules/tea", {"expression": "@daily"}, caller=OTHER)
    api("DELETE", "/tenants/other/schedules/tea", caller=OTHER)

    assert other.status == 201
    assert api("GET", TEA).body["schedule"]["expression"] == "0 * * * *"


def test_a_body_cannot_name_a_tenant_that_the_path_does_not(api: Api) -> None:
    answer = api("PUT", "/tenants/other/schedules/tea", HOURLY | {"tenant": "acme"}, caller=OTHER)

    assert (answer.status, answer.body["code"], answer.body["given"]) == (422, "not_allowed", "'acme'")
    assert api.store.records == {}


def test_a_path_cannot_climb_into_another_tenant(api: Api) -> None:
    for path in ("/tenants/acme/../other/schedules", "/tenants/acme%2F..%2Fother/schedules"):
        assert api("GET", path).status in {400, 403, 404}


def test_a_trusted_principal_acts_for_every_tenant(api: Api) -> None:
    assert api("PUT", TEA, HOURLY, caller=PLATFORM).status == 201
    assert api("GET", "/tenants/other/schedules", caller=PLATFORM).body == {"schedules": []}


# --- Lists ----------------------------------------------------------------------------------------------------------


@pytest.fixture(name="filled")
def _filled(api: Api) -> Api:
    for number in range(7):
        api("PUT", f"/tenants/acme/schedules/report-{number}", HOURLY)
    api("PUT", "/tenants/acme/schedules/alone", HOURLY | {"state": "PAUSED"})
    api("PUT", "/tenants/other/schedules/report-9", HOURLY, caller=OTHER)
    api("DELETE", "/tenants/acme/schedules/report-3")
    return api


def pages(api: Api, query: str) -> list[list[str]]:
    """The names of each page."""
    found, next_page = [], ""
    while True:
        body = api("GET", f"/tenants/acme/schedules?{query}{next_page}").body
        found.append([stored["schedule"]["name"] for stored in body["schedules"]])
        if "next" not in body:
            return found
        next_page = f"&next={body['next']}"


def test_a_list_is_by_name_without_what_was_deleted(filled: Api) -> None:
    assert pages(filled, "") == [["alone", *(f"report-{number}" for number in (0, 1, 2, 4, 5, 6))]]


def test_pages_hold_at_most_the_limit_and_together_everything_once(filled: Api) -> None:
    found = pages(filled, "limit=2&prefix=report-")

    assert found[0] == ["report-0", "report-1"]
    assert all(len(page) <= 2 for page in found)
    assert [name for page in found for name in page] == [f"report-{number}" for number in (0, 1, 2, 4, 5, 6)]


def test_a_list_can_be_of_one_state(filled: Api) -> None:
    assert pages(filled, "state=PAUSED") == [["alone"]]
    assert pages(filled, "state=COMPLETED&limit=1") == [[]]


def test_pages_go_on_behind_more_deleted_schedules_than_are_read_at_once(filled: Api) -> None:
    for number in range(15):
        filled("PUT", f"/tenants/acme/schedules/gone-{number:02}", HOURLY)
        filled("DELETE", f"/tenants/acme/schedules/gone-{number:02}")

    found = pages(filled, "limit=1")
    assert [] in found
    assert [name for page in found for name in page][:2] == ["alone", "report-0"]


def test_a_token_is_of_a_list_with_the_same_prefix(filled: Api) -> None:
    token = filled("GET", "/tenants/acme/schedules?limit=1&prefix=report-").body["next"]
    answer = filled("GET", f"/tenants/acme/schedules?prefix=alone&next={token}")

    assert (answer.status, answer.body["code"]) == (400, "invalid_token")


# --- Revisions ------------------------------------------------------------------------------------------------------


def test_a_stale_revision_is_a_409_and_changes_nothing(api: Api) -> None:
    api("PUT", TEA, HOURLY | {"revision": 10})
    answer = api("PUT", TEA, {"expression": "@daily", "revision": 9})

    assert (answer.status, answer.body["code"], answer.body["field"]) == (409, "stale_revision", "revision")
    assert answer.body["allowed"] == "more than 10, the revision already applied"
    assert api("GET", TEA).body["schedule"]["expression"] == "0 * * * *"


def test_the_same_put_again_is_a_200_and_another_one_of_its_revision_a_409(api: Api) -> None:
    first = api("PUT", TEA, HOURLY | {"revision": 10})
    again = api("PUT", TEA, HOURLY | {"revision": 10})
    other = api("PUT", TEA, {"expression": "@daily", "revision": 10})

    assert (again.status, again.body) == (200, first.body | {"unchanged": True})
    assert again.headers["etag"] == first.headers["etag"]
    assert (other.status, other.body["code"]) == (409, "stale_revision")
    assert api.events == ["Schedule Created", "Schedule Unchanged"]


def test_a_manual_schedule_is_put_shown_and_run(api: Api) -> None:
    put = api("PUT", TEA, {"expression": "manual", "display_name": "Tea, by hand"})
    shown = api("GET", TEA)

    assert (put.status, shown.status, shown.body["state"], "next_due" in shown.body) == (201, 200, "ENABLED", False)
    assert shown.body["schedule"]["display_name"] == "Tea, by hand"
    assert api("POST", f"{TEA}/run").status == 202


def test_a_put_of_what_a_get_showed_leaves_a_pause_as_it_is(api: Api) -> None:
    api("PUT", TEA, HOURLY)
    shown = api("GET", TEA).body["schedule"]
    api("POST", f"{TEA}/pause")

    assert api("PUT", TEA, shown).body["state"] == "PAUSED"
    assert api("PUT", TEA, api("GET", TEA).body["schedule"]).body["unchanged"] is True


@pytest.mark.parametrize("name", ["%2E", "%2E%2E"])
def test_a_name_that_clients_resolve_is_no_name(api: Api, name: str) -> None:
    answer = api("PUT", f"/tenants/acme/schedules/{name}", HOURLY)

    assert (answer.status, answer.body["code"]) == (400, "invalid_name")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"If-Match": '"10"'}, 200, id="this-one"),
        pytest.param({"If-Match": '"9" , "10"'}, 200, id="one-of-these"),
        pytest.param({"If-Match": "*"}, 200, id="any"),
        pytest.param({"If-Match": '"9"'}, 412, id="another"),
        pytest.param({"If-Match": 'W/"10"'}, 412, id="weak-never-matches"),
        pytest.param({"If-None-Match": "*"}, 412, id="none"),
        pytest.param({"If-Match": "10"}, 400, id="without-quotation-marks"),
        pytest.param({"If-None-Match": '"10"'}, 400, id="none-of-these"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_a_precondition_decides_whether_a_command_is_applied(
    api: Api, method: str, headers: dict[str, str], status: int
) -> None:
    api("PUT", TEA, HOURLY | {"revision": 10})
    path = f"{TEA}/pause" if method == "POST" else TEA
    answer = api(method, path, None if method == "DELETE" else {} if method == "POST" else HOURLY, headers=headers)

    assert answer.status == (204 if (status, method) == (200, "DELETE") else status)
    assert (len(api.events) == 2) == (status == 200)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"If-None-Match": "*"}, 201, id="none"),
        pytest.param({"If-Match": "*"}, 412, id="any"),
        pytest.param({"If-Match": '"11"'}, 412, id="the-tombstones-own"),
    ],
)
def test_a_deleted_schedule_matches_no_precondition_but_that_of_none(
    api: Api, headers: dict[str, str], status: int
) -> None:
    api("PUT", TEA, HOURLY | {"revision": 10})
    api("DELETE", f"{TEA}?revision=11")

    assert api("PUT", TEA, HOURLY, headers=headers).status == status


def test_a_failed_precondition_says_what_is_stored(api: Api) -> None:
    api("PUT", TEA, HOURLY | {"revision": 10})
    answer = api("PUT", TEA, HOURLY, headers={"If-Match": '"9"'})

    assert (answer.body["code"], answer.body["field"], answer.body["allowed"]) == (
        "precondition_failed",
        "If-Match",
        '"10"',
    )


def test_a_finished_schedule_is_shown_as_completed_and_cannot_be_paused(api: Api) -> None:
    revision = api("PUT", TEA, {"expression": "at(2026-12-01T08:00:05)"}).body["revision"]
    api.clock.instant += 10_000
    asyncio.run(api.store.complete(Key("acme", "tea"), revision=revision, expires=None))
    shown = api("GET", TEA)
    paused = api("POST", f"{TEA}/pause")

    assert (shown.body["state"], "next_due" in shown.body) == ("COMPLETED", False)
    assert (paused.status, paused.body["code"]) == (409, "completed")


def test_a_precondition_holds_of_the_very_revision_that_is_replaced(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = api("PUT", TEA, HOURLY)
    put = api.store.put
    others = [1]

    async def overtaken(record: Record, *, replacing: int | None, **count: int) -> bool:
        if others:
            await put(msgspec.structs.replace(record, revision=record.revision + others.pop()), replacing=replacing)
        return await put(record, replacing=replacing, **count)

    monkeypatch.setattr(api.store, "put", overtaken)
    answer = api("PUT", TEA, HOURLY | {"description": "new"}, headers={"If-Match": first.headers["etag"]})

    assert (answer.status, answer.body["given"]) == (412, repr(first.headers["etag"]))


@pytest.mark.parametrize("verb", ["run", "backfill", "cancel-backfill"])
def test_what_changes_nothing_stored_takes_no_precondition(api: Api, verb: str) -> None:
    api("PUT", TEA, HOURLY)
    answer = api("POST", f"{TEA}/{verb}", {}, headers={"If-Match": "*"})

    assert (answer.status, answer.body["field"]) == (400, "If-Match")


# --- When things break ----------------------------------------------------------------------------------------------


def test_a_throttled_store_is_a_503_that_says_when_to_ask_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def throttled(_keys: list[Key]) -> dict[Key, Any]:
        raise Unavailable("dynamodb", "ThrottlingException")

    monkeypatch.setattr(api.store, "get", throttled)
    answer = api("GET", TEA)

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.body["detail"] == "dynamodb is unavailable: ThrottlingException; send the request again"


def test_a_crash_is_a_500_that_tells_nothing_and_one_log_line_that_tells_all(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_keys: list[Key]) -> dict[Key, Any]:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(api.store, "get", broken)
    answer = api("GET", TEA)

    assert (answer.status, answer.body["code"]) == (500, "internal_error")
    assert "secret" not in json.dumps(answer.body)
    (crash,) = (record for record in caplog.records if record.message == "request_crashed")
    assert crash.exc_info is not None
    assert crash.exc_info[0] is ZeroDivisionError


# --- The gateway ----------------------------------------------------------------------------------------------------


def test_a_stage_before_the_path_is_no_part_of_it(api: Api) -> None:
    request = event("GET", "/prod/tenants/acme/schedules", b"", caller=ACME, headers={}, stage="prod")

    assert api.send(request).status == 200


def test_a_body_in_base_64_is_read(api: Api) -> None:
    request = event("PUT", TEA, b"{}", caller=ACME, headers={})
    request |= {"body": base64.b64encode(json.dumps(HOURLY).encode()).decode(), "isBase64Encoded": True}

    assert api.send(request).status == 201
    assert api.send(request | {"body": "?"}).body["code"] == "not_utf8"


def test_commands_are_counted_like_those_on_the_bus_and_every_request_is_logged(
    api: Api, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    api("PUT", TEA, HOURLY)
    api("PUT", TEA, {})
    api("GET", TEA)

    counted = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    logged = [vars(record) for record in caplog.records if record.message == "request_answered"]
    assert [(record.get("CommandsAccepted"), record.get("CommandsRejected")) for record in counted] == [
        ([1], None),
        (None, [1]),
    ]
    assert [(line["status"], line["method"], line["path"]) for line in logged] == [
        (201, "PUT", TEA),
        (422, "PUT", TEA),
        (200, "GET", TEA),
    ]
    assert {line["caller"] for line in logged} == {"role/eventcron-tenant-acme"}


def test_the_handler_is_the_entry_point_of_the_template() -> None:
    assert rest_lambda.handler.__module__ == "eventcron.entrypoints.rest_lambda"


def test_a_large_input_is_shown_as_it_was_put_and_a_list_ends_before_its_answer_is_too_large(api: Api) -> None:
    value = "x" * 199_000
    for number in range(14):
        put = api("PUT", f"/tenants/acme/schedules/large-{number:02}", {"expression": "@daily", "input": value})
        assert put.body["schedule"]["input"] == value

    first = api("GET", "/tenants/acme/schedules")
    second = api("GET", f"/tenants/acme/schedules?next={first.body['next']}")

    shown = [one["schedule"] for answer in (first, second) for one in answer.body["schedules"]]
    assert [one["name"] for one in shown] == [f"large-{number:02}" for number in range(14)]
    assert all(one["input"] == value for one in shown)
    assert len(first.body["schedules"]) == 10
    assert "next" not in second.body


@pytest.mark.parametrize(("other", "status"), [("x" * 2_000, 200), ("x" * 1_999 + "y", 409)])
def test_a_repeated_put_is_compared_with_a_large_input_too(api: Api, other: str, status: int) -> None:
    api("PUT", TEA, HOURLY | {"revision": 7, "input": "x" * 2_000})

    assert api("PUT", TEA, HOURLY | {"revision": 7, "input": other}).status == status


SEND = "/tenants/acme/commands"


def test_any_command_can_be_sent_by_its_name(api: Api) -> None:
    put = api("POST", SEND, {"DetailType": "Put Schedule", "Detail": {"name": "tea", **HOURLY}})
    calendar = {"DetailType": "Put Calendar", "Detail": {"tenant": "acme", "name": "norway", "dates": ["2026-12-24"]}}

    assert (put.status, put.body | {"id": ""}) == (202, {"tenant": "acme", "name": "tea", "id": ""})
    assert api("POST", SEND, calendar).status == 202
    assert api.events == ["Schedule Created", "Calendar Updated"]
    assert api("GET", TEA).body["schedule"] == {"tenant": "acme", "name": "tea", **HOURLY}


def test_a_heartbeat_needs_no_token_where_one_is_expected(api: Api) -> None:
    api("PUT", TEA, {"expression": "@hourly", "expect": {"within_seconds": 60}})
    api("PUT", "/tenants/acme/schedules/coffee", HOURLY)

    assert api("GET", TEA).body["schedule"]["expect"] == {"within_seconds": 60}
    assert api("POST", f"{TEA}/report-run", {"status": "failed", "message": "cold"}).status == 202
    assert api.events[-1] == "Run Failed"
    refused = api("POST", "/tenants/acme/schedules/coffee/report-run", {"status": "failed"})
    assert (refused.status, refused.body["code"], refused.body["field"]) == (422, "missing_field", "run_token")
    assert api("POST", f"{TEA}/report-run", {"status": "failed"}, caller=OTHER).status == 403


def test_a_sent_command_may_be_as_large_as_one_on_the_bus(api: Api) -> None:
    """API Gateway cuts what it maps from a body itself at 100 KB."""
    detail = {"name": "tea", "expression": "0 * * * *", "input": "x" * 150_000}

    assert api("POST", SEND, {"DetailType": "Put Schedule", "Detail": detail}).status == 202
    assert api("GET", TEA).body["schedule"]["input"] == detail["input"]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        pytest.param({"DetailType": "Put Tea", "Detail": {}}, 422, "unknown_command", "DetailType", id="no-command"),
        pytest.param({"Detail": {}}, 422, "missing_field", "DetailType", id="without-its-name"),
        pytest.param({"DetailType": "Run Schedule"}, 422, "missing_field", "Detail", id="without-its-detail"),
        pytest.param({"DetailType": "Run Schedule", "Detail": "{}"}, 400, "not_json", "Detail", id="a-detail-as-text"),
        pytest.param(
            {"DetailType": "Run Schedule", "Detail": {}, "Source": "x"}, 422, "unknown_field", "Source", id="more"
        ),
        pytest.param(
            {"DetailType": "Run Schedule", "Detail": {"tenant": "rival", "name": "tea"}},
            422, "not_allowed", "tenant", id="another-tenant",
        ),
        pytest.param(
            {"DetailType": "Run Schedule", "Detail": {"name": "tea"}}, 404, "not_found", "name", id="no-such-schedule"
        ),
    ],
)  # fmt: skip
def test_a_sent_command_that_is_wrong_is_answered(api: Api, body: Any, status: int, code: str, field: str) -> None:
    answer = api("POST", SEND, body)

    assert (answer.status, answer.body["code"], answer.body["field"]) == (status, code, field)
    assert api.events == []


def test_who_may_not_act_for_the_tenant_sends_it_nothing(api: Api) -> None:
    answer = api("POST", SEND, {"DetailType": "Put Schedule", "Detail": {"name": "tea", **HOURLY}}, caller=OTHER)

    assert (answer.status, answer.body["code"]) == (403, "not_allowed")
    assert api.events == []


def test_a_tenant_sees_its_limits_and_what_it_has_of_them(api: Api) -> None:
    api("PUT", TEA, HOURLY)
    api("PUT", "/tenants/acme/schedules/coffee", HOURLY)
    api("DELETE", TEA)

    answer = api("GET", "/tenants/acme/limits")

    assert (answer.status, answer.body) == (
        200,
        {
            "tenant": "acme",
            "schedules": 1,
            "max_schedules": 10_000,
            "fires_per_minute": 30_000,
            "min_period_seconds": 1,
            "max_input_bytes": 200_000,
        },
    )
    assert api("GET", "/tenants/beta/limits").status == 403


def test_the_history_of_a_schedule_comes_page_by_page(api: Api) -> None:
    entries = [
        HistoryEntry(
            tenant="acme", name="tea", at=NOW + minute * 60_000, kind=EntryKind.FIRED, id=f"{minute}" * 32,
            detail_type="Schedule Fired", time=NOW, detail={"fire_id": f"{minute}" * 32},
        )
        for minute in range(5)
    ]  # fmt: skip
    asyncio.run(api.history.append(entries, days=30))

    first = api("GET", f"{TEA}/history?limit=2&since=2026-12-01T08:01:00Z")
    second = api("GET", f"{TEA}/history?limit=2&since=2026-12-01T08:01:00Z&next={first.body['next']}")

    assert [one["at"][11:16] for one in first.body["entries"] + second.body["entries"]] == [
        "08:04", "08:03", "08:02", "08:01",
    ]  # fmt: skip
    assert "next" not in second.body
    assert first.body["entries"][0]["kind"] == "fired"
    assert api("GET", "/tenants/acme/schedules/none/history").body == {"entries": []}
    assert api("GET", f"{TEA}/history", caller=OTHER).status == 403


@pytest.mark.parametrize("token", ["%F0", "YQ", "MDE3OTYxMTIwMDAwMDAjZmlyZWQjLi4vLi4"])
def test_a_page_of_the_history_that_no_page_named_is_refused(api: Api, token: str) -> None:
    answer = api("GET", f"{TEA}/history?next={token}")

    assert (answer.status, answer.body["field"]) == (400, "next")


@pytest.mark.parametrize("since", ["0.5", "1796112000", "yesterday", "2026-13-01T00:00:00Z", "2026-12-01T00:00:00"])
def test_what_is_no_instant_is_refused(api: Api, since: str) -> None:
    answer = api("GET", f"{TEA}/history?since={since}")

    assert (answer.status, answer.body["field"]) == (400, "since")


def test_a_deployment_without_a_history_says_how_to_keep_one(api: Api) -> None:
    cases = api.cases
    settings = msgspec.structs.replace(cases.settings, keep_history=KeepHistory.NONE)
    api.cases = cases._replace(past=Past(history=api.history, settings=settings))

    answer = api("GET", f"{TEA}/history")

    assert (answer.status, answer.body["code"]) == (404, "history_not_kept")
    assert "KeepHistory=ALL" in answer.body["detail"]
