"""With a persistence layer of Powertools a function does the work of a fire once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
    IdempotencyPersistenceLayerError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer

from eventcron import consumer
from eventcron.consumer import loop
from eventcron.model.tracking import RunStatus
from eventcron.testing import MemoryRunReports, fire_event

FIRE = fire_event("acme", "nightly", run_token="secret")


class MemoryLayer(BasePersistenceLayer):
    """A persistence layer in memory."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.records: dict[str, Any] = {}

    def _get_record(self, idempotency_key: str) -> Any:
        if idempotency_key not in self.records:
            raise IdempotencyItemNotFoundError
        return self.records[idempotency_key]

    def _put_record(self, data_record: Any) -> None:
        if data_record.idempotency_key in self.records:
            raise IdempotencyItemAlreadyExistsError
        self.records[data_record.idempotency_key] = data_record

    def _update_record(self, data_record: Any) -> None:
        self.records[data_record.idempotency_key] = data_record

    def _delete_record(self, data_record: Any) -> None:
        self.records.pop(data_record.idempotency_key, None)


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 30_000


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:
    yield
    loop.close()


@pytest.mark.parametrize("is_async", [False, True])
def test_a_fire_delivered_twice_is_worked_on_once_and_answered_alike(is_async: bool) -> None:
    done: list[str] = []

    def export(fire: consumer.Fire[Any]) -> dict[str, int]:
        done.append(fire.fire_id)
        return {"rows": 3}

    async def export_async(fire: consumer.Fire[Any]) -> dict[str, int]:
        return export(fire)

    decorated = consumer.handler(once=MemoryLayer())(export_async if is_async else export)

    assert [decorated(FIRE, Context()), decorated(FIRE, Context())] == [{"rows": 3}] * 2
    assert decorated(fire_event("acme", "weekly"), Context()) == {"rows": 3}
    assert len(done) == 2


def test_work_that_failed_is_done_by_the_next_try() -> None:
    tries = iter([ValueError("no rows"), None])

    @consumer.handler(once=MemoryLayer())
    def export(_fire: consumer.Fire[Any]) -> str:
        error = next(tries)
        if error is not None:
            raise error
        return "done"

    with pytest.raises(ValueError, match="no rows"):
        export(FIRE, Context())

    assert export(FIRE, Context()) == "done"


def test_two_functions_that_receive_one_fire_both_do_their_work() -> None:
    layer = MemoryLayer()

    @consumer.handler(once=layer)
    def export(_fire: consumer.Fire[Any]) -> str:
        return "exported"

    @consumer.handler(once=layer)
    def mail(_fire: consumer.Fire[Any]) -> str:
        return "mailed"

    assert [export(FIRE, Context()), mail(FIRE, Context())] == ["exported", "mailed"]


def test_a_repetition_reports_the_end_again_as_the_first_report_may_be_lost() -> None:
    reports = MemoryRunReports()

    @consumer.handler(once=MemoryLayer(), report_to=reports)
    def export(_fire: consumer.Fire[Any]) -> None:
        """Nothing."""

    export(FIRE, Context())
    export(FIRE, Context())

    assert [report.status for report in reports.taken] == [
        RunStatus.STARTED,
        RunStatus.SUCCEEDED,
        RunStatus.SUCCEEDED,
    ]


def test_a_fire_that_another_invocation_works_on_goes_back_and_its_run_stays_open() -> None:
    reports = MemoryRunReports()
    layer = MemoryLayer()

    @consumer.handler(once=layer, report_to=reports, attempts=1)
    def export(_fire: consumer.Fire[Any]) -> None:
        with pytest.raises(IdempotencyAlreadyInProgressError):
            export(FIRE, Context())

    export(FIRE, Context())

    assert [report.status for report in reports.taken] == [RunStatus.STARTED, RunStatus.SUCCEEDED]
    [record] = layer.records.values()
    assert record.expiry_timestamp is not None


def test_the_claim_of_an_invocation_ends_with_its_time() -> None:
    class Watched(MemoryLayer):
        def _put_record(self, data_record: Any) -> None:
            super()._put_record(data_record)
            claims.append(data_record.in_progress_expiry_timestamp)

    claims: list[int | None] = []

    @consumer.handler(once=Watched())
    def export(_fire: consumer.Fire[Any]) -> None:
        """Nothing."""

    export(FIRE, Context())

    assert None not in claims


def test_a_store_that_cannot_be_asked_keeps_the_work_from_being_done() -> None:
    class Down(MemoryLayer):
        def _put_record(self, data_record: Any) -> None:
            raise ConnectionError

    reports = MemoryRunReports()

    @consumer.handler(once=Down(), report_to=reports, attempts=1)
    def export(_fire: consumer.Fire[Any]) -> None:
        raise AssertionError

    with pytest.raises(IdempotencyPersistenceLayerError):
        export(FIRE, Context())

    assert reports.taken == []
