"""Every error eventcron raises, in one tree.

    EventcronError
    ├── InvalidSchedule       fix the request: says field, given, allowed
    │   └── InvalidExpression the expression does not parse, or can never match
    ├── Undecodable           the message is not one of ours; dead-letter it
    ├── NotAllowed            the sender may not speak for this tenant
    ├── Conflict              someone else was first; read again and decide again
    └── Unavailable           AWS said "later"; try again (``retryable`` is True)

A branch is named by what the caller should do. Each carries its facts as attributes.
"""

from __future__ import annotations

from eventcron.model.codes import RejectionCode, RequestCode


class EventcronError(Exception):
    """Base of everything raised on purpose."""

    retryable = False


class InvalidSchedule(EventcronError):
    """A request that has to be changed by its sender.

    ``code`` is machine-readable and stable (``unknown_field``, ``wrong_type``, ``out_of_range``, …),
    ``field`` a dotted path into the request (``misfire.grace_seconds``), ``given`` a short form of
    what was sent, ``allowed`` what would have been taken.
    """

    def __init__(self, code: RejectionCode | RequestCode, *, field: str, given: str, allowed: str) -> None:
        self.code = code
        self.field = field
        self.given = given
        self.allowed = allowed
        super().__init__(f"{field}: got {given}; allowed: {allowed}")


class InvalidExpression(InvalidSchedule):
    """An expression that does not parse or can never match.

    ``field`` names the cron field at fault where there is one (``expression`` otherwise).
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
    """A message that is not one of ours at all: retrying cannot help, so it is dead-lettered."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class NotAllowed(EventcronError):
    """The event's source may not act for the tenant it names."""

    def __init__(self, *, source: str, tenant: str) -> None:
        self.source = source
        self.tenant = tenant
        super().__init__(f"source {source!r} may not act for tenant {tenant!r}")


class Conflict(EventcronError):
    """Another writer was first; nothing was changed."""


class Unavailable(EventcronError):
    """A service refused for now (throttling, 5xx, timeout), after the client's own retries.

    ``service`` is ``dynamodb``, ``sqs`` or ``events``; ``code`` is the service's own error code.
    """

    retryable = True

    def __init__(self, service: str, code: str, message: str = "") -> None:
        self.service = service
        self.code = code
        super().__init__(f"{service} is unavailable: {code}{': ' + message if message else ''}")
