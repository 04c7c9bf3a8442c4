"""A Lambda function that does the work of fires.

This module is imported at every cold start, so it imports little. What only some functions need comes with their first
use: the event loop for coroutines and reports, AWS clients for reports, Powertools' idempotency for *once*.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, TypeAlias, TypeVar, cast, overload

from eventcron.app.run_reporter import RunReporter, reason_of
from eventcron.consumer.log import log, lost
from eventcron.consumer.loop import run
from eventcron.errors import Undecodable
from eventcron.model.fires import Fire
from eventcron.rules.jobs import is_last
from eventcron.wire.fires import decode_fire, with_input

if TYPE_CHECKING:
    from eventcron.consumer.once import Store
    from eventcron.ports.work import RunReports

T = TypeVar("T")
#: What is decorated: it takes the fire, and Lambda's context if it has a second parameter.
Function: TypeAlias = Callable[Concatenate[Fire[T], ...], object]


class _Repeatable:
    def __repr__(self) -> str:
        return "REPEATABLE"


#: Says that a function may do the work of a fire twice, in place of a store that keeps it from doing so.
REPEATABLE: Final = _Repeatable()


class LambdaHandler(Generic[T]):
    """What ``handler`` makes of a function. Lambda calls it with an event and a context."""

    def __init__(
        self,
        function: Function[T],
        *,
        kind: type[T],
        once: Store | _Repeatable | None,
        report_to: str | RunReports | None,
        report_source: str,
        attempts: int | None,
    ) -> None:
        functools.update_wrapper(cast("Callable[..., object]", self), function)
        self._function = function
        self._takes_context = len(inspect.signature(function).parameters) > 1
        self._kind = kind
        self._once = once
        self._warned = once is not None
        self._attempts = attempts
        self._report_to = report_to
        self._report_source = report_source
        self._reporter: RunReporter | None = None

    def __call__(self, event: Mapping[str, Any], context: Any) -> Any:
        """Do the work of *event*: a fire as a rule delivers it, or an SQS batch of fires.

        Returns what the function returns; for a batch, which messages the queue is to deliver again.

        Raises:
            Undecodable: *event* is no fire, or its input does not fit.
            Exception: as the function does, so that Lambda tries again and its destinations hear of it.
        """
        records = event.get("Records")
        if records is None:
            return self._one(event, context, last=is_last(1, self._attempts))
        return {"batchItemFailures": self._batch(records, context)}

    def _batch(self, records: Sequence[Mapping[str, Any]], context: Any) -> list[dict[str, str]]:
        """The messages that failed. One after another: each has as much of the function's time as it needs."""
        failed: list[dict[str, str]] = []
        for record in records:
            if record.get("eventSource") != "aws:sqs":
                raise Undecodable(f"not a batch of SQS: a record of {record.get('eventSource')!r}")
            receives = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
            try:
                self._one(record["body"], context, last=is_last(receives, self._attempts))
            except Exception:  # noqa: BLE001  # one message's fault is not that of the others
                log.exception("message %s failed, receive %d", record["messageId"], receives)
                failed.append({"itemIdentifier": record["messageId"]})
        return failed

    def _one(self, event: str | Mapping[str, Any], context: Any, *, last: bool) -> Any:
        self._warn()
        fire = decode_fire(event)
        try:
            typed = with_input(fire, self._kind)
        except Undecodable as error:
            reason = error.reason
            self._report(fire, lambda reporter: reporter.failed(fire, reason, last=last))
            raise
        result = self._done_once(typed, context, last=last)
        self._report(fire, lambda reporter: reporter.succeeded(fire, result))
        return result

    def _done_once(self, fire: Fire[T], context: Any, *, last: bool) -> Any:
        if self._once is None or isinstance(self._once, _Repeatable):
            return self._work(fire, context, last=last)
        from eventcron.consumer.once import once  # noqa: PLC0415  # it imports boto3

        work = functools.partial(self._work, fire, context, last=last)
        return once(self._once, self._function, fire.fire_id, work, context)

    def _work(self, fire: Fire[T], context: Any, *, last: bool) -> object:
        self._report(fire, lambda reporter: reporter.started(fire))
        try:
            result = self._function(fire, context) if self._takes_context else self._function(fire)
            return run(cast("Awaitable[object]", result)) if inspect.isawaitable(result) else result
        except Exception as error:
            reason = reason_of(error)
            self._report(fire, lambda reporter: reporter.failed(fire, reason, last=last))
            raise

    def _report(self, fire: Fire[Any], say: Callable[[RunReporter], Awaitable[None]]) -> None:
        if self._report_to is None or not fire.tracked:
            return
        if self._reporter is None:
            self._reporter = RunReporter(self._reports(self._report_to), lost=lost)
        run(say(self._reporter))

    def _reports(self, to: str | RunReports) -> RunReports:
        if not isinstance(to, str):
            return to
        from eventcron.consumer.reports import ReportsTo  # noqa: PLC0415  # it imports an AWS client

        return ReportsTo(to, source=self._report_source)

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "%s does a fire's work again if the fire is delivered twice: nothing remembers what is done. Pass"
                " once=DynamoDBPersistenceLayer(…), or once=consumer.REPEATABLE if that does no harm",
                self._function.__qualname__,
            )


@overload
def handler(function: Function[Any], /) -> LambdaHandler[Any]: ...
@overload
def handler(
    *,
    once: Store | _Repeatable | None = None,
    report_to: str | RunReports | None = None,
    report_source: str = "",
    attempts: int | None = None,
) -> Callable[[Function[Any]], LambdaHandler[Any]]: ...
@overload
def handler(
    *,
    input: type[T],
    once: Store | _Repeatable | None = None,
    report_to: str | RunReports | None = None,
    report_source: str = "",
    attempts: int | None = None,
) -> Callable[[Function[T]], LambdaHandler[T]]: ...
def handler(
    function: Function[Any] | None = None,
    /,
    *,
    input: Any = Any,  # noqa: A002  # what a fire calls it
    once: Store | _Repeatable | None = None,
    report_to: str | RunReports | None = None,
    report_source: str = "",
    attempts: int | None = None,
) -> Any:
    """Make a Lambda handler of a function that takes a ``Fire``, and Lambda's context if it has a second parameter.

    The function may be a coroutine function. *input* is the type of the fire's input, by default plain JSON; msgspec
    converts it. *once* is a persistence layer of Powertools' idempotency, which remembers by ``fire_id`` what is done,
    or ``REPEATABLE``. Without it nothing does, and a warning says so.

    *report_to*, the name or ARN of eventcron's bus, has the runs of tracked fires reported, by the function's own role
    and with the tenant's own source, or *report_source*. *attempts* is how often the work is tried in all: the queue's
    ``maxReceiveCount``, or 1 for a function that Lambda does not retry. Without it a failure is reported as progress,
    since a run ends once and Lambda may try again.
    """
    if attempts is not None and attempts < 1:
        raise ValueError(f"attempts is {attempts}; the work is tried once at least")

    def decorate(function: Function[Any]) -> LambdaHandler[Any]:
        return LambdaHandler(
            function, kind=input, once=once, report_to=report_to, report_source=report_source, attempts=attempts
        )

    return decorate if function is None else decorate(function)
