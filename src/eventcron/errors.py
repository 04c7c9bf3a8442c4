"""The errors that eventcron's layers share, in one tree. An error of one module is defined there, below one of these.

    EventcronError
    ├── InvalidSchedule       the sender must change the request: see field, given, allowed
    │   └── InvalidExpression the expression does not parse, or can never match
    ├── Undecodable           eventcron cannot read the message: dead-letter it
    ├── Conflict              another writer was first: read again and decide again
    └── Unavailable           AWS refused for now: try again (``retryable`` is True)

Each branch stands for one thing that the caller does about it. Each error carries its data as attributes.
"""

from __future__ import annotations

from eventcron.model.codes import RejectionCode, RequestCode


class EventcronError(Exception):
    """Base class of every error that eventcron raises on purpose."""

    retryable = False


class InvalidSchedule(EventcronError):
    """The sender must change the request before eventcron can accept it.

    ``code`` is for programs and stable: ``unknown_field``, ``wrong_type``, ``out_of_range``, ….
    ``field`` is a dotted path into the request, such as ``misfire.grace_seconds``.
    ``given`` is what the sender wrote there, shortened. ``allowed`` says what eventcron accepts there.
    """

    def __init__(self, code: RejectionCode | RequestCode, *, field: str, given: str, allowed: str) -> None:
        self.code = code
        self.field = field
        self.given = given
        self.allowed = allowed
        super().__init__(f"{field}: got {given}; allowed: {allowed}")


class InvalidExpression(InvalidSchedule):
    """The expression does not parse, or can never match.

    ``field`` names the cron field with the mistake, or is ``expression`` if no single field has it.
    """

    def __init__(
        self,
        *,
        field: str,
        given: str,
        allowed: str,
        code: RejectionCode | RequestCode = RejectionCode.INVALID_EXPRESSION,
    ) -> None:
        super().__init__(code, field=field, given=given, allowed=allowed)


class Undecodable(EventcronError):
    """Eventcron cannot read the message. A retry cannot help, so the message goes to the dead-letter queue."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Conflict(EventcronError):
    """Another writer changed the same item first. Nothing was written."""


class Unavailable(EventcronError):
    """An AWS service refused for now (throttling, 5xx, timeout), each time that it was asked.

    ``service`` is ``dynamodb``, ``sqs`` or ``events``. ``code`` is that service's error code.
    """

    retryable = True

    def __init__(self, service: str, code: str, message: str = "") -> None:
        self.service = service
        self.code = code
        super().__init__(f"{service} is unavailable: {code}{': ' + message if message else ''}")
